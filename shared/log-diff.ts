/**
 * Where two logs part, from their term runs alone: by the Log Matching property (paper §5.3) two logs that have the same
 * term at an index are equal up to it, so the answer is exact and costs O(runs).
 *
 * MUST: be pure; claim nothing about indexes that one of the logs no longer has (compacted). The snapshot boundary itself
 * is known: its term is, though its entry is not. So is the place before the first entry of a log that was never compacted.
 */
import type { TermsView } from './inspect.ts';
import type { TermRun } from './term-runs.ts';

/**
 * EQUAL: same entries. PREFIX: one ends earlier and agrees until then (the normal state of a follower).
 * CONFLICT: they differ at `firstDifference`. UNKNOWN: they share no index that both still have.
 */
export interface LogDiff {
  readonly relation: 'EQUAL' | 'PREFIX' | 'CONFLICT' | 'UNKNOWN';
  /** Last index at which both are known to be equal, 0 for none. */
  readonly agreeThrough: number;
  /** CONFLICT: the first index whose terms differ. PREFIX: the first index that only one has. Else null. */
  readonly firstDifference: number | null;
  /** What each has from `firstDifference` on; empty where that is null. */
  readonly left: readonly TermRun[];
  readonly right: readonly TermRun[];
}

/** The logs of two nodes, compared. Both views must be well-formed (runs without a gap, terms that grow). */
export function diffLogs(left: TermsView, right: TermsView): LogDiff {
  const one = knownRuns(left);
  const other = knownRuns(right);
  const from = Math.max(firstOf(one), firstOf(other));
  const through = Math.min(lastOf(one), lastOf(other));
  if (from > through)
    return { relation: 'UNKNOWN', agreeThrough: 0, firstDifference: null, left: [], right: [] };
  const conflict = firstConflict(one, other, from, through);
  if (conflict !== undefined) {
    const agreeThrough = conflict > from ? conflict - 1 : 0;
    return { relation: 'CONFLICT', agreeThrough, ...partingAt(conflict, left, right) };
  }
  if (lastOf(one) === lastOf(other)) {
    return { relation: 'EQUAL', agreeThrough: through, firstDifference: null, left: [], right: [] };
  }
  return { relation: 'PREFIX', agreeThrough: through, ...partingAt(through + 1, left, right) };
}

function partingAt(
  index: number,
  left: TermsView,
  right: TermsView,
): Pick<LogDiff, 'firstDifference' | 'left' | 'right'> {
  return { firstDifference: index, left: runsFrom(left.runs, index), right: runsFrom(right.runs, index) };
}

/** The runs with the boundary before them as a run of its own, so that the first one always exists. */
function knownRuns({ runs, snapshotIndex, snapshotTerm }: TermsView): readonly TermRun[] {
  const first = runs[0];
  if (first !== undefined && first.first <= snapshotIndex) return runs;
  return [{ term: snapshotTerm, first: snapshotIndex, last: snapshotIndex }, ...runs];
}

function firstOf(runs: readonly TermRun[]): number {
  return runs[0]?.first ?? 0;
}

function lastOf(runs: readonly TermRun[]): number {
  return runs.at(-1)?.last ?? 0;
}

/** The first index in from…through at which the terms differ. Walks both lists once, run by run. */
function firstConflict(
  left: readonly TermRun[],
  right: readonly TermRun[],
  from: number,
  through: number,
): number | undefined {
  let l = 0;
  let r = 0;
  let index = from;
  while (index <= through) {
    const a = left[l];
    const b = right[r];
    if (a === undefined || b === undefined) return undefined;
    if (a.last < index) l++;
    else if (b.last < index) r++;
    else if (a.term !== b.term) return index;
    else index = Math.min(a.last, b.last) + 1;
  }
  return undefined;
}

function runsFrom(runs: readonly TermRun[], index: number): TermRun[] {
  return runs
    .filter((run) => run.last >= index)
    .map((run) => ({ term: run.term, first: Math.max(run.first, index), last: run.last }));
}
