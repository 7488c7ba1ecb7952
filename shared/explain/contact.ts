/**
 * Why a member is not heard: down, paused, cut off, or only out of our own reach.
 *
 * MUST: need two that do not hear it (the leader and whoever asks) before it is called down or paused with any weight, and
 * say LIKELY where one of the two was not asked. MUST be pure.
 */
import type { NodeEvent } from '../events.ts';
import type { NodeStatus, ProgressStatus } from '../inspect.ts';
import { safeLine } from '../safe-text.ts';
import { duration } from '../wording.ts';
import { allSeen, type Finding, said, unknown } from './finding.ts';
import { eventsOf, last, lastOfKinds, nodeOf, timingOf } from './history.ts';
import { disturbingMs } from './office.ts';
import { type Reach, reachOf, reachText } from './reach.ts';
import type { Evidence, EvidenceItem, NodeEvidence } from './types.ts';

/** One member, as it and the leader tell of it. */
export interface Subject {
  readonly evidence: Evidence;
  readonly id: string;
  readonly node: NodeEvidence | undefined;
  readonly reach: Reach;
  /** What it said of itself; undefined unless it answers. */
  readonly status: NodeStatus | undefined;
  readonly events: readonly NodeEvent[];
  /** The leader, when it answers; the member itself may be it. */
  readonly leader: NodeEvidence | undefined;
  readonly progress: ProgressStatus | undefined;
}

/** The node that answers and leads the highest term. */
export function leaderOf({ nodes }: Evidence): NodeEvidence | undefined {
  let best: NodeEvidence | undefined;
  for (const node of nodes) {
    if (!node.reachable || node.status?.role !== 'LEADER') continue;
    if (best === undefined || node.status.term > (best.status?.term ?? 0)) best = node;
  }
  return best;
}

export function subjectOf(evidence: Evidence, id: string): Subject {
  const node = nodeOf(evidence, id);
  const leader = leaderOf(evidence);
  const reach = reachOf(node);
  return {
    evidence,
    id,
    node,
    reach,
    status: reach === 'ANSWERS' ? node?.status : undefined,
    events: eventsOf(node),
    leader,
    progress: leader?.status?.progress.find((one) => one.id === id),
  };
}

/** Its pause (or busy time), when it is the newest of what may have made it silent, and lasted long enough. */
export function recentPause({ events, status, evidence }: Subject): NodeEvent | undefined {
  const pause = last(events, ({ kind, ms }) => kind === 'LOOP_SLOW' && (ms ?? 0) >= disturbingMs(evidence));
  if (pause === undefined || status === undefined) return pause;
  return status.now - pause.at <= RECENT_MS ? pause : undefined;
}

/** By the node's own clock: what is older explains nothing of now. */
export const RECENT_MS = 10_000;

/** Does the leader hear nothing of it? Undefined where nobody knows. */
function leaderMisses(it: Subject): boolean | undefined {
  const { progress, evidence, leader, id } = it;
  if (leader !== undefined && linkIsDown(it)) return true;
  if (progress === undefined) {
    const word = lastOfKinds(eventsOf(leader), ['CONTACT_LOST', 'CONTACT_REGAINED'], id);
    return word === undefined ? undefined : word.kind === 'CONTACT_LOST';
  }
  return (
    progress.behind === 'NO_CONTACT' || (progress.lastContactMs ?? 0) >= timingOf(evidence).electionMaxMs
  );
}

/** What the leader says of it. */
function leaderSays({ leader, progress, id }: Subject): EvidenceItem[] {
  if (leader === undefined) return [];
  const events = eventsOf(leader);
  const items = allSeen([
    lastOfKinds(events, ['CONTACT_LOST', 'CONTACT_REGAINED'], id),
    lastOfKinds(events, ['PEER_UP', 'PEER_DOWN'], id),
  ]);
  if (progress === undefined) return items;
  const contact = progress.lastContactMs;
  const heard =
    contact === null ? `has not heard ${id} in this term` : `heard ${id} ${duration(contact)} ago`;
  return [...items, said(leader.node, `the leader ${leader.node} ${heard}`)];
}

function linkIsDown({ leader, id }: Subject): boolean {
  const word = lastOfKinds(eventsOf(leader), ['PEER_UP', 'PEER_DOWN'], id);
  const member = leader?.status?.members.find((one) => one.id === id);
  return word?.kind === 'PEER_DOWN' || member?.connected === false;
}

function asked({ node, reach }: Subject): EvidenceItem[] {
  return node === undefined || reach === 'UNASKED' ? [] : [said(node.node, reachText(node, reach))];
}

