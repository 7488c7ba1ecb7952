/**
 * What sidecars say to each other. The wire form is `proto/peer.proto`; these are the same messages as
 * typed unions. Every message carries `group`, though a sidecar has one group now.
 *
 * MUST: be plain data. Raft messages carry the sender's term (paper, figure 2), so that a receiver can
 * refuse the past and step down before the future.
 */
import type { ChainHash, Entry, EntryKind } from './entry.ts';

interface RaftHeader {
  readonly group: string;
  readonly from: string;
  readonly to: string;
  readonly term: number;
}

/** RequestVote, and its pre-vote form (dissertation §9.6), which changes nothing at the receiver. */
export interface VoteRequest extends RaftHeader {
  readonly type: 'VoteRequest';
  /** For a pre-vote, `term` is the term the candidate *would* campaign in. */
  readonly preVote: boolean;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Set when the leader itself asked for this campaign: voters skip leader stickiness (§4.2.3). */
  readonly transfer: boolean;
}

export interface VoteReply extends RaftHeader {
  readonly type: 'VoteReply';
  readonly preVote: boolean;
  readonly granted: boolean;
  /** Why not, for people: LOG_BEHIND, VOTED_OTHER, LEADER_ALIVE, OLD_TERM, LOG_UNPROVEN, NOT_VOTER. '' when granted. */
  readonly reason: string;
}

/** AppendEntries with at least one entry, or a probe with none. */
export interface Append extends RaftHeader {
  readonly type: 'Append';
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  /** Leadership confirmation round (ReadIndex, §6.4); echoed in the reply. */
  readonly round: number;
  /** The leader's chain hash at the last entry, '' when unknown: lets the follower prove that the logs are the same. */
  readonly lastHash: ChainHash;
}

export interface AppendReply extends RaftHeader {
  readonly type: 'AppendReply';
  readonly ok: boolean;
  /** ok: the last index known to match (prevIndex + count). Refused: the prevIndex that was refused. */
  readonly index: number;
  /** Refused only: the follower's best guess of the last index where the logs may agree, and its term there. */
  readonly hintIndex: number;
  readonly hintTerm: number;
  readonly round: number;
  /** The follower's app has applied this far (for the three lags). */
  readonly applied: number;
}

/** Sent each heartbeat interval; carries no log position except a commit the receiver is known to hold. */
export interface Heartbeat extends RaftHeader {
  readonly type: 'Heartbeat';
  /** min(leader's commit, receiver's match): always safe to take over. */
  readonly commit: number;
  /** 0: news that wants no reply. */
  readonly round: number;
  /** The leader's own disk has its log up to here; 0 when it does not say. See raft/quorum-of-two.ts. */
  readonly durable: number;
  /** No voter besides the two is known to be fit to lead: do not leave a campaign to others. See raft/fitness.ts. */
  readonly nobodyElse: boolean;
}

export interface HeartbeatReply extends RaftHeader {
  readonly type: 'HeartbeatReply';
  readonly round: number;
  /** The follower's commit index. Behind what it was told: the leader finds out what it lacks. */
  readonly commit: number;
  readonly applied: number;
  /** It should not lead, if another can (its app is not healthy). */
  readonly unfit: boolean;
  /** From hearing that heartbeat on, for so long on its own clock, this voter votes for nobody else; 0: no promise (raft/lease.ts). */
  readonly promiseMs: number;
  /** Its monotonic clock then, whole milliseconds. */
  readonly clockMs: number;
}

/** Leadership transfer: campaign now, without pre-vote (§3.10). */
export interface TimeoutNow extends RaftHeader {
  readonly type: 'TimeoutNow';
}

/** From the leader: you need entries that I no longer have; I have a snapshot of everything up to `lastIndex`. */
export interface SnapshotOffer extends RaftHeader {
  readonly type: 'SnapshotOffer';
  readonly lastIndex: number;
  readonly lastTerm: number;
}

/** The sender's disk has everything up to `lastIndex`, by that snapshot or otherwise. */
export interface SnapshotReply extends RaftHeader {
  readonly type: 'SnapshotReply';
  readonly lastIndex: number;
}

/** What the consensus core sends and receives. */
export type RaftMessage =
  | VoteRequest
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | TimeoutNow
  | SnapshotOffer
  | SnapshotReply;

interface ForwardHeader {
  readonly group: string;
  readonly from: string;
  readonly to: string;
  /** The sender's number; the reply echoes it. */
  readonly id: number;
}

/** A command on its way into the log. */
export interface Command {
  readonly command: Uint8Array;
  /** 0 for none. */
  readonly session: number;
  readonly sequence: number;
  /** COMMAND when absent; the other kinds that clients may cause are those of sessions. */
  readonly kind?: EntryKind;
  /** See `Entry.ackBelow`. */
  readonly ackBelow?: number;
}

/** Commands taken by a node that does not lead, in the order they were taken. */
export interface ForwardPropose extends ForwardHeader {
  readonly type: 'ForwardPropose';
  readonly commands: readonly Command[];
}

/**
 * Commands of one ForwardPropose are in the leader's log at `firstIndex`… in `term` (not yet committed), or were surely not
 * taken. A batch may be answered in parts, each command once: a command of a session waits at the leader for the one before.
 */
