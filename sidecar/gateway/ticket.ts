/**
 * One request of a client on its way through the gateway.
 *
 * MUST: be plain data; what may be done with it is said in `fate.ts`.
 */
import type { AppFrame } from '../../shared/app-frames.ts';
import type { Refusal } from '../../shared/codes.ts';
import type { Answer } from './answer.ts';
import type { Line } from './turns.ts';

export const KINDS = ['propose', 'read', 'openSession', 'keepSession', 'closeSession'] as const;
export type Kind = (typeof KINDS)[number];

/** LEADER: goes to the leader, and waits for one. ANY: a read that any replica serves, without a leader too. */
export const LANES = ['LEADER', 'ANY'] as const;
export type Lane = (typeof LANES)[number];

/** What a client asks. */
export interface Ask {
  readonly kind: Kind;
  readonly lane: Lane;
  /** However often it is sent, it happens at most once: a proposal in a session, and whatever is no proposal. */
  readonly repeatable: boolean;
  /** Only the leader takes it: it has an expected term, and is not sent on. */
  readonly leaderOnly: boolean;
  /** Of its command. */
  readonly bytes: number;
  readonly timeoutMs: number;
  /** As a replica is asked: with our id, and the time that is left. */
  readonly frame: (id: number, timeoutMs: number) => AppFrame;
  /** Called exactly once, unless its client is gone. */
  readonly done: (outcome: Answer | Refusal) => void;
}

export interface Ticket extends Ask {
  /** In order of arrival at the gateway. */
  readonly number: number;
  /** Where it waits for its turn: a line of its client. */
  readonly line: Line;
  /** By the clock of `performance.now()`. */
  readonly arrived: number;
  readonly deadline: number;
  /** WAITING in its line, SENT to a replica, DONE: answered, or of no use to anybody any more. */
  state: 'WAITING' | 'SENT' | 'DONE';
  /** A try was sent whose outcome nobody knows. */
  unsure: boolean;
  tries: number;
  /** It is not sent before. */
  notBefore: number;
  sentAt: number;
  /** The replicas that surely did not take it, for reasons of their own. */
  refusedBy: readonly string[];
}
