/**
 * Faults that somebody planted (`--control`): who hunts for a cause has to hear of them, whatever else was found.
 *
 * MUST: leave the finding as it is, and add to it; say nothing where nothing is wrong. MUST be pure.
 */
import type { NodeEvent } from '../events.ts';
import { describeFault } from '../faults.ts';
import { type Finding, said, seen } from './finding.ts';
import { eventsOf } from './history.ts';
import type { Evidence, EvidenceItem, ExplainCause, NodeEvidence } from './types.ts';

/** One that ended so long ago, by the clock of its node, explains nothing of now. */
const RECENT_MS = 60_000;
/** So many of them are evidence; the rest must not push out what else was found. */
const ITEMS = 8;
const CALM: ReadonlySet<ExplainCause> = new Set([
  'LEADER_STABLE',
  'NOT_BEHIND',
  'COMMITTED',
  'COMPACTED',
  'HEALTHY',
]);

export function withPlanted(finding: Finding, { nodes }: Evidence): Finding {
  if (CALM.has(finding.cause)) return finding;
  const there = nodes.flatMap(({ node, status }) =>
    (status?.faults ?? []).map((fault) =>
      said(node, `${node} ${describeFault(fault)}: fault ${fault.id}, planted there`),
    ),
  );
  const over = nodes.flatMap(recentlyOver).map(seen);
  if (there.length + over.length === 0) return finding;
  const where = namesOf(there.length > 0 ? there : over);
  const planted =
    there.length > 0
      ? `Faults are planted in ${where}`
      : `Faults were planted in ${where} until a moment ago`;
  const next = there.length > 0 ? 'End the planted faults (outrigger fault end), and look again.' : '';
  return {
    ...finding,
    answer: `${finding.answer} ${planted}, and may be why.`,
    evidence: [...[...there, ...over].slice(0, ITEMS), ...finding.evidence],
    next: [next, finding.next].filter((text) => text !== '').join(' '),
  };
}

function recentlyOver(node: NodeEvidence): NodeEvent[] {
  const events = eventsOf(node);
  const now = node.status?.now ?? events.at(-1)?.at ?? 0;
  return events.filter(({ kind, at }) => kind === 'FAULT_ENDED' && now - at <= RECENT_MS);
}

function namesOf(items: readonly EvidenceItem[]): string {
  return [...new Set(items.map(({ node }) => node))].join(', ');
}
