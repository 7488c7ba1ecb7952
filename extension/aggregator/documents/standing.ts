/**
 * What the cluster knows of an entry: is it committed, who has acknowledged it, does it agree with the leader's log.
 *
 * MUST: be pure; claim only what the nodes' own words bear. An acknowledgement is what the *leader* knows (its match
 * index), and counts only for the very entry that is in the leader's log.
 */
import type { ClusterView, NodeTerms, NodeView } from '../../../shared/cluster-view.ts';
import type { NodeStatus, StageTimes } from '../../../shared/inspect.ts';
import { TermRuns } from '../../../shared/term-runs.ts';
import type { Inspected } from '../contract.ts';
import { firstKept } from './uris.ts';

/** Everything that is asked of the cluster for one document, gathered once. */
export interface Facts {
  readonly cluster: string;
  readonly view: ClusterView | undefined;
  /** The leader, when it is known and has said so itself. */
  readonly leader: { readonly id: string; readonly status: NodeStatus } | undefined;
  readonly terms: ReadonlyMap<string, NodeTerms>;
  readonly runs: ReadonlyMap<string, TermRuns>;
}

export function gatherFacts(inspected: Inspected, cluster: string): Facts {
  const view = inspected.cluster(cluster);
  const leading = view?.nodes.find((node) => node.isLeader);
  const terms = inspected.terms(cluster);
  return {
    cluster,
    view,
    leader: leading?.status === undefined ? undefined : { id: leading.id, status: leading.status },
    terms: new Map(terms.map((known) => [known.node, known])),
    runs: new Map(
      terms.map(({ node, terms: { runs, snapshotIndex, snapshotTerm } }) => {
        const base = runs[0] === undefined ? snapshotIndex : runs[0].first - 1;
        return [node, new TermRuns(runs, base, base === snapshotIndex ? snapshotTerm : 0)];
      }),
    ),
  };
}

export interface EntryAt {
  readonly node: string;
  readonly index: number;
  readonly term: number;
}

/**
 * COMMITTED. UNCOMMITTED: in the leader's log, and not on a quorum yet. CONFLICT: the leader has another entry there; this
 * one will be dropped. BEYOND_LEADER: the leader's log ends before it. UNKNOWN: no leader is known to compare with.
 */
export type Verdict = 'COMMITTED' | 'UNCOMMITTED' | 'CONFLICT' | 'BEYOND_LEADER' | 'UNKNOWN';

export interface Standing {
  readonly verdict: Verdict;
  /** '' when not known. */
  readonly leader: string;
  /** CONFLICT: the term of the leader's entry there. */
  readonly leaderTerm?: number;
  /** Who has it on disk, as the leader knows; absent where it cannot know. */
  readonly acked?: {
    readonly by: readonly string[];
    readonly missing: readonly string[];
    /** Voters among them, and how many make a quorum; 0 during a joint configuration, which needs two. */
    readonly voters: number;
    readonly quorum: number;
  };
}

function acknowledged(status: NodeStatus, index: number): NonNullable<Standing['acked']> {
  const members = [
    { id: status.node, has: status.durableIndex >= index },
    ...status.progress.map(({ id, matchIndex }) => ({ id, has: matchIndex >= index })),
  ].sort((a, b) => (a.id < b.id ? -1 : 1));
  const by = members.filter(({ has }) => has).map(({ id }) => id);
  const { voters, outgoing } = status.membership;
  return {
    by,
    missing: members.filter(({ has }) => !has).map(({ id }) => id),
    voters: voters.filter((id) => by.includes(id)).length,
    quorum: outgoing.length > 0 ? 0 : Math.floor(voters.length / 2) + 1,
  };
}

