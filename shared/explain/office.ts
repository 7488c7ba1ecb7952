/**
 * The end of a leadership, as the leader itself and the others recorded it: the facts that the rules of `fate.ts` judge.
 *
 * MUST: be pure; take from each node only what it recorded between the old leader and the new one.
 */
import type { NodeEvent } from '../events.ts';
import { isQuorum } from '../quorum.ts';
import {
  electionOf,
  eventsOf,
  last,
  lifeOf,
  livesOf,
  nodeOf,
  type Reign,
  timingOf,
  triggerOf,
  votesFor,
} from './history.ts';
import { type Reach, reachOf } from './reach.ts';
import type { Evidence, NodeEvidence } from './types.ts';

export interface Office {
  readonly evidence: Evidence;
  readonly old: Reign;
  /** Who came next; undefined while nobody did. */
  readonly next: Reign | undefined;
  /** What is known of the old leader. */
  readonly node: NodeEvidence | undefined;
  readonly reach: Reach;
  /** Its own account: of the process that led, from the election on. Empty where it is not known. */
  readonly account: readonly NodeEvent[];
  readonly elected: NodeEvent | undefined;
  /** With which event it stopped to lead. */
  readonly fell: NodeEvent | undefined;
  /** A later process of that node, when it has one. */
  readonly restarted: NodeEvent | undefined;
  /** Why the next leader campaigned; while there is none, why anybody did. */
  readonly trigger: NodeEvent | undefined;
  /** What the other nodes recorded from the last they knew of the old leader to the next one. */
  readonly between: readonly NodeEvent[];
  /** Their links to the old leader that broke before the next one was elected, and afterwards. */
  readonly brokeBefore: readonly NodeEvent[];
  readonly brokeAfter: readonly NodeEvent[];
}

export function officeOf(evidence: Evidence, old: Reign, next: Reign | undefined): Office {
  const node = nodeOf(evidence, old.leader);
  const { account, restarted } = ownAccount(node, old);
  const others = evidence.nodes.filter(({ node: id }) => id !== old.leader);
  const windows = others.map((other) => windowOf(eventsOf(other), old, next));
  const between = windows.flatMap((window) => window.before);
  const triggered = next === undefined ? last(between, isCandidacy) : triggerOf(evidence, next);
  return {
    evidence,
    old,
    next,
    node,
    reach: reachOf(node),
    account,
    elected: electionOf(evidence, old),
    fell: account.find(({ kind, role, was }) => kind === 'ROLE' && role !== 'LEADER' && was === 'LEADER'),
    restarted,
    trigger: triggered,
    between,
    brokeBefore: windows.flatMap(({ before }) => brokenLink(before, old.leader)),
    brokeAfter: windows.flatMap(({ after }) => brokenLink(after, old.leader)),
  };
}

function isCandidacy({ kind, role, cause }: NodeEvent): boolean {
  return kind === 'ROLE' && role === 'CANDIDATE' && cause !== 'PRE_VOTE_WON';
}

/** The events of the process that led term `old.term`, from when it did, and its restart after that. */
function ownAccount(
  node: NodeEvidence | undefined,
  old: Reign,
): { readonly account: readonly NodeEvent[]; readonly restarted: NodeEvent | undefined } {
  const lives = node === undefined ? [] : livesOf(node);
  const at = lives.findIndex(({ events }) => events.some((event) => leads(event, old)));
  const led = lives[at]?.events ?? [];
  const from = led.findIndex((event) => leads(event, old));
  const later = lives.slice(at + 1).flatMap(({ events }) => events);
  // A process that was elected before its memory begins: what it says of the end of its leadership still counts.
  const restarted = later.find(({ kind, term }) => kind === 'STARTED' && term >= old.term);
  return { account: led.slice(from), restarted };
}

/** It leads that term, or stops to. */
function leads(event: NodeEvent, { term }: Reign): boolean {
  if (event.kind !== 'ROLE') return false;
  if (event.role === 'LEADER') return event.term === term;
  return event.was === 'LEADER' && event.term >= term;
}

