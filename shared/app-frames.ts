/**
 * The frames of the app socket (PROTOCOL §1) as typed unions, one member per frame: `type` is the member's
 * name on the wire, the rest are its fields. The wire forms are made from `proto/app.proto`.
 *
 * MUST: be plain data and name the same fields as the schema (a test compares them).
 * An absent optional field is missing or undefined. Decoders fill every field that is not optional with its
 * default. Indexes, terms, ids and sessions are safe integers; times are milliseconds.
 */
import type { ErrorCode } from './codes.ts';
import type { Role } from './entry.ts';

export type SnapshotSupport = 'NONE' | 'BLOB' | 'EXTERNAL';
export type Wait = 'APPLIED' | 'COMMITTED';
export type Consistency = 'LINEARIZABLE' | 'LEASE' | 'AT_LEAST' | 'STALE';
export type PressureLevel = 'OK' | 'SLOW_DOWN' | 'STOP';

// ---------------------------------------------------------------- from the app

export interface StateMachineHello {
  readonly appliedIndex: number;
  /** Log chain hash at `appliedIndex`, 32 bytes. */
  readonly appliedHash?: Uint8Array | undefined;
  readonly snapshots: SnapshotSupport;
  /** Entries and bytes delivered and not yet applied; clipped to the limits. */
  readonly windowEntries?: number | undefined;
  readonly windowBytes?: number | undefined;
  /** The newest version of its commands that it knows; 0 when absent. */
  readonly version?: number | undefined;
}

export interface HelloFrame {
  readonly type: 'hello';
  readonly protocol: number;
  readonly app: string;
  readonly group: string;
  readonly token?: string | undefined;
  /** Absent for a plain client. */
  readonly stateMachine?: StateMachineHello | undefined;
}

export interface ResultField {
  readonly index: number;
  readonly result?: Uint8Array | undefined;
  readonly error?: string | undefined;
}

export interface AppliedFrame {
  readonly type: 'applied';
  /** Cumulative: everything through this index is applied. */
  readonly through: number;
  readonly results: readonly ResultField[];
  readonly durableThrough?: number | undefined;
  readonly stateHash?: { readonly index: number; readonly hash: Uint8Array } | undefined;
}

export interface ApplyFailedFrame {
  readonly type: 'applyFailed';
  readonly index: number;
  readonly code: string;
  readonly message: string;
}

export interface ResumeFrame {
  readonly type: 'resume';
  readonly from: number;
}