/** `commitIndex`: what that node knows to be committed, from wherever the entry was read (0: nothing). */
export function standingOf(facts: Facts, entry: EntryAt, commitIndex: number): Standing {
  const own = facts.view?.nodes.find(({ id }) => id === entry.node)?.status?.commitIndex ?? 0;
  // What a node knows to be committed never leaves its log, so its own word is enough.
  const committedHere = entry.index <= Math.max(own, commitIndex);
  const { leader } = facts;
  const runs = leader === undefined ? undefined : facts.runs.get(leader.id);
  if (leader === undefined || runs === undefined) {
    return { verdict: committedHere ? 'COMMITTED' : 'UNKNOWN', leader: leader?.id ?? '' };
  }
  const base = { leader: leader.id };
  const acked = acknowledged(leader.status, entry.index);
  if (entry.index < runs.firstIndex) return { ...base, verdict: 'COMMITTED', acked };
  const leaderTerm = termOnLeader(leader.status, runs, entry);
  if (leaderTerm === 'UNKNOWN') return { ...base, verdict: committedHere ? 'COMMITTED' : 'UNKNOWN' };
  if (leaderTerm === 'NONE') return { ...base, verdict: committedHere ? 'COMMITTED' : 'BEYOND_LEADER' };
  if (leaderTerm !== entry.term) return { ...base, verdict: 'CONFLICT', leaderTerm };
  const committed = committedHere || entry.index <= leader.status.commitIndex;
  return { ...base, verdict: committed ? 'COMMITTED' : 'UNCOMMITTED', acked };
}

/** The term of the leader's entry at the index of `entry`, which may have been read later than the leader's term runs. */
function termOnLeader(status: NodeStatus, runs: TermRuns, entry: EntryAt): number | 'NONE' | 'UNKNOWN' {
  // Its own log; and entries of a leader's term are made by it alone, and never leave its log while it leads.
  if (entry.node === status.node || entry.term === status.term) return entry.term;
  const known = runs.runAt(entry.index)?.term;
  if (known !== undefined) return known;
  return entry.term > status.term ? 'UNKNOWN' : 'NONE';
}

/** From when the node first saw the entry until it knew it to be committed; undefined where it forgot one of them. */
export function commitTime(
  stages: StageTimes | undefined,
): { readonly from: 'proposed' | 'appended'; readonly ms: number } | undefined {
  if (stages?.committed === undefined) return undefined;
  const from = stages.proposed === undefined ? 'appended' : 'proposed';
  const start = stages[from];
  // A wall clock may be set back meanwhile.
  if (start === undefined || start > stages.committed) return undefined;
  return { from, ms: stages.committed - start };
}

/** Where an entry is: on one node. OTHER: another entry (of `term`) stands at its index. */
export interface Place {
  readonly node: string;
  readonly has: 'SAME' | 'OTHER' | 'NOT_YET' | 'COMPACTED' | 'UNKNOWN';
  readonly term?: number;
  readonly isLeader: boolean;
  readonly committed: boolean | undefined;
  readonly applied: boolean | undefined;
}

function placeOn(facts: Facts, node: NodeView, index: number, term: number): Place {
  const known = facts.terms.get(node.id)?.terms;
  const base = {
    node: node.id,
    isLeader: node.isLeader,
    committed: node.status === undefined ? undefined : node.status.commitIndex >= index,
    applied: node.status === undefined ? undefined : node.status.appliedIndex >= index,
  };
  if (known === undefined) return { ...base, has: 'UNKNOWN' };
  if (index < firstKept(known)) return { ...base, has: 'COMPACTED' };
  const there = facts.runs.get(node.id)?.runAt(index)?.term;
  if (there === undefined) return { ...base, has: 'NOT_YET', committed: false, applied: false };
  if (there === term) return { ...base, has: 'SAME' };
  return { ...base, has: 'OTHER', term: there };
}

/** The entry with this index and term on every node. */
export function placesOf(facts: Facts, index: number, term: number): readonly Place[] {
  return (facts.view?.nodes ?? []).map((node) => placeOn(facts, node, index, term));
}

/** Changes whenever what `standingOf` says of any entry may have changed. */
export function signatureOf(facts: Facts): string {
  const { leader } = facts;
  if (leader === undefined)
    return `${facts.view?.nodes.map(({ status }) => status?.commitIndex ?? 0).join()}`;
  const { status } = leader;
  const match = status.progress.map(({ id, matchIndex }) => `${id}:${matchIndex}`);
  return [leader.id, status.term, status.commitIndex, status.durableIndex, ...match].join();
}

/** The index through which nothing about an entry can change any more: committed, and acknowledged by all. */
export function settledThrough(facts: Facts): number {
  const { leader } = facts;
  if (leader === undefined) return 0;
  const { status } = leader;
  return Math.min(
    status.commitIndex,
    status.durableIndex,
    ...status.progress.map(({ matchIndex }) => matchIndex),
  );
}