/** Splits what a node recorded after it last knew the old leader: before and after it knew the next one. */
function windowOf(
  events: readonly NodeEvent[],
  old: Reign,
  next: Reign | undefined,
): { readonly before: NodeEvent[]; readonly after: NodeEvent[] } {
  const knowsOld = last(
    events,
    ({ kind, term, leader }) => kind === 'ROLE' && term === old.term && leader === old.leader,
  );
  // Where that is forgotten, what is of the old leader's term or later.
  const rest =
    knowsOld === undefined
      ? events.filter(({ term }) => term >= old.term)
      : events.slice(events.indexOf(knowsOld) + 1);
  const to = rest.findIndex(
    ({ kind, term, leader, role }) =>
      kind === 'ROLE' &&
      next !== undefined &&
      term >= next.term &&
      (role === 'LEADER' || (leader ?? '') !== ''),
  );
  return to < 0 ? { before: rest, after: [] } : { before: rest.slice(0, to + 1), after: rest.slice(to + 1) };
}

/** The first break of the link to `peer`, unless it came up again. */
function brokenLink(events: readonly NodeEvent[], peer: string): NodeEvent[] {
  const changes = events.filter(
    ({ kind, peer: other }) => other === peer && (kind === 'PEER_UP' || kind === 'PEER_DOWN'),
  );
  if (changes.at(-1)?.kind !== 'PEER_DOWN') return [];
  const up = changes.findLastIndex(({ kind }) => kind === 'PEER_UP');
  return changes.slice(up + 1, up + 2);
}

/** The shortest pause that makes followers elect another: their shortest timeout, less the heartbeat they had just heard. */
export function disturbingMs(evidence: Evidence): number {
  const { electionMinMs, heartbeatMs } = timingOf(evidence);
  return Math.max(0, electionMinMs - heartbeatMs);
}

/** The process was found not to have run only after it ran again: it may have stepped down by then, or a moment later. */
const PAUSE_SLACK_MS = 1_000;

/** Why the old leader's process did not run when its leadership ended, by its own clock. */
export function pauseOf({ account, fell, evidence, trigger }: Office): NodeEvent | undefined {
  const long = account.filter(({ kind, ms }) => kind === 'LOOP_SLOW' && (ms ?? 0) >= disturbingMs(evidence));
  if (fell === undefined) {
    // It ran again and never stepped down: a pause shorter than its silence was over before something else silenced it.
    const silence = (trigger?.ms ?? 0) - 2 * timingOf(evidence).heartbeatMs;
    return (long.at(-1)?.ms ?? 0) >= silence ? long.at(-1) : undefined;
  }
  return long.find(({ at, ms }) => {
    const began = at - (ms ?? 0);
    return began - PAUSE_SLACK_MS / 10 <= fell.at && fell.at <= at + PAUSE_SLACK_MS;
  });
}

/** What shows that other nodes were away when the leader lost its quorum: paused, or started anew. One event each. */
export function absencesOf({ between, evidence }: Office): NodeEvent[] {
  const byNode = new Map<string, NodeEvent>();
  for (const event of between) {
    const paused = event.kind === 'LOOP_SLOW' && (event.ms ?? 0) >= disturbingMs(evidence);
    if (paused || event.kind === 'STARTED') byNode.set(event.node, event);
  }
  return [...byNode.values()];
}

/** Did so many go away that the rest is no quorum? */
export function leavesNoQuorum(evidence: Evidence, away: readonly NodeEvent[]): boolean {
  const membership = evidence.nodes.find(({ status }) => status !== undefined)?.status?.membership;
  if (membership === undefined || away.length === 0) return false;
  const gone = new Set(away.map(({ node }) => node));
  return !isQuorum(membership, (id) => !gone.has(id));
}

/** How the next leader came: why it campaigned, its votes, its victory. */
export function successionOf({ evidence, next, trigger }: Office): (NodeEvent | undefined)[] {
  if (next === undefined) return [trigger];
  return [trigger, ...votesFor(evidence, next), electionOf(evidence, next)];
}

/** Events of the process of the old leader just before `event`: of these kinds, newest last, at most three. */
export function leadingUpTo(office: Office, event: NodeEvent, kinds: readonly string[]): NodeEvent[] {
  return lifeOf(office.evidence, event)
    .filter(({ seq, kind }) => seq <= event.seq && kinds.includes(kind))
    .slice(-3);
}
