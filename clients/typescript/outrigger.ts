/** The client's public face: everything an app imports. */
export { Client, connect } from './client.ts';
export { Definite, Indefinite, OutriggerError, SessionLost } from './errors.ts';
export type { Consistency, Wait } from './frames.ts';
export { CLIENT_LIMITS, type ClientLimits } from './limits.ts';
export type { Session } from './session.ts';
export type {
  Address,
  Command,
  ConnectOptions,
  Proposed,
  ProposeOptions,
  ReadIndex,
  ReadOptions,
} from './shapes.ts';
