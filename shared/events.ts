/**
 * What a node remembers of what happened to it: the events of `/v1/events` (PROTOCOL §3).
 *
 * MUST: be plain data, complete in itself (a reader needs no other event to understand one), and stable in its words,
 * since tests, dashboards and the explain rules match on them. New kinds and causes may be added; readers skip what they
 * do not know.
 * MUST NOT: carry payloads.
 */
import type { Cause } from './causes.ts';
import type { Role } from './entry.ts';

export const EVENT_KINDS = [
  /** The process read its disk and takes part. `index`: end of its log; cause STARTED. */
  'STARTED',
  /** It stops by itself. cause SHUTTING_DOWN or FAULT; `reason`. */
  'STOPPING',
  /** Role, term or leader changed. `role`, `leader` ('' unknown), `was` (role before), `ms`: silence of the leader before it. */
  'ROLE',
  /**
   * We answered a request for our vote. `peer`, `granted`, `preVote`; cause GRANTED or why not. `term`: the one asked for.
   * The same answer to the same request again, and a candidate that asks again in the same term, count as one for five seconds.
   */
  'VOTE_GIVEN',
  /** Another voter answered us. `peer`, `granted`, `preVote`; cause GRANTED or why not. `term`: the one we asked for. */
  'VOTE_RECEIVED',
  /** Leader only: `peer` did not answer for an election timeout. `ms`: for how long. cause NO_REPLY. */
  'CONTACT_LOST',
  /** Leader only: `peer` answers again. `ms`: how long it was silent. cause REPLIED. */
  'CONTACT_REGAINED',
  /** An append did not fit. On the leader: `peer` refused ours; on a follower: we refused that of `peer`. `index`: the entry before it; `through`: the hint. cause GAP (no entry there) or CONFLICT (another one). At most four a second for each peer. */
  'APPEND_REJECTED',
  /** Entries `index`…`through` of ours (of term `oldTerm`) were dropped, since the leader has others: one event for each term. `peer`: that leader. cause CONFLICT. */
  'TRUNCATED',
  /** The commit index moved to `index` by `entries`. At most four a second, and one in five seconds while nobody watches: one tells of all since the one before. cause QUORUM or LEADER_SAID. */
  'COMMIT',
  /** The link on which we send to `peer` is up (CONNECTED), or down with `reason`: LOST, or REFUSED by the peer. */
  'PEER_UP',
  'PEER_DOWN',
  /**
   * How the local app stands: `state` ABSENT, CONNECTED, LAGGING, STALLED; `condition`: exactly how (app-conditions.ts);
   * `reason`; `index`: what it has applied; `entry`: the one it is about, where it is about one. cause = APP_ and the state.
   */
  'APP',
  /**
   * Apps have different states after the same entries (they told hashes of them): on the leader, and on whose app it is.
   * `index`: the last at which they were equal (0 unknown), `through`: the first at which they are not; `reason`. cause
   * MINORITY: that of `peer` is the wrong one; UNDECIDED: no majority says which.
   */
  'APP_DIVERGED',
  /** A write of the log took `ms` (or waits for that long already: cause WAITING). cause SLOW_WRITE, WAITING. At most one a second. */
  'DISK_SLOW',
  /** The disk writes in time again: the last write took `ms`, and none was slow for a second. cause WROTE. */
  'DISK_OK',
  /** The disk is full / has space again. cause NO_SPACE / SPACE. */
  'DISK_FULL',
  'DISK_SPACE',
  /** The process did not run for `ms` (over 100); stands before what followed from it. cause PAUSED (it used no CPU meanwhile: stopped, swapped or starved) or BUSY. */
  'LOOP_SLOW',
  /**
   * Leader: hands over to `peer` ('' any). cause TRANSFER_ASKED; APP_UNHEALTHY: its own app is not, and that of
   * `peer` is; or PRIORITY: `peer` has a higher one.
   */
  'TRANSFER_STARTED',
  /** It does not hear its leader `peer`, and lets nodes whose app is healthy campaign first, since its own is not. cause APP_UNHEALTHY. */
  'CAMPAIGN_POSTPONED',
  /** Leader: gave the transfer to `peer` up. cause TRANSFER_FAILED; `reason`. */
  'TRANSFER_FAILED',
  /** An operator's SKIP is committed: no app is given the command at `index` any more. cause OPERATOR. */
  'SKIPPED',
  /** An APP_VERSION is committed, at `index`: entries after it go only to apps that know `version`. cause OPERATOR. */
  'APP_VERSION',
  /** The newest membership of its log is that of the entry `index` now, committed or not: `reason` says it. cause OPERATOR. */
  'MEMBERSHIP',
  /** A snapshot of everything up to `index` is on the disk: `bytes`, after `ms`. cause TAKEN. */
  'SNAPSHOT_TAKEN',
  /** There is none, or the app could not take the one it was given: `reason`. cause FAILED. */
  'SNAPSHOT_FAILED',
  /** It gets the snapshot of everything up to `index` from `peer`, `bytes` in all. cause BEGUN, or RESUMED after a cut. */
  'SNAPSHOT_FETCHING',
  /** A snapshot of another node took the place of the log: it begins behind `index` now. `bytes`. cause FETCHED. */
  'SNAPSHOT_INSTALLED',
  /**
   * `peer` (a follower; this node: its app) has a snapshot of everything up to `index`, and by then the log begins at `through`: it
   * needs another one. cause GAP.
   */
  'SNAPSHOT_OUTRUN',
  /** Entries up to `index` were dropped: snapshots have them. cause SNAPSHOT. */
  'COMPACTED',
  /** The log is proven whole again: the node votes. cause REPAIRED. */
  'WHOLE',
  /**
   * The certificate of this node, for what `state` says (PEERS, HTTP, or both with a plus sign). `ms`: until it ends; `reason`.
   * cause EXPIRING (less than 14 days are left), EXPIRED, RENEWED (new files are in use), REFUSED (new files cannot be used).
   */
  'CERTIFICATE',
  /**
   * Somebody planted a fault in this node (`--control`) / it is over. `state`: its kind (faults.ts); `peer`: whose messages it is about,
   * absent for all; `ms`: its time to live / how long it was there; `reason`: its id, and what it does. cause OPERATOR; EXPIRED where
   * its time was over.
   */
  'FAULT_BEGAN',
  'FAULT_ENDED',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** Causes of events that are not causes of a role change (those are in causes.ts). */
export const EVENT_CAUSES = [
  'FAULT',
  'GRANTED',
  /** Refused votes: the request is of an older term; we voted for another; its log is behind; we hear a leader; our log is unproven; it is no voter. */
  'OLD_TERM',
  'ALREADY_VOTED',
  'LOG_BEHIND',
  'LEADER_ALIVE',
  'LOG_UNPROVEN',
  'NOT_A_VOTER',
  'NO_REPLY',
  'REPLIED',
  'REFUSED',
  'CONFLICT',
  'GAP',
  'QUORUM',
  'LEADER_SAID',
  'CONNECTED',
  'LOST',
  'APP_ABSENT',
  'APP_CONNECTED',
  'APP_LAGGING',
  'APP_STALLED',
  'SLOW_WRITE',
  'WAITING',
  'WROTE',
  'NO_SPACE',
  'SPACE',
  'PAUSED',
  'BUSY',
  'TRANSFER_ASKED',
  'APP_UNHEALTHY',
  'PRIORITY',
  'MINORITY',
  'UNDECIDED',
  'TRANSFER_FAILED',
  'REPAIRED',
  'OPERATOR',
  'TAKEN',
  'FAILED',
  'BEGUN',
  'RESUMED',
  'FETCHED',
  'SNAPSHOT',
  'EXPIRING',
  'EXPIRED',
  'RENEWED',
] as const;
export type EventCause = Cause | (typeof EVENT_CAUSES)[number];

export interface RaftEvent {
  /** 1, 2, 3, … within one generation (one run of the process). */
  readonly seq: number;
  /** Wall clock of that node, ms since the epoch. Clocks of nodes differ: never an order between nodes. */
  readonly at: number;
  readonly kind: EventKind;
  readonly term: number;
  readonly cause: EventCause;
  readonly peer?: string;
  readonly role?: Role;
  readonly was?: Role;
  readonly leader?: string;
  readonly granted?: boolean;
  readonly preVote?: boolean;
  readonly index?: number;
  readonly through?: number;
  readonly oldTerm?: number;
  readonly entries?: number;
  readonly bytes?: number;
  readonly ms?: number;
  readonly state?: string;
  readonly condition?: string;
  readonly entry?: number;
  readonly version?: number;
  readonly reason?: string;
}

/** An event and whose it is: what views and the explain rules work on. `(node, generation, seq)` names it for good. */
export interface NodeEvent extends RaftEvent {
  readonly node: string;
  /** Of the process that recorded it; see `EVENT_HEADERS`. */
  readonly generation: string;
}

/**
 * Headers of the answer of `/v1/events`. The stream's `id:` lines are `GENERATION-SEQ`; `since` and `Last-Event-ID` take
 * that form or a bare SEQ, and the stream begins with the next one (`Last-Event-ID` counts where both are given). An id of
 * another generation, a number not reached yet, and none at all begin at the oldest event kept. A gap shows as `first` > the next one asked for.
 */
export const EVENT_HEADERS = {
  generation: 'Outrigger-Generation',
  /** Sequence of the oldest event kept, and of the newest (0: none yet). */
  first: 'Outrigger-Events-First',
  last: 'Outrigger-Events-Last',
} as const;
