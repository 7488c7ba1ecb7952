/**
 * The words the consensus core is spoken to in: configuration, inputs, effects, status.
 *
 * The core is a function: (state, input, clock) → state and ordered effects. Whoever drives it (daemon,
 * simulator, transcript, replay) MUST:
 *  - execute the effects of a step in order, before the next step;
 *  - answer `persist` by exactly one `durable` input covering its sequence, once the disk said so, in order,
 *    or never step this core again;
 *  - treat `send` as lossy: the core never counts on a message to arrive.
 * It MAY delay, drop, duplicate or reorder messages.
 */
import type { Cause } from '../../shared/causes.ts';
import type {
  ConfigAt,
  Entry,
  EntryKind,
  HardState,
  LogPoint,
  Membership,
  Role,
  SnapshotPoint,
} from '../../shared/entry.ts';
import type { RaftMessage } from '../../shared/messages.ts';
import type { TermRun } from '../../shared/term-runs.ts';

/** The only time the core knows; handed in with every input. */
export interface Clock {
  /** Monotonic, milliseconds. Never compared between nodes. */
  readonly now: number;
  /** Wall clock, milliseconds since the epoch. For cluster time, never for safety; it may also end a lease early. */
  readonly wall: number;
}

export interface RaftConfig {
  readonly id: string;
  readonly group: string;
  /** Who is in the cluster, where the disk does not say. */
  readonly membership: Membership;
  /** Its own, where it joined with an empty one (own-disk.ts). Undefined: the cluster began with it. */
  readonly disk?: string | undefined;
  /** A follower campaigns after min…max ms (random) without a leader. Dangerous below ~3 heartbeats. */
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
  readonly heartbeatMs: number;
  /** A leader that has been unfit to lead for so long hands over to a node that is fit (fitness.ts). */
  readonly handOverMs: number;
  /**
   * Ask before campaigning (dissertation §9.6). Off: a returning node disturbs a healthy leader. Protects little without
   * `checkQuorum`, since then followers of a live leader grant pre-votes.
   */
  readonly preVote: boolean;
  /** A leader without a quorum steps down, and voters with a live leader refuse others (§6.2, §4.2.3). */
  readonly checkQuorum: boolean;
  /** One append: at most so many bytes (one entry at least) and entries. */
  readonly appendBytes: number;
  readonly appendEntries: number;
  /** Appends and bytes on their way to one follower. */
  readonly inflightAppends: number;
  readonly inflightBytes: number;
  /** Entries of ours that may wait for commitment; over it proposals are refused. */
  readonly uncommittedBytes: number;
  /** Newest entries kept in memory. */
  readonly tailBytes: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Reads by lease (lease.ts); needs `checkQuorum`. Every voter must have it: who has not promises nothing. */
  readonly lease?: LeaseConfig | undefined;
}

export interface LeaseConfig {
  /**
   * The clock of one voter may be slower than that of another by this share of the faster one's rate. Dangerous when it is
   * more in truth, changes too fast to be noticed, or a clock stands still unseen: then reads are stale without a sign.
   */
  readonly clockBound: number;
}

/** What a node knows when it starts: all of it from its disk. */
export interface RaftStart {
  readonly hardState: HardState;
  /** What the log continues. */
  readonly base: LogPoint;
  /** The newest snapshot on the disk is of everything up to here; at least `base`. */
  readonly committed: number;
  readonly runs: readonly TermRun[];
  /** Every membership in the log, ascending, and the one that it began with; one at least. Absent: that of the configuration. */
  readonly configs?: readonly ConfigAt[];
  /** The newest entries, contiguous up to the end of the log; may be a part of it. */
  readonly tail: readonly Entry[];
  /** Set when the disk cannot prove that it holds all it ever acknowledged up to here: see `recovery.ts`. */
  readonly mustReach: number | undefined;
}

/** An entry before the leader gave it an index, a term and a time. */
export interface ProposedEntry {
  readonly kind: EntryKind;
  readonly command: Uint8Array;
  readonly session: number;
  readonly sequence: number;
  readonly ackBelow?: number | undefined;
}

