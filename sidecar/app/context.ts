/**
 * What all connections of the app socket share.
 *
 * MUST: be the only way a connection reaches its server and the node behind it.
 */
import type { PressureLevel } from '../../shared/app-frames.ts';
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

/** Why a state machine has to go: another one took over, its command was skipped, or its state is not what others have. */
export type Dismissal =
  | { readonly reason: 'SUPERSEDED' | 'SKIPPED' }
  | { readonly reason: 'APP_DIVERGED'; readonly message: string; readonly entry: number };

/** Who is the state machine: one at a time, the newest hello wins. */
export interface StateMachineSlot {
  /** A number for a hello that begins to wait for its plan; later hellos get larger ones. */
  ticket(): number;
  /** True when a hello with a later ticket was let in meanwhile. */
  overtaken(ticket: number): boolean;
  /** Lets a state machine in; the one before it is dismissed as SUPERSEDED. `dismiss` tells it why, and closes it. */
  take(ticket: number, delivery: Delivery, dismiss: (why: Dismissal) => void): void;
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
