/**
 * What the app socket asks of the node behind it. The socket knows frames, connections and flow control;
 * it knows nothing of Raft.
 *
 * Outcomes come by callback, exactly once each, possibly before the call returns: the hot path makes no promise
 * object per command.
 */
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
  readonly expectedTerm: number | undefined;
  readonly wait: 'APPLIED' | 'COMMITTED';
  readonly timeoutMs: number;
}

export interface ProposeResult {
  readonly index: number;
  readonly term: number;
  /** The local app's result; absent with COMMITTED or when the app gave none. */
  readonly result?: Uint8Array;
  readonly duplicate?: boolean;
}

export interface ReadRequest {
  readonly consistency: 'LINEARIZABLE' | 'LEASE' | 'AT_LEAST' | 'STALE';
  readonly index: number | undefined;
  readonly timeoutMs: number;
}

/** A stretch of committed log for the app: every COMMAND entry up to `through`, and the chain hash there. */
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
}

export interface AppliedResult {
  readonly index: number;
  readonly result?: Uint8Array;
  readonly error?: string;
}

/** How the state machine stands, told to the node whenever it changes. */
export type AppState = 'ABSENT' | 'CONNECTED' | 'LAGGING' | 'STALLED';

export interface AppHost {
  facts(): NodeFacts;
  /** Starts a proposal. `done` gets the outcome exactly once. */
  propose(request: ProposeRequest, done: (outcome: ProposeResult | Refusal) => void): void;
  /** `done` gets the index the local app has applied at least, or a refusal, exactly once. */
  read(request: ReadRequest, done: (outcome: { readonly index: number } | Refusal) => void): void;
  /** Where a state machine at this position continues, or why it may not (APP_AHEAD, APP_DIVERGED, UNSUPPORTED). */
  plan(position: AppPosition): Promise<{ replayFrom: number } | Refusal>;
  /**
   * The committed log after `after`, at most so much of it (at least one entry when there is one).
   * Answers at once when it is in memory, by promise when the disk must be read; undefined when nothing is committed there.
   */
  committedAfter(
    after: number,
    maxEntries: number,
    maxBytes: number,
  ): Delivery | undefined | Promise<Delivery | undefined>;
  /** A state machine took over (new epoch). Returns the epoch. */
  attached(position: AppPosition): number;
  /** Everything through this index was handed to the state machine of `epoch`. */
  delivered(epoch: number, through: number): void;
  /** The state machine of `epoch` has applied everything through this index. */
  applied(epoch: number, through: number, results: readonly AppliedResult[]): void;
  /** The state machine of `epoch` is gone, or is in another state than before; `reason` is one sentence. */
  appState(epoch: number, state: AppState, reason: string): void;
}
