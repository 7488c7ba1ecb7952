/** What callers hand in and get back. */
import { Buffer } from 'node:buffer';
import type { Address } from './address.ts';
import type { Consistency, ProposedAnswer, Wait } from './frames.ts';
import type { ClientLimits } from './limits.ts';

/** Opaque to Outrigger; a string goes as UTF-8. */
export type Command = Uint8Array | string;

export interface ConnectOptions {
  /** How long to wait for a first node. */
  readonly timeoutMs?: number;
  /** What this client calls itself: the nodes show it. */
  readonly app?: string;
  /** False: the nodes are tried in the order given. Say so where the first one is the nearest. */
  readonly shuffle?: boolean;
  readonly limits?: Partial<ClientLimits>;
}

export interface ProposeOptions {
  /** The overall deadline, with all tries. */
  readonly timeoutMs?: number;
  /** COMMITTED does not wait for the node's app, and has no result. */
  readonly wait?: Wait;
}

export interface ReadOptions {
  /** AT_LEAST where `atLeast` is given, else LINEARIZABLE. */
  readonly consistency?: Consistency;
  /** An index from any earlier answer. AT_LEAST alone takes it; without it that is the highest index this client has seen. */
  readonly atLeast?: number;
  readonly timeoutMs?: number;
}

/** What a command did. */
export interface Proposed {
  readonly index: number;
  readonly term: number;
  /** What the app of the node answered; undefined where it gave nothing, or with COMMITTED. */
  readonly result: Uint8Array | undefined;
  /** An earlier try took effect: this is its answer. */
  readonly duplicate: boolean;
  /** It took effect, and the node no longer has its result. */
  readonly resultLost: boolean;
  /** The node that answered. */
  readonly node: string;
}

/** The app beside `node` has applied at least `index`, and may be read now. */
export interface ReadIndex {
  readonly index: number;
  readonly node: string;
}

export type { Address };

export function bytesOf(command: Command): Uint8Array {
  return typeof command === 'string' ? Buffer.from(command, 'utf8') : command;
}

export function proposedOf(answer: ProposedAnswer, node: string): Proposed {
  const { index, term, result, duplicate, resultLost } = answer;
  return { index, term, result, duplicate, resultLost, node };
}
