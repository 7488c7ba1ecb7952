/**
 * Where two logs part, from their term runs alone: by the Log Matching property (paper §5.3) two logs that have the same
 * term at an index are equal up to it, so the answer is exact and costs O(runs).
 *
 * MUST: be pure; claim nothing about indexes that one of the logs no longer has (compacted).
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
  /** What each has from `firstDifference` on. */
  readonly left: readonly TermRun[];
  readonly right: readonly TermRun[];
}

export function diffLogs(_left: TermsView, _right: TermsView): LogDiff {
  throw new Error('not written yet');
}
