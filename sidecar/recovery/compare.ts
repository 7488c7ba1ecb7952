/**
 * What several survivors of a lost majority have, set beside each other: whose log is the best, where others part from it, and what
 * of the cluster's past may be missing.
 *
 * MUST: be pure; call certain only what the folders prove. A folder does not say what was committed, but for its snapshots.
 */
import type { Membership } from '../../shared/entry.ts';
import { diffLogs } from '../../shared/log-diff.ts';
import { isQuorum, votersOf } from '../../shared/quorum.ts';
import type { TermRun } from '../../shared/term-runs.ts';

/** What one data folder holds. */
export interface Survivor {
  readonly folder: string;
  /** '' where the folder was never told. */
  readonly cluster: string;
  readonly node: string;
  readonly term: number;
  /** What the log continues; 0, 0 for a log that begins with entry 1. */
  readonly baseIndex: number;
  readonly baseTerm: number;
  readonly runs: readonly TermRun[];
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Cluster time of the last entry, ms; 0 where it is not known. */
  readonly lastTime: number;
  /** Up to here everything was committed: a snapshot or the beginning of the log says so. */
  readonly committed: number;
  /** The newest membership in its log. */
  readonly membership: Membership;
  /** Where its disk cannot prove that it has all it ever acknowledged: why, and how far that went. */
  readonly damage: { readonly reason: string; readonly mustReach: number } | undefined;
}

/** A survivor beside the best one. */
export interface Beside {
  readonly node: string;
  readonly folder: string;
  /** EQUAL; BEHIND: it lacks the end; DIVERGED: it has other entries from some index on; UNKNOWN: no index is in both logs. */
  readonly relation: 'EQUAL' | 'BEHIND' | 'DIVERGED' | 'UNKNOWN';
  /** Last index at which both terms, and so both logs, are the same; 0 for none. */
  readonly agreeThrough: number;
  /** DIVERGED: what it has and the best one has not. It was never committed, or the best one would have it. */
  readonly discarded: { readonly from: number; readonly through: number } | undefined;
}

export interface Comparison {
  readonly best: Survivor;
  readonly beside: readonly Beside[];
  /** Voters of the newest membership of which no folder is here. */
  readonly lost: readonly string[];
  readonly present: readonly string[];
  /** Those that are here could elect a leader by themselves. */
  readonly quorum: boolean;
  /** Certainly committed up to here. */
  readonly committed: number;
  /** Entries of the best log that may or may not have been committed. They are kept. */
  readonly uncertain: { readonly from: number; readonly through: number } | undefined;
  /** Entries that were committed or acknowledged, and that the best log surely lacks. */
  readonly missing: { readonly from: number; readonly through: number } | undefined;
}

/** At least one survivor. Throws RangeError without any. */
export function compareSurvivors(survivors: readonly Survivor[]): Comparison {
  const [best, ...others] = [...survivors].sort(byUpToDate);
  if (best === undefined) throw new RangeError('there is no survivor to compare');
  const { membership } = best;
  const present = survivors.map(({ node }) => node);
  const whole = survivors.filter(({ damage }) => damage === undefined).map(({ node }) => node);
  const committed = Math.max(...survivors.map((survivor) => survivor.committed));
  const reached = Math.max(committed, best.damage?.mustReach ?? 0);
  return {
    best,
    beside: others.map((other) => beside(best, other)),
    lost: votersOf(membership).filter((voter) => !present.includes(voter)),
    present,
    quorum: isQuorum(membership, (id) => whole.includes(id)),
    committed,
    uncertain: best.lastIndex > committed ? { from: committed + 1, through: best.lastIndex } : undefined,
    missing: reached > best.lastIndex ? { from: best.lastIndex + 1, through: reached } : undefined,
  };
}

/** As voters judge candidates (paper §5.4.1); of equal logs the one that is whole. */
function byUpToDate(a: Survivor, b: Survivor): number {
  if (a.lastTerm !== b.lastTerm) return b.lastTerm - a.lastTerm;
  if (a.lastIndex !== b.lastIndex) return b.lastIndex - a.lastIndex;
  return Number(a.damage !== undefined) - Number(b.damage !== undefined);
}

/** Is `survivor` as good as the best one, so that choosing it loses nothing? */
export function isAsGood(survivor: Survivor, { best }: Comparison): boolean {
  return survivor.lastTerm === best.lastTerm && survivor.lastIndex === best.lastIndex;
}

function beside(best: Survivor, other: Survivor): Beside {
  const { node, folder } = other;
  const { relation, agreeThrough, firstDifference } = diffLogs(viewOf(best), viewOf(other));
  const known = { node, folder, agreeThrough };
  if (relation === 'EQUAL') return { ...known, relation, discarded: undefined };
  if (relation === 'PREFIX') return { ...known, relation: 'BEHIND', discarded: undefined };
  if (relation === 'UNKNOWN') return { ...known, relation, discarded: undefined };
  const from = firstDifference ?? agreeThrough + 1;
  return { ...known, relation: 'DIVERGED', discarded: { from, through: other.lastIndex } };
}

function viewOf({ runs, baseIndex, baseTerm }: Survivor) {
  return {
    runs: [...runs],
    snapshotIndex: baseIndex,
    snapshotTerm: baseTerm,
    commitIndex: 0,
    appliedIndex: 0,
  };
}