export interface ProposeFrame {
  readonly type: 'propose';
  readonly id: number;
  readonly command: Uint8Array;
  readonly session?: number | undefined;
  readonly sequence?: number | undefined;
  readonly ackBelow?: number | undefined;
  readonly expectedTerm?: number | undefined;
  /** APPLIED when absent. */
  readonly wait?: Wait | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface ReadFrame {
  readonly type: 'read';
  readonly id: number;
  /** LINEARIZABLE when absent. */
  readonly consistency?: Consistency | undefined;
  /** Needed with AT_LEAST. */
  readonly index?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface OpenSessionFrame {
  readonly type: 'openSession';
  readonly id: number;
  readonly ttlMs?: number | undefined;
}

export interface KeepSessionFrame {
  readonly type: 'keepSession';
  readonly id: number;
  readonly session: number;
}

export interface CloseSessionFrame {
  readonly type: 'closeSession';
  readonly id: number;
  readonly session: number;
}

export interface SnapshotBeginFrame {
  readonly type: 'snapshotBegin';
  readonly index: number;
  readonly format: string;
  readonly size?: number | undefined;
}

export interface SnapshotChunkFrame {
  readonly type: 'snapshotChunk';
  readonly data: Uint8Array;
}

export interface SnapshotEndFrame {
  readonly type: 'snapshotEnd';
  readonly sha256: Uint8Array;
}

export interface RestoredFrame {
  readonly type: 'restored';
  readonly index: number;
}

export interface RestoreRefusedFrame {
  readonly type: 'restoreRefused';
  readonly reason: string;
}

export interface PingFrame {
  readonly type: 'ping';
  readonly id: number;
}

/** In both directions. */
export interface GoodbyeFrame {
  readonly type: 'goodbye';
  readonly reason?: string | undefined;
}

/** What an app sends. */
export type AppFrame =
  | HelloFrame
  | AppliedFrame
  | ApplyFailedFrame
  | ResumeFrame
  | ProposeFrame
  | ReadFrame
  | OpenSessionFrame
  | KeepSessionFrame
  | CloseSessionFrame
  | SnapshotBeginFrame
  | SnapshotChunkFrame
  | SnapshotEndFrame
  | RestoredFrame
  | RestoreRefusedFrame
  | PingFrame
  | GoodbyeFrame;

// ---------------------------------------------------------------- from the sidecar

export interface WelcomeFrame {
  readonly type: 'welcome';
  readonly protocol: number;
  readonly cluster: string;
  readonly node: string;
  readonly group: string;
  /** The state machine's epoch; 0 for a plain client. */
  readonly epoch: number;
  readonly role: Role;
  readonly term: number;
  readonly leader?: string | undefined;
  readonly commitIndex: number;
  readonly firstIndex: number;
  readonly limits: { readonly frameBytes: number; readonly commandBytes: number; readonly inFlight: number };
  /** For a state machine: where delivery starts. */
  readonly plan?:
    | { readonly replayFrom?: number | undefined; readonly snapshotIndex?: number | undefined }
    | undefined;
}

export interface EntryField {
  readonly index: number;
  readonly term: number;
  readonly time: number;
  readonly command: Uint8Array;
  readonly session?: number | undefined;
  readonly sequence?: number | undefined;
}

export interface EntriesFrame {
  readonly type: 'entries';
  readonly through: number;
  /** Log chain hash at `through`, 32 bytes. */
  readonly hash: Uint8Array;
  readonly entries: readonly EntryField[];
  /** The version of their commands, 0 when absent. */
  readonly version?: number | undefined;
}

export interface ProposedFrame {
  readonly type: 'proposed';
  readonly id: number;
  readonly index: number;
  readonly term: number;
  readonly result?: Uint8Array | undefined;
  readonly duplicate?: boolean | undefined;
  /** A duplicate whose result this node no longer has. */
  readonly resultLost?: boolean | undefined;
}

export interface ReadReadyFrame {
  readonly type: 'readReady';
  readonly id: number;
  readonly index: number;
}

export interface SessionOpenedFrame {
  readonly type: 'sessionOpened';
  readonly id: number;
  readonly session: number;
}

export interface SessionKeptFrame {
  readonly type: 'sessionKept';
  readonly id: number;
}

export interface SessionClosedFrame {
  readonly type: 'sessionClosed';
  readonly id: number;
}

export interface SessionExpiredFrame {
  readonly type: 'sessionExpired';
  readonly session: number;
}

export interface TakeSnapshotFrame {
  readonly type: 'takeSnapshot';
  readonly index: number;
}

export interface RestoreBeginFrame {
  readonly type: 'restoreBegin';
  readonly index: number;
  readonly term: number;
  readonly format: string;
  readonly size: number;
}

export interface RestoreChunkFrame {
  readonly type: 'restoreChunk';
  readonly data: Uint8Array;
}

export interface RestoreEndFrame {
  readonly type: 'restoreEnd';
  readonly sha256: Uint8Array;
}

export interface RoleChangedFrame {
  readonly type: 'roleChanged';
  readonly role: Role;
  readonly term: number;
  readonly leader?: string | undefined;
  readonly cause: string;
}

export interface PressureFrame {
  readonly type: 'pressure';
  readonly level: PressureLevel;
}

export interface ErrorFrame {
  readonly type: 'error';
  /** The request it answers; absent when it concerns none. */
  readonly id?: number | undefined;
  readonly code: ErrorCode;
  readonly definite: boolean;
  readonly message: string;
  readonly leader?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

export interface PongFrame {
  readonly type: 'pong';
  readonly id: number;
}

/** What the sidecar sends. */
export type SidecarFrame =
  | WelcomeFrame
  | EntriesFrame
  | ProposedFrame
  | ReadReadyFrame
  | SessionOpenedFrame
  | SessionKeptFrame
  | SessionClosedFrame
  | SessionExpiredFrame
  | TakeSnapshotFrame
  | RestoreBeginFrame
  | RestoreChunkFrame
  | RestoreEndFrame
  | RoleChangedFrame
  | PressureFrame
  | ErrorFrame
  | PongFrame
  | GoodbyeFrame;