export type Input =
  /** Time passed. Due at least every heartbeat / 2. */
  | { readonly type: 'tick' }
  | { readonly type: 'message'; readonly message: RaftMessage }
  /** Append these, if we lead. Answered by `proposed` or `proposalRefused` with the same `ref`, in the same step. */
  | { readonly type: 'propose'; readonly ref: number; readonly entries: readonly ProposedEntry[] }
  /** Every `persist` up to this sequence is on the disk. */
  | { readonly type: 'durable'; readonly sequence: number }
  /** Answer to `fetch`; no entries when they could not be read. */
  | {
      readonly type: 'fetched';
      readonly to: string;
      readonly from: number;
      readonly entries: readonly Entry[];
    }
  /** A read index, please. Answered by `readReady` or `readRefused`. */
  | { readonly type: 'read'; readonly ref: number }
  /** The same without asking anybody, on the strength of the lease. Answered in the same step. */
  | { readonly type: 'leaseRead'; readonly ref: number }
  /** These snapshots are on our disk and can be given to others, ascending. */
  | { readonly type: 'snapshots'; readonly points: readonly LogPoint[] }
  /** Entries up to here are in a snapshot, and are not needed any more. Answered by `compact`. */
  | { readonly type: 'compact'; readonly point: LogPoint }
  /** A snapshot of another node is on our disk, whole and proven: begin there, unless we have all that by now. */
  | { readonly type: 'install'; readonly point: SnapshotPoint }
  /** These shall be the members. Answered in this step by `proposed` (the entry that begins it) or `changeRefused`. */
  | { readonly type: 'changeMembership'; readonly ref: number; readonly membership: Membership }
  /** The app has applied through this index (told to the leader for the lags). */
  | { readonly type: 'applied'; readonly index: number }
  /** Should this node lead, if it can be chosen (is its app healthy)? Until told otherwise: yes. */
  | { readonly type: 'fitness'; readonly fit: boolean }
  /** Clients of that follower wait for what is on our disk: say so, if that lets it commit by itself (quorum-of-two.ts). */
  | { readonly type: 'tellDurable'; readonly to: string }
  /** Hand leadership over; '' lets the core choose. */
  | { readonly type: 'transfer'; readonly to: string }
  /** Campaign now (tests, and the first node of a new cluster). */
  | { readonly type: 'campaign' }
  /** Stop leading: the driver found the disk or the process stuck. */
  | { readonly type: 'stepDown'; readonly cause: Cause };

/** Why a membership cannot be changed now. */
export type ChangeRefusal =
  | 'NOT_LEADER'
  /** Another change is under way. */
  | 'CHANGING'
  /** No entry of this term is committed yet. */
  | 'NOT_YET'
  | 'TRANSFERRING';
export type ProposalRefusal = 'NOT_LEADER' | 'TRANSFERRING' | 'OVERLOADED';
export type ReadRefusal = 'NOT_LEADER' | 'OVERLOADED';
/** Why there is no lease now. */
export type LeaseRefusal =
  | 'NOT_LEADER'
  /** Leases are switched off. */
  | 'LEASE_OFF'
  /** Leadership is being handed over, or that was tried in this term. */
  | 'LEASE_TRANSFER'
  /** No entry of this term is committed yet. */
  | 'LEASE_NOT_YET'
  /** No quorum has promised lately. */
  | 'LEASE_EXPIRED'
  /** This process stood still, and no quorum has promised since. */
  | 'LEASE_PAUSED'
  /** The clocks of a quorum are not known to keep within the bound. */
  | 'LEASE_CLOCKS';

/** Disk work. Always before the other effects of its step; one in a step as a rule. */
export interface PersistEffect {
  readonly type: 'persist';
  /** 1, 2, 3, … */
  readonly sequence: number;
  readonly hardState: HardState | undefined;
  /** Drop every entry from this index on, before appending. */
  readonly truncateFrom: number | undefined;
  /** Drop the whole log, and begin anew after this, before appending. */
  readonly reset: SnapshotPoint | undefined;
  readonly entries: readonly Entry[];
  /** The leader's chain hash at the last of `entries`, '' when it told none. */
  readonly expectedHash: string;
}

export interface RoleEffect {
  readonly type: 'role';
  readonly role: Role;
  readonly term: number;
  /** '' while unknown. */
  readonly leader: string;
  readonly cause: Cause;
  /** For how long the last leader had been silent then, ms; Infinity where we heard none, or led ourselves. */
  readonly silentMs: number;
}

