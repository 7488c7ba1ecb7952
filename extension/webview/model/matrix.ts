/**
 * The log matrix without pixels: nodes × index, from term runs.
 *
 * MUST: be pure; cost O(runs), never O(entries); tell what a node itself said from what the leader knows of it.
 */
import type { ClusterView, NodeTerms } from '../../../shared/cluster-view.ts';
import type { TermsView } from '../../../shared/inspect.ts';
import { diffLogs } from '../../../shared/log-diff.ts';
import { type TermRun, TermRuns } from '../../../shared/term-runs.ts';
import { clampView, type Extent, type View } from './geometry.ts';

export interface MatrixRow {
  readonly node: string;
  readonly isLeader: boolean;
  /** Absent: nothing is known of its log. */
  readonly log?: RowLog;
  /** What the leader knows to be there; absent while there is no leader that says so. */
  readonly match?: number;
}

export interface RowLog {
  readonly source: NodeTerms['source'];
  readonly terms: TermsView;
  readonly runs: TermRuns;
  /** First index that is still in the log; `last` is one less when there is none. */
  readonly first: number;
  readonly last: number;
  /** First index at which it differs from the leader's log; absent where it does not, or nobody knows. */
  readonly differsFrom?: number;
}

/** COMPACTED: was there, and only the snapshot has it now. MISSING: not there (yet). UNKNOWN: this node's log is not known. */
export type CellState = 'COMMITTED' | 'UNCOMMITTED' | 'MISSING' | 'COMPACTED' | 'UNKNOWN';

export interface Cell {
  readonly state: CellState;
  /** 0 where there is no entry. */
  readonly term: number;
  readonly applied: boolean;
  readonly differs: boolean;
}

/** One row per node of the cluster, in its order. */
export function matrixRows(cluster: ClusterView, terms: readonly NodeTerms[]): MatrixRow[] {
  const byNode = new Map(terms.map((one) => [one.node, one]));
  const leaderTerms = byNode.get(cluster.leader);
  const leader = cluster.nodes.find(({ id }) => id === cluster.leader);
  const progress = new Map((leader?.status?.progress ?? []).map((one) => [one.id, one.matchIndex]));
  return cluster.nodes.map(({ id }) => {
    const known = byNode.get(id);
    const match = progress.get(id);
    return {
      node: id,
      isLeader: id === cluster.leader,
      ...(known === undefined ? {} : { log: rowLog(known, leaderTerms) }),
      ...(match === undefined || id === cluster.leader ? {} : { match }),
    };
  });
}

function rowLog(known: NodeTerms, leader: NodeTerms | undefined): RowLog {
  const { terms } = known;
  const first = terms.runs[0]?.first ?? terms.snapshotIndex + 1;
  const last = terms.runs.at(-1)?.last ?? first - 1;
  const runs = new TermRuns(terms.runs, first - 1, 0);
  const base = { source: known.source, terms, runs, first, last };
  if (leader === undefined || leader.node === known.node) return base;
  const diff = diffLogs(leader.terms, terms);
  return diff.relation === 'CONFLICT' && diff.firstDifference !== null
    ? { ...base, differsFrom: diff.firstDifference }
    : base;
}

/** All indexes of all nodes, with a little of what is compacted so that the boundary shows; undefined: no log is known. */
export function extentOf(rows: readonly MatrixRow[]): Extent | undefined {
  let first = Number.MAX_SAFE_INTEGER;
  let last = 0;
  for (const { log } of rows) {
    if (log === undefined || log.last < 1) continue;
    first = Math.min(first, Math.max(1, log.first));
    last = Math.max(last, log.last);
  }
  if (last === 0) return undefined;
  first = Math.min(first, last);
  return { first: Math.max(1, first - Math.ceil((last - first + 1) * 0.02)), last };
}

/** Entries shown before the first unsettled one. */
const LEAD_IN = 24;

/**
 * The part of the log where life is: from the lowest index that some node does not have settled (same as the leader,
 * committed and applied) to the end.
 */
export function unsettledView(rows: readonly MatrixRow[], extent: Extent): View {
  let settled = extent.last;
  for (const { log, match } of rows) {
    if (log === undefined) continue;
    const { commitIndex, appliedIndex } = log.terms;
    const same = log.differsFrom === undefined ? log.last : log.differsFrom - 1;
    settled = Math.min(settled, same, commitIndex, Math.max(appliedIndex, log.terms.snapshotIndex));
    if (match !== undefined && match > 0) settled = Math.min(settled, match);
  }
  const unsettled = extent.last - settled;
  const from = settled + 1 - Math.max(LEAD_IN, Math.ceil(unsettled * 0.1));
  return clampView({ from, span: extent.last - from + 1 }, extent);
}

export function cellOf(row: MatrixRow, index: number): Cell {
  const { log } = row;
  const none = { term: 0, applied: false, differs: false };
  if (log === undefined) return { state: 'UNKNOWN', ...none };
  const run = log.runs.runAt(index);
  if (run === undefined) {
    const compacted = index < log.first && index >= 1;
    return { state: compacted ? 'COMPACTED' : 'MISSING', ...none };
  }
  return {
    state: index <= log.terms.commitIndex ? 'COMMITTED' : 'UNCOMMITTED',
    term: run.term,
    applied: index <= log.terms.appliedIndex,
    differs: log.differsFrom !== undefined && index >= log.differsFrom,
  };
}

/** First index of the run before (-1) or after (+1) the one that `index` is in; `index` itself where there is none. */
export function nextTermStart(row: MatrixRow, index: number, direction: -1 | 1): number {
  const runs = row.log?.terms.runs ?? [];
  if (direction > 0) return runs.find((run) => run.first > index)?.first ?? index;
  return runs.findLast((run) => run.first < index)?.first ?? index;
}

/** The runs (and which node's they are) that touch the view, in order of node and index. */
export function runsInView(
  rows: readonly MatrixRow[],
  view: View,
): { readonly row: MatrixRow; readonly log: RowLog; readonly run: TermRun }[] {
  const end = view.from + view.span - 1;
  return rows.flatMap((row) => {
    const { log } = row;
    if (log === undefined) return [];
    return log.terms.runs
      .filter((run) => run.last >= view.from && run.first <= end)
      .map((run) => ({ row, log, run }));
  });
}

/** The terms that have entries in view, ascending; of more than `most` the newest. */
export function newestTerms(rows: readonly MatrixRow[], view: View, most: number): number[] {
  const terms = new Set(runsInView(rows, view).map(({ run }) => run.term));
  return [...terms].sort((a, b) => a - b).slice(-most);
}
