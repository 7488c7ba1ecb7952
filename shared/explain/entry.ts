/**
 * What became of the entry at an index?
 *
 * MUST: call an entry committed only when a node knows it as committed; count for the commit only voters, and of the leader
 * only what its own disk has; name the rule of §5.4.2 where it is what an entry waits for. MUST be pure.
 */

import { conditionOf } from '../app-conditions.ts';
import type { Membership } from '../entry.ts';
import type { NodeEvent } from '../events.ts';
import { isQuorum, majorityOf, votersOf } from '../quorum.ts';
import { safeLine } from '../safe-text.ts';
import { duration, list } from '../wording.ts';
import { leaderOf, subjectOf } from './contact.ts';
import { allSeen, type Finding, firstOf, type Rule, said, unknown } from './finding.ts';
import { eventsOf } from './history.ts';
import { lagOf } from './lag.ts';
import { longestStage, stagesOf } from './stages.ts';
import type { Evidence, EvidenceItem, NodeEvidence, Stage } from './types.ts';

interface Place {
  readonly evidence: Evidence;
  readonly index: number;
  readonly leader: NodeEvidence | undefined;
  /** Term of the entry in the leader's log, where known. */
  readonly leaderTerm: number | undefined;
  /** Nodes whose log is known, by what they have at the index. */
  readonly terms: ReadonlyMap<string, number | 'COMPACTED' | 'BEYOND'>;
  readonly stages: readonly Stage[];
}

export function explainEntry(evidence: Evidence, id: string): Finding {
  const index = Number(id);
  if (!/^\d+$/.test(id) || !Number.isSafeInteger(index) || index < 1) {
    return unknown(`“${id}” is no index of a log.`, 'Give an index: a whole number from 1 on.');
  }
  const leader = leaderOf(evidence);
  const terms = new Map<string, number | 'COMPACTED' | 'BEYOND'>();
  for (const node of evidence.nodes) {
    const there = whatIsAt(node, index);
    if (there !== undefined) terms.set(node.node, there);
  }
  const atLeader = leader === undefined ? undefined : terms.get(leader.node);
  const leaderTerm = typeof atLeader === 'number' ? atLeader : undefined;
  const place: Place = { evidence, index, leader, leaderTerm, terms, stages: stagesOf(evidence) };
  const finding =
    firstOf(RULES, place) ??
    unknown(`No node has told its log around ${index}.`, 'Attach to a running node.');
  return place.stages.length === 0 ? finding : { ...finding, stages: place.stages };
}

/** Term of the entry there; COMPACTED, BEYOND the end of its log, or undefined where its log is not known. */
function whatIsAt(
  { entry, terms, status }: NodeEvidence,
  index: number,
): number | 'COMPACTED' | 'BEYOND' | undefined {
  if (entry?.index === index) return entry.term;
  if (terms !== undefined) {
    const run = terms.runs.find(({ first, last }) => first <= index && index <= last);
    if (run !== undefined) return run.term;
    return index <= terms.snapshotIndex ? 'COMPACTED' : 'BEYOND';
  }
  if (status === undefined) return undefined;
  if (index > status.lastIndex) return 'BEYOND';
  if (index < status.firstIndex) return 'COMPACTED';
  return index === status.lastIndex ? status.lastTerm : undefined;
}

const RULES: readonly Rule<Place>[] = [
  overwritten,
  committed,
  compacted,
  notInLog,
  willBeOverwritten,
  olderTerm,
  waitingForDisk,
  waitingForQuorum,
  onlyAFollowerKnows,
];

/** Who knows the index as committed, by its own word. */
function committers({ evidence, index }: Place): { readonly node: string; readonly commitIndex: number }[] {
  return evidence.nodes.flatMap(({ node, status, terms }) => {
    const commitIndex = Math.max(status?.commitIndex ?? 0, terms?.commitIndex ?? 0);
    return commitIndex >= index ? [{ node, commitIndex }] : [];
  });
}

