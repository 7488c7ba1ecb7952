/**
 * What the app socket asks of the node behind it. The socket knows frames, connections and flow control;
 * it knows nothing of Raft.
 *
 * Outcomes come by callback, exactly once each, possibly before the call returns: the hot path makes no promise
 * object per command.
 */
import type { AppCondition } from '../../shared/app-conditions.ts';
import type { Refusal } from '../../shared/codes.ts';
import type { ChainHash, Entry, Role } from '../../shared/entry.ts';

/** Where the node stands, for `welcome` and `roleChanged`. */
export interface NodeFacts {
  readonly cluster: string;
  readonly node: string;
  readonly group: string;
  readonly role: Role;
  readonly term: number;
  readonly leader: string | undefined;
  readonly commitIndex: number;
  readonly firstIndex: number;
}

export interface ProposeRequest {
  readonly command: Uint8Array;
  readonly session: number;
  readonly sequence: number;
  /** The client has the answers of every command of its session below this; 0: it did not say. */
  readonly ackBelow: number;
  readonly expectedTerm: number | undefined;
  readonly wait: 'APPLIED' | 'COMMITTED';
  readonly timeoutMs: number;
}

export interface ProposeResult {
  readonly index: number;
  readonly term: number;
  /** The local app's result; absent with COMMITTED or when the app gave none. */
  readonly result?: Uint8Array;
  /** An earlier try of the same command took effect, at `index`. */
  readonly duplicate?: boolean;
  /** A duplicate whose result this node no longer has. */
  readonly resultLost?: boolean;
}

/** What can be done with a session besides proposing in it. */
export type SessionRequest = { readonly timeoutMs: number } & (
  | { readonly act: 'OPEN'; readonly ttlMs: number | undefined }
  | { readonly act: 'KEEP' | 'CLOSE'; readonly session: number }
);

export interface SessionResult {
  readonly session: number;
  /** OPEN: the time to live it got, ms. */
  readonly ttlMs?: number;
}

export interface ReadRequest {
  readonly consistency: 'LINEARIZABLE' | 'LEASE' | 'AT_LEAST' | 'STALE';
  readonly index: number | undefined;
  readonly timeoutMs: number;
}

/** A stretch of committed log, and the chain hash at its end. Not all of it may be for the app: see `decide`. */
export interface Delivery {
  readonly through: number;
  readonly hash: ChainHash;
  readonly entries: readonly Entry[];
}

export interface AppPosition {
  readonly app: string;
  readonly appliedIndex: number;
  readonly appliedHash: ChainHash | undefined;
  readonly snapshots: 'NONE' | 'BLOB' | 'EXTERNAL';
  /** The newest version of its commands that it knows. */
  readonly version: number;
}

export interface AppliedResult {
  readonly index: number;
  readonly result?: Uint8Array;
  readonly error?: string;
}

/** How a state machine stands, as its connection shows; told to the node whenever it changes. */
export interface AppNews {
  readonly condition: AppCondition;
  /** One sentence. */
  readonly reason: string;
  /** The entry it is about, where it is about one. */
  readonly index?: number | undefined;
}

/** What of a snapshot a state machine is given, when the log does not reach back to where it stands. */
export interface RestorePlan {
  readonly index: number;
  readonly term: number;
  readonly format: string;
  /** Bytes of the app's state, and their SHA-256. */
  readonly size: number;
  readonly sha256: Uint8Array;
  /** Where it stands then: to be `attached`. */
  readonly position: AppPosition;
  chunks(): AsyncIterable<Uint8Array>;
}

/** Where a state machine continues. */
export type Plan = { readonly replayFrom: number } | { readonly restore: RestorePlan };

/** Takes the state of a state machine, piece by piece. One call at a time. Answers a refusal where something is wrong. */
export interface SnapshotSink {
  add(data: Uint8Array): Promise<Refusal | undefined>;
  end(sha256: Uint8Array): Promise<Refusal | undefined>;
  abandon(reason: string): void;
}

export interface AppHost {
  facts(): NodeFacts;
  /** Starts a proposal. `done` gets the outcome exactly once. */
  propose(request: ProposeRequest, done: (outcome: ProposeResult | Refusal) => void): void;
  /** Opens, keeps or closes a session. `done` gets the outcome exactly once. */
  session(request: SessionRequest, done: (outcome: SessionResult | Refusal) => void): void;
  /** `done` gets the index the local app has applied at least, or a refusal, exactly once. */
  read(request: ReadRequest, done: (outcome: { readonly index: number } | Refusal) => void): void;
  /** Where a state machine at this position continues, or why it may not (APP_AHEAD, APP_DIVERGED, UNSUPPORTED). */
  plan(position: AppPosition): Promise<Plan | Refusal>;
  /** The epoch of the next state machine that is let in. */
  nextEpoch(): number;
  /** The state machine of `epoch` gives its state as of `index`; or why it may not now. */
  snapshotBegun(
    epoch: number,
    snapshot: { readonly index: number; readonly format: string; readonly size: number | undefined },
  ): Promise<SnapshotSink | Refusal>;
  /** The state machine could not take the snapshot it was given. */
  restoreRefused(plan: RestorePlan, reason: string): void;
  /** The own state of the state machine of `epoch` is durable up to this index. */
  durableThrough(epoch: number, index: number): void;
  /**
   * The committed log after `after`, at most so much of it (at least one entry when there is one).
   * Answers at once when it is in memory, by promise when the disk must be read; undefined when nothing is committed there.
   */
  committedAfter(
    after: number,
    maxEntries: number,
    maxBytes: number,
  ): Delivery | undefined | Promise<Delivery | undefined>;
  /**
   * What of a stretch the state machine of `epoch` gets: commands, and of those in sessions the ones that take effect now.
   * Called once for each stretch, in order, before any of it is delivered.
   */
  decide(epoch: number, stretch: Delivery): readonly Entry[];
  /** The version of the commands after what was decided last for the state machine of `epoch`. One stretch has one version. */
  versionFor(epoch: number): number;
  /** The state machine of `epoch` goes on after what it has applied: what was decided since is decided again. */
  resumed(epoch: number): void;
  /** A state machine took over (new epoch), at the position object that was planned for. Returns the epoch. */
  attached(position: AppPosition): number;
  /** Everything through this index was handed to the state machine of `epoch`. */
  delivered(epoch: number, through: number): void;
  /** The state machine of `epoch` has applied everything through this index. */
  applied(epoch: number, through: number, results: readonly AppliedResult[]): void;
  /** The state machine of `epoch` said the hash of its state as of an index that it has applied. */
  stateHash(epoch: number, index: number, hash: Uint8Array): void;
  /** The state machine of `epoch` is gone, or stands otherwise than before. */
  appNews(epoch: number, news: AppNews): void;
  /** A state machine was not let in, since it cannot be this node's. `index`: what it says it has applied. */
  turnedAway(no: Refusal, index: number): void;
  /** The connection this host was made for (`AppServerOptions.hostOf`) is gone: its open requests have nowhere to go. */
  left?(): void;
}
