/**
 * The log entry, the hard state and the membership: the nouns of Raft that every module names.
 *
 * MUST: stay plain data; no behaviour, no I/O.
 * Index and term are safe integers (< 2^53), asserted wherever they enter.
 */

/** What an entry is for. Only COMMAND entries are delivered to apps. */
export const EntryKind = {
  /** The empty entry a leader appends at the start of its term (dissertation §6.4, step 1). */
  NOOP: 0,
  /** An opaque command of the app. */
  COMMAND: 1,
  /** A membership (`wire/membership-entry.ts`): it counts from the moment it stands in a node's log. */
  CONFIG: 2,
  /** A client's session begins (its id is the index of this entry), is kept alive, ends (`wire/session-entries.ts`). */
  SESSION_OPEN: 3,
  SESSION_KEEP: 4,
  SESSION_CLOSE: 5,
  /** Sessions that were silent for longer than their time to live end, if they are still silent at this place of the log. */
  SESSION_EXPIRE: 6,
  /** An operator's word: no app is given the command at another index (`wire/skip-entry.ts`). */
  SKIP: 7,
  /** An operator's word: from here on commands have the meaning of another version of the app (`wire/app-version-entry.ts`). */
  APP_VERSION: 8,
} as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** The name of a kind as printed by `outrigger log` and `/v1/log`. */
export function entryKindName(kind: EntryKind): string {
  for (const [name, value] of Object.entries(EntryKind)) if (value === kind) return name;
  throw new RangeError(`entry kind ${kind} is unknown`);
}

/**
 * Chain hash: SHA-256 over the hash of the entry before and the entry's own record, as a string of
 * 32 Latin-1 characters, one per byte (in V8 that costs half of a Buffer, and compares with `===`).
 * The entry before index 1 has the hash `ZERO_HASH`.
 */
export type ChainHash = string;
export const HASH_BYTES = 32;
export const ZERO_HASH: ChainHash = '\0'.repeat(HASH_BYTES);

/** One entry of the replicated log. Immutable once made, except for the two sealed fields. */
export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  /** Cluster time in ms since the epoch: assigned by the leader, never decreases along the log. */
  readonly time: number;
  /** Session id, 0 for none. */
  readonly session: number;
  /** Sequence number within the session, 0 for none. */
  readonly sequence: number;
  /** The client has the answers of every command of its session below this; absent or 0: it did not say. */
  readonly ackBelow?: number;
  readonly command: Uint8Array;
  /**
   * The entry in its one encoded form (`wire/record.ts`), the same on disk, on the wire and under the
   * hash. Filled by whoever encodes first or by the decoder; never changed afterwards.
   */
  record?: Uint8Array;
  /** Chain hash of the log up to and including this entry; filled by the store when it takes the entry. */
  hash?: ChainHash;
}

/**
 * A place in the log that is known without its entries: just before the first entry that is kept, or where a snapshot
 * was taken. The beginning of every log is `ORIGIN`.
 */
export interface LogPoint {
  readonly index: number;
  readonly term: number;
  /** Cluster time of the entry at `index`, ms. */
  readonly time: number;
  /** Chain hash at `index`. */
  readonly hash: ChainHash;
}
export const ORIGIN: LogPoint = { index: 0, term: 0, time: 0, hash: ZERO_HASH };

/** What Raft must never forget besides the log (paper, figure 2). Written as one durable record. */
export interface HardState {
  readonly term: number;
  /** Node id voted for in `term`, '' for none. */
  readonly vote: string;
}

/**
 * Who votes. A joint configuration has a non-empty `outgoing`: then both sets need a majority
 * (paper §6). Learners receive the log and never count.
 */
export interface Membership {
  readonly voters: readonly string[];
  readonly outgoing: readonly string[];
  readonly learners: readonly string[];
  /** What else is known of members. Absent where only ids matter. */
  readonly book?: readonly MemberInfo[];
}

export interface MemberInfo {
  readonly id: string;
  /** Where other sidecars reach it: HOST:PORT. */
  readonly peer: string;
  /** A learner that is to vote as soon as it has caught up, and the voter whose place it takes then. */
  readonly promote?: boolean;
  readonly replaces?: string;
  /** Which disk it has: the id of its data folder, as its leader saw it. Absent for those a cluster began with. */
  readonly disk?: string;
  /** Who should lead: whoever has the highest, if it can; 0 when absent. */
  readonly priority?: number;
}

/** A membership, and the entry that it came with; index 0: the one a cluster began with. */
export interface ConfigAt {
  readonly index: number;
  readonly membership: Membership;
}

/** Where a log begins that was dropped for a snapshot. */
export interface SnapshotPoint extends LogPoint {
  /** The membership there; absent: as it was known before. */
  readonly config?: ConfigAt;
}

export type Role = 'LEADER' | 'FOLLOWER' | 'CANDIDATE' | 'LEARNER';

/** Bytes an entry weighs in windows, caches and limits: its command and a fixed share for the rest. */
export const ENTRY_OVERHEAD_BYTES = 64;
export function entryBytes(entry: { readonly command: Uint8Array }): number {
  return entry.command.length + ENTRY_OVERHEAD_BYTES;
}

/** Throws unless `value` may be an index or a term: an integer in 0 … 2^53-1. */
export function assertSafeIndex(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${what} must be an integer from 0 to 2^53-1, not ${String(value)}`);
  }
}