/** An entry stood there once and was dropped. */
function overwritten(it: Place): Finding | undefined {
  const { evidence, index } = it;
  const dropped = evidence.nodes.flatMap((node) =>
    eventsOf(node).filter(
      ({ kind, index: first, through }) =>
        kind === 'TRUNCATED' && first !== undefined && first <= index && index <= (through ?? first),
    ),
  );
  const newest = dropped.reduce<NodeEvent | undefined>(
    (best, event) => (best === undefined || (event.oldTerm ?? 0) > (best.oldTerm ?? 0) ? event : best),
    undefined,
  );
  if (newest === undefined) return undefined;
  const now = standsNow(it);
  return {
    cause: 'OVERWRITTEN',
    certainty: 'CERTAIN',
    answer: `Entry ${index} of term ${newest.oldTerm ?? 0} was dropped by ${list([...new Set(dropped.map(({ node }) => node))])}: it was never committed, and the leader of a later term had another log.${now}`,
    evidence: [...allSeen(dropped), ...commitWords(it)],
    next: 'Whoever proposed it had no acknowledgement, and may propose it again (with a session it takes effect once).',
  };
}

/** What is at the index now. */
function standsNow(it: Place): string {
  const terms = [...new Set([...it.terms.values()].filter((term) => typeof term === 'number'))].sort(
    (a, b) => b - a,
  );
  const [term] = terms;
  if (term === undefined) return '';
  return ` An entry of term ${term} stands there now${committers(it).length > 0 ? ', and is committed' : ''}.`;
}

function commitWords(it: Place): EvidenceItem[] {
  return committers(it).map(({ node, commitIndex }) =>
    said(node, `${node} knows everything up to ${commitIndex} as committed`),
  );
}

function committed(it: Place): Finding | undefined {
  const words = commitWords(it);
  if (words.length === 0) return undefined;
  const there = [...it.terms.values()];
  if (there.includes('COMPACTED') && !there.some((what) => typeof what === 'number')) return undefined;
  const term = there.find((what) => typeof what === 'number');
  const spent = longestStage(it.stages);
  const time = spent[0] === undefined ? '' : ` Its time: ${spent[0].text}.`;
  return {
    cause: 'COMMITTED',
    certainty: 'CERTAIN',
    answer: `Entry ${it.index}${term === undefined ? '' : ` of term ${term}`} is committed: ${list(words.map(({ node }) => node))} ${words.length === 1 ? 'knows' : 'know'} it.${time}`,
    evidence: [...words, ...spent, ...appliedWords(it)],
    next: '',
  };
}

/** Where the app has not got to it yet. */
function appliedWords({ evidence, index }: Place): EvidenceItem[] {
  return evidence.nodes.flatMap(({ node, status }) => {
    if (status === undefined || status.appliedIndex >= index) return [];
    const { app, appliedIndex } = status;
    if (conditionOf(app) === 'FAILED' && app.entry === index) {
      return [said(node, `the app of ${node} cannot apply it: ${safeLine(app.reason, 300)}`)];
    }
    return [
      said(node, `the app of ${node} (${app.condition ?? app.state}) has applied only up to ${appliedIndex}`),
    ];
  });
}

function compacted(it: Place): Finding | undefined {
  const { terms, index, evidence } = it;
  const where = [...terms].filter(([, there]) => there === 'COMPACTED').map(([node]) => node);
  if (where.length === 0) return undefined;
  return {
    cause: 'COMPACTED',
    certainty: 'CERTAIN',
    answer: `Entry ${index} was committed and is now part of the snapshot of ${list(where)}: the log no longer has it.`,
    evidence: where.map((id) => {
      const node = evidence.nodes.find((one) => one.node === id);
      const through = Math.max(node?.terms?.snapshotIndex ?? 0, (node?.status?.firstIndex ?? 1) - 1);
      return said(id, `the log of ${id} is compacted up to ${through}`);
    }),
    next: '',
  };
}