/** Why it is not heard; undefined when it is. */
export function explainContact(it: Subject): Finding | undefined {
  const misses = leaderMisses(it);
  const refused = misses === true ? turnedAway(it) : undefined;
  if (refused !== undefined) return refused;
  // A full disk says nothing to the leader, and that is what is to be told.
  if (it.status?.store.state === 'NO_SPACE') return undefined;
  switch (it.reach) {
    case 'GONE':
      return down(it, misses === true || linkIsDown(it));
    case 'SILENT':
      return silent(it, misses);
    case 'UNREACHABLE':
      return unreachable(it, misses);
    case 'ANSWERS':
      return misses === true ? cutOff(it) : deaf(it);
    case 'UNASKED':
      return misses === true ? unasked(it) : undefined;
  }
}

/** How a sidecar begins the reason why it does not speak with another one (docs/protocol.md, between sidecars). */
const REFUSAL = /^(WRONG_DISK|WRONG_CLUSTER|WRONG_NODE|UNKNOWN_NODE|PROTOCOL)\b/;

/** It runs, and the others do not speak with it: as its own links or the leader's say. */
function turnedAway(it: Subject): Finding | undefined {
  const { id, status, leader } = it;
  const byLeader = leader?.status?.members.find((one) => one.id === id);
  const own = status?.members.find((one) => one.id === leader?.node);
  const who = [
    own === undefined ? undefined : ([id, own] as const),
    byLeader && ([leader?.node, byLeader] as const),
  ];
  const told = who.find((pair) => pair !== undefined && !pair[1].connected && REFUSAL.test(pair[1].reason));
  if (told === undefined) return undefined;
  const [by = '', { reason }] = told;
  const sentence = safeLine(reason, 300);
  return {
    cause: 'FOLLOWER_REFUSED',
    certainty: 'CERTAIN',
    answer: `${id} runs, and is not spoken with: ${sentence}.`,
    evidence: [said(by, `the link of ${by} says: ${sentence}`), ...leaderSays(it)],
    next: reason.startsWith('WRONG_DISK')
      ? `Remove ${id} from the cluster, and add it again.`
      : `Look at how ${id} was started: its id, its cluster, its version and the addresses of the others.`,
  };
}

function down(it: Subject, leaderAgrees: boolean): Finding {
  const stopped = lastOfKinds(it.events, ['STARTED', 'STOPPING']);
  const inOrder = stopped?.kind === 'STOPPING';
  return {
    cause: 'FOLLOWER_DOWN',
    certainty: leaderAgrees || inOrder ? 'CERTAIN' : 'LIKELY',
    answer: inOrder
      ? `${it.id} is down: it stopped by itself.`
      : `${it.id} is down: its process is gone and did not say that it would stop, so it was killed or crashed.`,
    evidence: [...asked(it), ...allSeen([inOrder ? stopped : undefined]), ...leaderSays(it)],
    next: `Start ${it.id} again.`,
  };
}

function silent(it: Subject, misses: boolean | undefined): Finding {
  const both = misses === true ? 'answers neither the leader nor us' : 'does not answer us';
  return {
    cause: 'FOLLOWER_PAUSED',
    certainty: 'LIKELY',
    answer: `${it.id} ${both} although its connections stand: its process is paused or stuck, not killed (a network that drops everything looks the same).`,
    evidence: [...asked(it), ...leaderSays(it)],
    next: `Look whether the process of ${it.id} is stopped (SIGSTOP, a debugger, a suspended machine).`,
  };
}

function unreachable(it: Subject, misses: boolean | undefined): Finding {
  if (misses === true) {
    return {
      cause: 'FOLLOWER_DOWN',
      certainty: 'LIKELY',
      answer: `${it.id} can be reached neither by the leader nor from here: it is down, or its machine is cut off.`,
      evidence: [...asked(it), ...leaderSays(it)],
      next: `Look at the machine of ${it.id}.`,
    };
  }
  return {
    cause: 'UNREACHABLE',
    certainty: misses === false ? 'CERTAIN' : 'LIKELY',
    answer:
      misses === false
        ? `${it.id} cannot be reached from here, but the leader hears it: only the way from here is broken.`
        : `${it.id} cannot be reached from here; whether the others hear it is not known.`,
    evidence: [...asked(it), ...leaderSays(it)],
    next: `Look at the way from here to ${it.id}.`,
  };
}

