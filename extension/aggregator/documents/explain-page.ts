/** An explanation as a page. MUST: be pure; show everything the rules answered, the certainty and the evidence with it. */
import { NAME_PATTERN } from '../../../shared/endpoint-files.ts';
import type { Certainty, EvidenceItem, Explanation } from '../../../shared/explain/types.ts';
import { safeFence, safeMarkdown } from '../../../shared/safe-text.ts';
import { entryUri } from './addresses.ts';
import { page, table } from './markdown.ts';
import { isoTime } from './render.ts';
import { type ExplainName, logUri } from './uris.ts';
import { waterfall } from './waterfall.ts';

const CERTAINTY: Readonly<Record<Certainty, string>> = {
  CERTAIN: 'certain: the evidence leaves no other reading',
  LIKELY: 'likely: other readings are possible',
  UNKNOWN: 'unknown: something is missing',
};

/** Rows of evidence shown. The rest is counted. */
const MAX_EVIDENCE = 200;

function question({ about, id, cluster }: ExplainName): string {
  switch (about) {
    case 'leader':
      return `Why did the leader of ${cluster} change?`;
    case 'lag':
      return id === '' ? `Who lags in ${cluster}, and why?` : `Why does ${id} lag in ${cluster}?`;
    case 'entry':
      return id === ''
        ? `What became of the newest entry of ${cluster}?`
        : `What became of entry ${id} of ${cluster}?`;
    case 'member':
      return id === '' ? `How are the members of ${cluster}?` : `How is ${id} of ${cluster}?`;
  }
}

function eventName({ seq, generation }: EvidenceItem): string {
  return seq === undefined
    ? 'status'
    : `event ${seq}${generation === undefined ? '' : ` of run ${generation}`}`;
}

function evidenceTable(evidence: readonly EvidenceItem[]): string {
  if (evidence.length === 0) return 'None.';
  const rows = evidence
    .slice(0, MAX_EVIDENCE)
    .map((item) => [
      safeMarkdown(item.node, 64),
      item.at === undefined ? '' : isoTime(item.at),
      safeMarkdown(item.text, 500),
      safeMarkdown(eventName(item), 100),
    ]);
  const more = evidence.length - rows.length;
  return [
    table(['node', 'its clock', 'what was seen', 'where'], rows),
    ...(more > 0 ? [`${more} more are not shown.`] : []),
  ].join('\n\n');
}

/** Bars, or '' where there are none. */
export function waterfallSection(title: string, bars: string): string {
  return bars === '' ? '' : `## ${title}\n\n${safeFence(bars)}`;
}

/** To the entry on each node, or to the logs of the nodes. */
function seeAlso({ cluster, about, id }: ExplainName, nodes: readonly string[]): string {
  const index = about === 'entry' ? Number(id) : 0;
  return nodes
    .filter((node) => NAME_PATTERN.test(node))
    .map((node) =>
      index > 0
        ? `[${node}@${index}](${entryUri(cluster, node, index)})`
        : `[log of ${node}](${logUri(cluster, node, 0)})`,
    )
    .join(' · ');
}

/** `nodes`: of the cluster, for the links below. */
export function explainPage(name: ExplainName, explanation: Explanation, nodes: readonly string[]): string {
  const { answer, certainty, cause, evidence, next, stages } = explanation;
  return page(
    `# ${safeMarkdown(question(name))}`,
    safeMarkdown(answer),
    `Cause ${safeMarkdown(cause, 64)}, ${CERTAINTY[certainty]}.`,
    next === '' ? '' : `## What to do\n\n${safeMarkdown(next)}`,
    `## Evidence\n\n${evidenceTable(evidence)}`,
    waterfallSection('Where its time went', waterfall(stages ?? [])),
    seeAlso(name, nodes),
  );
}