function notInLog({ terms, index, evidence }: Place): Finding | undefined {
  if (terms.size === 0 || [...terms.values()].some((there) => there !== 'BEYOND')) return undefined;
  const unasked = evidence.nodes.filter(({ node }) => !terms.has(node));
  return {
    cause: 'NOT_IN_LOG',
    certainty: unasked.length === 0 && evidence.nodes.length > 1 ? 'CERTAIN' : 'LIKELY',
    answer: `No log that is known reaches entry ${index}.`,
    evidence: [...terms.keys()].map((id) => said(id, `the log of ${id} ends at ${endOf(evidence, id)}`)),
    next: '',
  };
}

function endOf(evidence: Evidence, id: string): number {
  const node = evidence.nodes.find((one) => one.node === id);
  return node?.terms?.runs.at(-1)?.last ?? node?.terms?.snapshotIndex ?? node?.status?.lastIndex ?? 0;
}

/** It stands in logs of followers, and the leader has another one there, or none. */
function willBeOverwritten({ leader, terms, index, leaderTerm, evidence }: Place): Finding | undefined {
  const leaderNow = leader?.status?.term;
  if (leader === undefined || leaderNow === undefined || !terms.has(leader.node)) return undefined;
  // What is of the leader's own term is the leader's own: its log was merely asked earlier.
  const others = [...terms].filter(
    ([node, there]) =>
      node !== leader.node && typeof there === 'number' && there !== leaderTerm && there < leaderNow,
  );
  const [first] = others;
  if (first === undefined) return undefined;
  const has =
    leaderTerm === undefined
      ? `ends at ${endOf(evidence, leader.node)}`
      : `has one of term ${leaderTerm} there`;
  return {
    cause: 'OVERWRITTEN',
    certainty: 'LIKELY',
    answer: `Entry ${index} of term ${first[1]} is only on ${list(others.map(([node]) => node))} and was not committed; the log of the leader ${leader.node} ${has}, so it will be dropped when the leader is heard.`,
    evidence: [
      ...others.map(([node, term]) => said(node, `${node} has an entry of term ${term} at ${index}`)),
      said(leader.node, `the log of the leader ${leader.node} ${has}`),
    ],
    next: 'Nothing: it resolves itself when the nodes hear the leader.',
  };
}

interface Count {
  readonly leader: string;
  readonly term: number;
  readonly membership: Membership;
  /** How many must have it, in words. */
  readonly needed: string;
  readonly voters: readonly string[];
  /** Voters that have it on their disks. */
  readonly have: readonly string[];
  readonly missing: readonly string[];
  readonly leaderDurable: boolean;
  readonly durableIndex: number;
  readonly words: readonly EvidenceItem[];
}

/** Who has it, as the leader knows. */
function countOf({ leader, index, leaderTerm }: Place): Count | undefined {
  const status = leader?.status;
  if (leader === undefined || status === undefined || leaderTerm === undefined) return undefined;
  const { membership, progress, durableIndex, term } = status;
  const voters = votersOf(membership);
  const match = new Map(progress.map(({ id, matchIndex }) => [id, matchIndex]));
  match.set(leader.node, durableIndex);
  const have = voters.filter((id) => (match.get(id) ?? 0) >= index);
  const words = voters.map((id) =>
    id === leader.node
      ? said(leader.node, `the leader ${id} has its own log on its disk up to ${durableIndex}`)
      : said(leader.node, `the leader ${leader.node} knows that ${id} has it up to ${match.get(id) ?? 0}`),
  );
  return {
    leader: leader.node,
    term,
    membership,
    needed:
      membership.outgoing.length === 0
        ? String(majorityOf(membership.voters))
        : 'majorities of the old and of the new voters',
    voters,
    have,
    missing: voters.filter((id) => !have.includes(id)),
    leaderDurable: durableIndex >= index,
    durableIndex,
    words,
  };
}

