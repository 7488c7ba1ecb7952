/**
 * What all connections of the app socket share.
 *
 * MUST: be the only way a connection reaches its server and the node behind it.
 */
import type { PressureLevel, SidecarFrame, SnapshotSupport } from '../../shared/app-frames.ts';
import type { LIMITS } from '../../shared/limits.ts';
import type { Delivery } from './delivery.ts';
import type { AppHost } from './host.ts';
import type { Link } from './link.ts';

/** The limits this module keeps; tests give smaller ones. */
export type AppLimits = {
  readonly [Name in keyof Pick<
    typeof LIMITS,
    | 'appBacklog'
    | 'appBroadcast'
    | 'appConnections'
    | 'appFrameBytes'
    | 'appLagMs'
    | 'appLingerMs'
    | 'appNameChars'
    | 'appOutputBytes'
    | 'appOutputBytesMax'
    | 'appStallMs'
    | 'commandBytes'
    | 'deliveryBytes'
    | 'deliveryEntries'
    | 'helloMs'
    | 'overloadedRestMs'
    | 'overloadedRetryMs'
    | 'requestMs'
    | 'requestMsMax'
    | 'requestsPerConnection'
    | 'resultBytes'
    | 'sessionsPerConnection'
    | 'stateHashBytes'
    | 'windowBytes'
    | 'windowBytesMax'
    | 'windowEntries'
    | 'windowEntriesMax'
  >]: number;
};

/**
 * Why a state machine has to go: another one took over, its command was skipped, the log begins behind what it has applied (it is to
 * come back for a snapshot), or its state is not what others have.
 */
export type Dismissal =
  | { readonly reason: 'SUPERSEDED' | 'SKIPPED' | 'RESTORE' }
  | { readonly reason: 'APP_DIVERGED'; readonly message: string; readonly entry: number };

/** The connection that is the state machine. */
export interface StateMachine {
  readonly delivery: Delivery;
  readonly snapshots: SnapshotSupport;
  /** Tells it why it has to go, and closes it. */
  dismiss(why: Dismissal): void;
  send(frame: SidecarFrame): void;
}

/** Who is the state machine: one at a time, the newest hello wins. */
export interface StateMachineSlot {
  /** A number for a hello that begins to wait for its plan; later hellos get larger ones. */
  ticket(): number;
  /** True when a hello with a later ticket was let in meanwhile. */
  overtaken(ticket: number): boolean;
  /** Lets a state machine in; the one before it is dismissed as SUPERSEDED. */
  take(ticket: number, machine: StateMachine): void;
  /** It is gone. Does nothing when it was superseded before. */
  leave(delivery: Delivery): void;
}

export interface AppContext {
  readonly host: AppHost;
  /** The host that takes the requests of a new connection. */
  hostFor(): AppHost;
  readonly limits: AppLimits;
  /** The token `hello` must carry; undefined where the socket's file mode is the guard. */
  readonly token: string | undefined;
  readonly slot: StateMachineSlot;
  /** What new connections are told after `welcome`. */
  pressure(): PressureLevel;
  /** At the end of this event-loop turn: deliver what is committed, then write what `link` has to send. */
  flushSoon(link: Link | undefined): void;
  /** The node behind the socket failed to answer. Never a client's fault. */
  fault(error: Error): void;
}
