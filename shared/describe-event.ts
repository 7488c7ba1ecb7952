/**
 * An event as one plain line: for the tree, the timeline, the command line and the evidence of explanations.
 *
 * MUST: be pure, name the numbers of the event with their units, and let text of peers and files through `safeLine` only.
 * The line does not name the node whose event it is: whoever shows it does.
 */
import type { EventCause, RaftEvent } from './events.ts';
import { safeLine } from './safe-text.ts';
import { byteSize, duration, entries } from './wording.ts';

/** Causes in words, as they follow a colon. Those without words here are shown as they are. */
const CAUSE_WORDS: Readonly<Partial<Record<EventCause, string>>> = {
  STARTED: 'it started',
  ELECTION_TIMEOUT: 'no leader was heard for an election timeout',
  TRANSFER_RECEIVED: 'the leader handed over to it',
  CAMPAIGN_REQUESTED: 'it was asked to campaign',
  PRE_VOTE_WON: 'a quorum would vote for it',
  VOTE_WON: 'a quorum voted for it',
  VOTE_LOST: 'a quorum refused it',
  HIGHER_TERM: 'a message of a higher term arrived',
  LEADER_ELECTED: 'a leader made itself known',
  QUORUM_LOST: 'it heard from no quorum for an election timeout',
  TRANSFERRED: 'it handed its leadership over',
  DISK_STUCK: 'its disk is stuck or full',
  STALLED: 'its process did not run for longer than an election timeout',
  SNAPSHOT_INSTALLED: 'a snapshot took the place of its log',
  MEMBERSHIP_CHANGED: 'the membership changed',
  REMOVED: 'it is no voter any more',
  SHUTTING_DOWN: 'it is stopping',
  FAULT: 'a fault',
  OLD_TERM: 'the request is of an older term',
  ALREADY_VOTED: 'it voted for another node in this term',
  LOG_BEHIND: "the candidate's log is behind",
  LEADER_ALIVE: 'it hears a leader',
  LOG_UNPROVEN: 'its log is not proven whole',
  NOT_A_VOTER: 'it is no voter',
  CONFLICT: 'another entry is there',
  GAP: 'an entry before it is missing',
  APP_UNHEALTHY: 'its app is not healthy',
  PRIORITY: 'another node has a higher priority',
  MINORITY: 'a majority of the apps has another state',
  UNDECIDED: 'no majority says which state is right',
};

export function causeInWords(cause: EventCause): string {
  return (Object.hasOwn(CAUSE_WORDS, cause) ? CAUSE_WORDS[cause] : undefined) ?? safeLine(cause, 40);
}

function whyHandedOver({ cause }: RaftEvent): string {
  if (cause === 'APP_UNHEALTHY') return ', since its own app is not healthy';
  return cause === 'PRIORITY' ? ', which has a higher priority' : '';
}

function name(id: string | undefined): string {
  return id === undefined || id === '' ? 'an unknown node' : safeLine(id, 80);
}

/** `: REASON`, or nothing. */
function because(reason: string | undefined): string {
  return reason === undefined || reason === '' ? '' : `: ${safeLine(reason, 300)}`;
}

function forMs(ms: number | undefined): string {
  return ms === undefined ? 'some time' : duration(ms);
}

function range(event: RaftEvent): string {
  const first = event.index ?? 0;
  const last = event.through ?? first;
  return first === last ? `entry ${first}` : `entries ${first} to ${last}`;
}

function describeRole(event: RaftEvent): string {
  const { role = 'FOLLOWER', was, leader = '', term, ms } = event;
  const silence = ms === undefined || ms <= 0 || role === 'LEADER' ? '' : `, silent for ${duration(ms)}`;
  const why = `${causeInWords(event.cause)}${event.cause === 'ELECTION_TIMEOUT' ? silence : ''}`;
  if (role === 'LEADER') return `leads term ${term}: ${why}`;
  if (role === 'CANDIDATE') return `campaigns in term ${term}: ${why}`;
  if (was === 'LEADER') return `leads no more, term ${term}: ${why}`;
  const whom = leader === '' ? 'knows no leader' : `follows ${name(leader)}`;
  return `${whom} in term ${term}${role === 'LEARNER' ? ' as a learner' : ''}: ${why}`;
}

function describeVote(event: RaftEvent): string {
  const vote = event.preVote === true ? 'pre-vote' : 'vote';
  const peer = name(event.peer);
  const given = event.kind === 'VOTE_GIVEN';
  if (event.granted === true) {
    return given
      ? `gives ${peer} its ${vote} for term ${event.term}`
      : `gets the ${vote} of ${peer} for term ${event.term}`;
  }
  const why = causeInWords(event.cause);
  return given
    ? `refuses ${peer} its ${vote} for term ${event.term}: ${why}`
    : `${peer} refuses it its ${vote} for term ${event.term}: ${why}`;
}

function describeApp(event: RaftEvent): string {
  const at = event.index === undefined ? '' : `, applied up to ${event.index}`;
  const condition = safeLine(event.condition ?? event.state ?? '', 40);
  return `its app ${condition === 'SUPERSEDED' ? 'was' : 'is'} ${condition}${at}${because(event.reason)}`;
}

function describeDisk(event: RaftEvent): string {
  if (event.cause === 'WAITING')
    return `a write of the log has been waiting for the disk for ${forMs(event.ms)}`;
  return `a write of the log took ${forMs(event.ms)}`;
}