export interface ForwardProposed extends ForwardHeader {
  readonly type: 'ForwardProposed';
  /** The commands `offset`, `offset` + 1, … of the batch, `count` of them. */
  readonly offset: number;
  readonly count: number;
  /** 0 when refused. */
  readonly firstIndex: number;
  readonly term: number;
  /** '' when taken; otherwise a definite code of `codes.ts`. */
  readonly refused: string;
  readonly leader: string;
}

/** Asks the leader for a read index. */
export interface ForwardRead extends ForwardHeader {
  readonly type: 'ForwardRead';
}

export interface ForwardReadIndex extends ForwardHeader {
  readonly type: 'ForwardReadIndex';
  readonly index: number;
  readonly refused: string;
  readonly leader: string;
}

/** What routing/ sends and receives. */
export type RoutingMessage = ForwardPropose | ForwardProposed | ForwardRead | ForwardReadIndex;

/** An operator asked a node that does not lead for a transfer: the leader takes it over. Nobody answers; who asked sees who leads. */
export interface ForwardTransfer extends ForwardHeader {
  readonly type: 'ForwardTransfer';
  /** Node that shall lead; '' lets the leader choose. */
  readonly target: string;
}

/** A retry of a command in a session came to a node that does not have its reply: does the receiver? */
export interface AskReply extends ForwardHeader {
  readonly type: 'AskReply';
  readonly session: number;
  readonly sequence: number;
}

/** Which version of its commands does the app of the receiver know? Only for nodes with that feature (`peers/features.ts`). */
export interface AskVersion extends ForwardHeader {
  readonly type: 'AskVersion';
}

export interface TellVersion extends ForwardHeader {
  readonly type: 'TellVersion';
  /** An app is connected, and it knows `version` at most. */
  readonly attached: boolean;
  readonly version: number;
}

export interface TellReply extends ForwardHeader {
  readonly type: 'TellReply';
  /** False: the sender does not have it either. */
  readonly known: boolean;
  /** Absent: the app gave none. */
  readonly result?: Uint8Array;
}

/** Asks for bytes of a snapshot of everything up to `index`, an entry of `term`; `index` 0: of the newest one. */
export interface SnapshotAsk extends ForwardHeader {
  readonly type: 'SnapshotAsk';
  /** 0: the newest one, of everything up to `least` at least. Where there is none, one is taken, to be asked for again. */
  readonly index: number;
  readonly least: number;
  readonly term: number;
  readonly offset: number;
  /** At most so many bytes. */
  readonly length: number;
}

/** Bytes of a snapshot's file. */
export interface SnapshotData extends ForwardHeader {
  readonly type: 'SnapshotData';
  readonly index: number;
  readonly term: number;
  readonly offset: number;
  readonly data: Uint8Array;
  /** Bytes of the whole file; 0: the sender does not have that snapshot (any more). */
  readonly size: number;
  /** Names the file's content: SHA-256 of its index part (store/snapshot-file.ts). */
  readonly digest: Uint8Array;
}

/** What an operator wants of the membership. Fields that an act does not need are '' , false and 0. */
export interface MemberChange {
  readonly act: 'ADD' | 'REMOVE' | 'PROMOTE' | 'UPDATE';
  readonly id: string;
  /** Where other sidecars reach it: HOST:PORT. UPDATE: '' leaves it as it is. */
  readonly peer: string;
  /** ADD: it stays a learner until it is promoted; else it votes once it has caught up. */
  readonly learner: boolean;
  /** ADD: the voter whose place it takes then; '' none. */
  readonly replaces: string;
  readonly priority: number;
}

/** To the leader: an operator asked the sender for this. */
export interface ForwardChange extends ForwardHeader {
  readonly type: 'ForwardChange';
  readonly change: MemberChange;
}

/** The change has begun with the entry at `index`, or was surely not made. */
export interface ForwardChanged extends ForwardHeader {
  readonly type: 'ForwardChanged';
  readonly index: number;
  /** '' when it has begun, else a code of `codes.ts`. */
  readonly refused: string;
  readonly message: string;
}

/** To the leader: what the app of the sender said of its state. `id` names this life of the app. */
export interface AppHashes extends ForwardHeader {
  readonly type: 'AppHashes';
  /** Ascending. Some may have been told before. */
  readonly hashes: readonly { readonly index: number; readonly hash: Uint8Array }[];
}

/** From the leader: the app of the receiver, in the life `id`, has another state than others have after the same entries. */
export interface AppVerdict extends ForwardHeader {
  readonly type: 'AppVerdict';
  /** Whose app is wrong; with `undecided` all that differ. */
  readonly nodes: readonly string[];
  /** It happened in the entries after `after` (0: not known after which) up to `through`. */
  readonly after: number;
  readonly through: number;
  readonly undecided: boolean;
}

export type PeerMessage =
  | RaftMessage
  | RoutingMessage
  | ForwardTransfer
  | AskReply
  | TellReply
  | AskVersion
  | TellVersion
  | SnapshotAsk
  | SnapshotData
  | ForwardChange
  | ForwardChanged
  | AppHashes
  | AppVerdict;
