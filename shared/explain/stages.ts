/**
 * Where the time of an entry went: its stages on each node, as bars of a waterfall.
 *
 * MUST: compare only times of one clock: the bars of a node begin at the first stage that this node saw. MUST be pure.
 */
import { STAGES, type StageTimes } from '../inspect.ts';
import { duration } from '../wording.ts';
import { said } from './finding.ts';
import type { Evidence, EvidenceItem, Stage } from './types.ts';

type StageName = (typeof STAGES)[number];

/** What the time up to a stage was spent on. */
const SPENT: Readonly<Record<StageName, string>> = {
  proposed: 'being proposed',
  appended: 'waiting to be appended',
  durable: 'being written to the disk',
  committed: 'waiting to be committed',
  delivered: 'waiting to be handed to the app',
  applied: 'being applied by the app',
};

/** Bars of all nodes that know their times: the node with the longest path first, each in the order of its stages. */
export function stagesOf(evidence: Evidence): Stage[] {
  const paths = evidence.nodes.flatMap(({ node, entry }) => {
    const bars = barsOf(node, entry?.stages ?? {});
    return bars.length === 0 ? [] : [bars];
  });
  return paths.sort((a, b) => length(b) - length(a) || compare(a[0]?.node ?? '', b[0]?.node ?? '')).flat();
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function length(bars: readonly Stage[]): number {
  return Math.max(0, ...bars.map(({ toMs }) => toMs));
}

/** A stage may be seen out of order (committed before it is durable here): each bar begins when the one before it in time ended. */
function barsOf(node: string, times: StageTimes): Stage[] {
  const passed = STAGES.flatMap((name) => {
    const at = times[name];
    return at === undefined || !Number.isFinite(at) ? [] : [{ name, at }];
  }).sort((a, b) => a.at - b.at);
  const zero = passed[0]?.at ?? 0;
  return passed
    .slice(1)
    .map(({ name, at }, i) => ({ node, name, fromMs: (passed[i]?.at ?? zero) - zero, toMs: at - zero }));
}

/** The longest bar of the longest path in words; nothing when no node knows its times. */
export function longestStage(stages: readonly Stage[]): EvidenceItem[] {
  const node = stages[0]?.node;
  let longest: Stage | undefined;
  for (const stage of stages) {
    if (stage.node !== node) continue;
    if (longest === undefined || stage.toMs - stage.fromMs > longest.toMs - longest.fromMs) longest = stage;
  }
  if (longest === undefined) return [];
  const whole = length(stages.filter((stage) => stage.node === node));
  const spent = SPENT[longest.name as StageName];
  return [
    said(
      longest.node,
      `of ${duration(whole)} on ${longest.node}, ${duration(longest.toMs - longest.fromMs)} were spent ${spent}`,
    ),
  ];
}