function describeLoop(event: RaftEvent): string {
  const ms = forMs(event.ms);
  if (event.cause === 'PAUSED')
    return `its process did not run for ${ms} and used no CPU: stopped, swapped out or starved`;
  if (event.cause === 'BUSY') return `its event loop was busy for ${ms}`;
  return `its process did not run for ${ms}: ${causeInWords(event.cause)}`;
}

function describeCertificate(event: RaftEvent): string {
  const left = event.ms === undefined || event.ms <= 0 ? '' : ` in ${forMs(event.ms)}`;
  const what: Readonly<Partial<Record<EventCause, string>>> = {
    EXPIRING: `ends${left}`,
    EXPIRED: 'has expired',
    RENEWED: 'was renewed',
    REFUSED: 'cannot be renewed',
  };
  return `its certificate ${what[event.cause] ?? causeInWords(event.cause)}${because(event.reason)}`;
}

const LINES: Readonly<Record<RaftEvent['kind'], (event: RaftEvent) => string>> = {
  STARTED: (event) => `started in term ${event.term}, its log ends at ${event.index ?? 0}`,
  STOPPING: (event) => `stops by itself: ${causeInWords(event.cause)}${because(event.reason)}`,
  ROLE: describeRole,
  VOTE_GIVEN: describeVote,
  VOTE_RECEIVED: describeVote,
  CONTACT_LOST: (event) => `${name(event.peer)} has not answered for ${forMs(event.ms)}`,
  CONTACT_REGAINED: (event) => `${name(event.peer)} answers again, after ${forMs(event.ms)}`,
  APPEND_REJECTED: (event) =>
    `an append after entry ${event.index ?? 0} did not fit between it and ${name(event.peer)}: ${causeInWords(event.cause)}`,
  TRUNCATED: (event) =>
    `dropped ${range(event)} of term ${event.oldTerm ?? 0}, since the leader ${name(event.peer)} has others`,
  COMMIT: (event) =>
    `committed ${entries(event.entries ?? 0)}, up to ${event.index ?? 0}: ${event.cause === 'QUORUM' ? 'a quorum has them' : 'the leader said so'}`,
  PEER_UP: (event) => `its link to ${name(event.peer)} is up`,
  PEER_DOWN: (event) => `its link to ${name(event.peer)} is down${because(event.reason)}`,
  APP: describeApp,
  APP_DIVERGED: (event) =>
    `finds apps that differ in their state since the entries after ${event.index ?? 0} up to ${event.through ?? 0}${because(event.reason)}`,
  DISK_SLOW: describeDisk,
  DISK_OK: () => 'its disk writes in time again',
  DISK_FULL: (event) => `its disk is full${because(event.reason)}`,
  DISK_SPACE: () => 'its disk has space again',
  LOOP_SLOW: describeLoop,
  TRANSFER_STARTED: (event) =>
    `hands its leadership over to ${event.peer === undefined || event.peer === '' ? 'the best follower' : name(event.peer)}${whyHandedOver(event)}`,
  CAMPAIGN_POSTPONED: (event) =>
    `does not hear ${name(event.peer)}, and lets nodes whose app is healthy campaign first: its own is not`,
  TRANSFER_FAILED: (event) => `gave up handing over to ${name(event.peer)}${because(event.reason)}`,
  SKIPPED: (event) => `entry ${event.index ?? 0} is given to no app: an operator skipped it`,
  APP_VERSION: (event) =>
    `after entry ${event.index ?? 0} commands are of version ${event.version ?? 0}: apps that do not know it get none`,
  MEMBERSHIP: (event) =>
    `its members are, by entry ${event.index ?? 0}: ${safeLine(event.reason ?? '', 300)}`,
  SNAPSHOT_TAKEN: (event) =>
    `took a snapshot of everything up to entry ${event.index ?? 0}, ${byteSize(event.bytes ?? 0)} in ${forMs(event.ms)}`,
  SNAPSHOT_FAILED: (event) => `has no snapshot${because(event.reason)}`,
  SNAPSHOT_FETCHING: (event) =>
    `${event.cause === 'RESUMED' ? 'goes on to get' : 'gets'} the snapshot of everything up to entry ${event.index ?? 0} from ${name(event.peer)}, ${byteSize(event.bytes ?? 0)}`,
  SNAPSHOT_INSTALLED: (event) =>
    `its log begins behind a snapshot now, which has everything up to entry ${event.index ?? 0}, ${byteSize(event.bytes ?? 0)}`,
  SNAPSHOT_OUTRUN: (event) =>
    `${name(event.peer)} took a snapshot of everything up to entry ${event.index ?? 0}, and by then the log begins at ${event.through ?? 0}: it needs another one`,
  COMPACTED: (event) => `dropped the entries up to ${event.index ?? 0}, which snapshots have`,
  WHOLE: () => 'its log is proven whole again: it votes',
  CERTIFICATE: describeCertificate,
  FAULT_BEGAN: ({ reason, ms }) => `has a planted fault for ${duration(ms ?? 0)}${because(reason)}`,
  FAULT_ENDED: ({ reason, cause }) =>
    `a planted fault is over${cause === 'EXPIRED' ? ', as was its time' : ''}${because(reason)}`,
};

/** One line, without the node's name and without a full stop. Never throws, also not for kinds of a newer sidecar. */
export function describeEvent(event: RaftEvent): string {
  if (!Object.hasOwn(LINES, event.kind)) return `${safeLine(event.kind, 40)}${because(event.reason)}`;
  return LINES[event.kind](event);
}