/** Why a leader hands over: it was asked to, its app is not healthy, or another one has a higher priority. */
export type TransferCause = 'ASKED' | 'UNFIT' | 'PRIORITY';

/**
 * What the core knows and no other effect tells: for the record alone. Nothing follows from it, so a driver MAY ignore it.
 * MUST be rare: never one per append or proposal.
 */
export type NoteEffect = { readonly type: 'note'; readonly peer: string } & (
  | {
      /** GIVEN: our answer to `peer`, who asked for `term`. RECEIVED: the answer of `peer` to us, who asked for it. */
      readonly about: 'VOTE_GIVEN' | 'VOTE_RECEIVED';
      readonly term: number;
      readonly preVote: boolean;
      readonly granted: boolean;
      /** Why it was refused, '' when granted. */
      readonly reason: string;
    }
  | {
      /** Leader: `peer` has been silent for `ms` by now, or was until now. */
      readonly about: 'CONTACT_LOST' | 'CONTACT_REGAINED';
      readonly ms: number;
    }
  | {
      /** The log does not fit after `index`; it can at `hint` at best. Leader: theirs to ours; follower: ours to theirs. */
      readonly about: 'APPEND_REJECTED';
      readonly index: number;
      readonly hint: number;
      /** GAP: there is no entry at `index`. CONFLICT: there is another one. */
      readonly cause: 'GAP' | 'CONFLICT';
    }
  | {
      /** Entries `first`…`last` of ours, all of `oldTerm`, were dropped for those of `peer`. */
      readonly about: 'TRUNCATED';
      readonly first: number;
      readonly last: number;
      readonly oldTerm: number;
    }
  /** It installed the snapshot of `index`, and before it could go on from there the log began behind it, at `first`. */
  | { readonly about: 'SNAPSHOT_OUTRUN'; readonly index: number; readonly first: number }
  /** A transfer of leadership to `peer` began: somebody asked for it, or this leader is not fit to lead. */
  | { readonly about: 'TRANSFER_STARTED'; readonly cause: TransferCause }
  /** The leader `peer` was not heard for an election timeout, and this node, not being fit, lets others campaign first. */
  | { readonly about: 'CAMPAIGN_POSTPONED' }
);

export type Effect =
  | PersistEffect
  | { readonly type: 'send'; readonly message: RaftMessage }
  /** Read entries from `from` on, at most so many bytes, for that follower; answer with `fetched`. */
  | {
      readonly type: 'fetch';
      readonly to: string;
      readonly from: number;
      readonly through: number;
      readonly maxBytes: number;
    }
  | { readonly type: 'commit'; readonly index: number }
  /** The log begins behind this now: older entries may be dropped from the disk, at leisure. */
  | { readonly type: 'compact'; readonly point: LogPoint }
  /** That follower needs a snapshot, and there is none to offer. */
  | { readonly type: 'snapshotWanted'; readonly by: string }
  /** Get this snapshot from that node, then say `install`. Said again and again while it is needed. */
  | { readonly type: 'fetchSnapshot'; readonly from: string; readonly index: number; readonly term: number }
  /** The log was dropped (it ended at `dropped`) and begins behind this snapshot, which is what is committed now. */
  | { readonly type: 'installed'; readonly point: SnapshotPoint; readonly dropped: number }
  | RoleEffect
  /** In our log at firstIndex…, in `term`; not committed yet. */
  | { readonly type: 'proposed'; readonly ref: number; readonly firstIndex: number; readonly term: number }
  | { readonly type: 'proposalRefused'; readonly ref: number; readonly reason: ProposalRefusal }
  | { readonly type: 'changeRefused'; readonly ref: number; readonly reason: ChangeRefusal }
  /** From now on this is the membership of our log, by the entry at `index`; it is not committed yet, and may be taken back. */
  | { readonly type: 'membership'; readonly index: number; readonly membership: Membership }
  | { readonly type: 'readReady'; readonly ref: number; readonly index: number }
  | { readonly type: 'readRefused'; readonly ref: number; readonly reason: ReadRefusal | LeaseRefusal }
  /** A leadership transfer was given up; we still lead. */
  | { readonly type: 'transferFailed'; readonly to: string }
  /** The log is proven again: this node may vote from now on. */
  | { readonly type: 'whole' }
  | NoteEffect;