/** It answers us, and the leader hears nothing of it. */
function cutOff(it: Subject): Finding {
  const pause = recentPause(it);
  if (pause !== undefined) return wasPaused(it, pause);
  if (!answeredSince(it)) {
    return unknown(
      `The leader hears nothing of ${it.id}; whether ${it.id} still runs shows with its next answer here.`,
      'Ask again in a second.',
      leaderSays(it),
    );
  }
  const unheard = ownView(it);
  return {
    cause: 'FOLLOWER_CUT_OFF',
    certainty: unheard.length > 0 ? 'CERTAIN' : 'LIKELY',
    answer: `${it.id} runs and answers here, but the leader hears nothing of it: the way between them is cut.`,
    evidence: [...asked(it), ...leaderSays(it), ...unheard],
    next: `Look at the network between ${it.leader?.node ?? 'the leader'} and ${it.id}.`,
  };
}

/**
 * Did it answer us after the leader heard it last? An answer from before tells nothing: a process that is paused now was
 * well then. Both ages are of one clock, ours. A leader hears a live follower with each heartbeat, hence the margin.
 */
function answeredSince({ node, leader, progress, evidence }: Subject): boolean {
  if (node?.statusAt === undefined || leader?.statusAt === undefined) return true;
  const contact = progress?.lastContactMs;
  if (contact === undefined || contact === null) return true;
  const silence = evidence.now - leader.statusAt + contact;
  return silence > evidence.now - node.statusAt + 2 * timingOf(evidence).heartbeatMs;
}

/** That it hears no leader either, in its own words: of the term that the leader leads, since older ones are over. */
function ownView(it: Subject): EvidenceItem[] {
  const { status, events, leader, evidence, id } = it;
  const since = leader?.status?.term ?? 0;
  const items = allSeen([
    last(events, ({ kind, cause, term }) => kind === 'ROLE' && cause === 'ELECTION_TIMEOUT' && term >= since),
    leader === undefined ? undefined : lastDown(events, leader.node),
  ]);
  if (status === undefined || status.role === 'LEADER') return items;
  if (status.leader === null) return [...items, said(id, `${id} hears no leader in term ${status.term}`)];
  const contact = status.leaderContactMs ?? 0;
  if (contact < timingOf(evidence).electionMaxMs) return items;
  return [...items, said(id, `${id} has not heard its leader ${status.leader} for ${duration(contact)}`)];
}

function lastDown(events: readonly NodeEvent[], peer: string): NodeEvent | undefined {
  const word = lastOfKinds(events, ['PEER_UP', 'PEER_DOWN'], peer);
  return word?.kind === 'PEER_DOWN' ? word : undefined;
}

export function wasPaused(it: Subject, pause: NodeEvent): Finding {
  const busy = pause.cause === 'BUSY';
  return {
    cause: 'FOLLOWER_PAUSED',
    certainty: 'CERTAIN',
    answer: `The process of ${it.id} ${busy ? 'was too busy to listen' : 'did not run'} for ${duration(pause.ms ?? 0)}, and is now catching up.`,
    evidence: [...allSeen([pause]), ...leaderSays(it)],
    next: 'Nothing, if it happens once; it catches up by itself.',
  };
}

/** It answers us, nobody misses it, and it may hear no leader itself (the only view a sidecar has of itself). */
function deaf(it: Subject): Finding | undefined {
  const { status, leader, evidence, id } = it;
  if (status === undefined || leader !== undefined || status.role === 'LEADER') return undefined;
  const contact = status.leaderContactMs;
  const hears = status.leader !== null && contact !== null && contact < timingOf(evidence).electionMaxMs;
  if (hears || evidence.nodes.length > 1) return undefined;
  const pause = recentPause(it);
  if (pause !== undefined) return wasPaused(it, pause);
  const silence = contact === null ? '' : ` for ${duration(contact)}`;
  return {
    cause: 'FOLLOWER_CUT_OFF',
    certainty: 'LIKELY',
    answer: `${id} runs and hears no leader${silence}: it is cut off, or there is none.`,
    evidence: [said(id, `${id} hears no leader in term ${status.term}${silence}`), ...ownView(it)],
    next: 'Ask why there is no leader, in the editor or at the other nodes.',
  };
}

/** Only the leader knows of it, as in the leader's own sidecar. */
function unasked(it: Subject): Finding {
  const broken = linkIsDown(it);
  return {
    cause: broken ? 'FOLLOWER_DOWN' : 'FOLLOWER_PAUSED',
    certainty: 'LIKELY',
    answer: broken
      ? `${it.id} does not answer the leader and its link is down: its process ended, or it is cut off.`
      : `${it.id} does not answer the leader although its link stands: its process is paused or stuck, or what it sends is lost.`,
    evidence: leaderSays(it),
    next: `Ask the same in the editor, which asks ${it.id} too, or ask ${it.id} itself.`,
  };
}