function olderTerm(it: Place): Finding | undefined {
  const count = countOf(it);
  if (count === undefined || it.leaderTerm === undefined || it.leaderTerm >= count.term) return undefined;
  if (!isQuorum(count.membership, (id) => count.have.includes(id))) return undefined;
  return {
    cause: 'OLDER_TERM',
    certainty: 'CERTAIN',
    answer: `Entry ${it.index} of term ${it.leaderTerm} is on a quorum, but the leader ${count.leader} of term ${count.term} may count replicas only for entries of its own term (paper §5.4.2): it is committed together with the first entry of term ${count.term} that is.`,
    evidence: [
      said(
        count.leader,
        `the entry is of term ${it.leaderTerm}, and ${count.leader} leads term ${count.term}`,
      ),
      ...count.words,
    ],
    next: `See what the first entry of term ${count.term} waits for.`,
  };
}

function waitingForDisk(it: Place): Finding | undefined {
  const count = countOf(it);
  if (count === undefined || count.leaderDurable) return undefined;
  const { membership, have, leader } = count;
  const enough = (ids: readonly string[]): boolean => isQuorum(membership, (id) => ids.includes(id));
  if (enough(have) || !enough([...have, leader])) return undefined;
  const waiting = it.leader?.status?.store.oldestWriteMs ?? 0;
  return {
    cause: 'WAITING_FOR_DISK',
    certainty: 'CERTAIN',
    answer: `Entry ${it.index} waits for the disk of the leader ${leader}: ${have.length} of ${count.voters.length} voters have it on their disks, ${count.needed} are needed, and the leader's own disk has only got to ${count.durableIndex}${waiting > 0 ? ` (a write has been waiting for ${duration(waiting)})` : ''}.`,
    evidence: count.words,
    next: `Look at the disk of ${leader}.`,
  };
}

function waitingForQuorum(it: Place): Finding | undefined {
  const count = countOf(it);
  if (count === undefined) return undefined;
  const { have, missing, voters, needed, leader } = count;
  const reached = isQuorum(count.membership, (id) => have.includes(id));
  const reasons = missing.filter((id) => id !== leader).map((id) => lagOf(subjectOf(it.evidence, id)));
  const why = reasons.filter(({ cause }) => cause !== 'NOT_BEHIND' && cause !== 'UNKNOWN');
  return {
    cause: 'WAITING_FOR_QUORUM',
    certainty: reached ? 'LIKELY' : 'CERTAIN',
    answer: reached
      ? `Entry ${it.index} is on ${have.length} of ${voters.length} voters, which is a quorum: that it is committed is being told just now.`
      : `Entry ${it.index} is on ${have.length} of ${voters.length} voters and needs ${needed}; ${list(missing)} ${missing.length === 1 ? 'has' : 'have'} it not.${why.map(({ answer }) => ` ${answer}`).join('')}`,
    evidence: [...count.words, ...why.flatMap(({ evidence }) => evidence)],
    next: why[0]?.next ?? 'Ask again: it may be on its way.',
  };
}

/** The leader has not told of it: a follower asked alone, nobody who leads, or a leader asked a moment too early. */
function onlyAFollowerKnows({ terms, index, leader, evidence }: Place): Finding | undefined {
  const holders = [...terms].filter(([, there]) => typeof there === 'number');
  if (holders.length === 0) return undefined;
  const alone = evidence.nodes.length === 1;
  const next = alone
    ? 'Ask the same in the editor or at the leader, which knows who has it.'
    : 'Ask why there is no leader.';
  return {
    cause: 'WAITING_FOR_QUORUM',
    certainty: 'LIKELY',
    answer: `Entry ${index} is in the log of ${list(holders.map(([node]) => node))}, and nobody that answers knows it as committed; ${leader === undefined ? 'no leader was heard that would know more' : `the leader ${leader.node} has not told of it yet`}.`,
    evidence: holders.map(([node, term]) => said(node, `${node} has an entry of term ${term} at ${index}`)),
    next: leader === undefined ? next : 'Ask again.',
  };
}
