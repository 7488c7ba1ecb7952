/**
 * What a history is: operations of clients on keys, each with the time of its call, of its return, and what came of it.
 *
 * MUST: refuse a history that cannot have happened, or that shows nothing: a check of it would say nothing.
 * MUST NOT: know how a history was taken, or what a key-value machine does.
 */

export type Command =
  | { readonly type: 'get' }
  | { readonly type: 'put'; readonly value: string }
  | { readonly type: 'append'; readonly value: string }
  /** To a whole number; nothing counts as 0. */
  | { readonly type: 'add'; readonly delta: number }
  /** Puts `value` if the key is at this version. */
  | { readonly type: 'cas'; readonly version: number; readonly value: string }
  | { readonly type: 'delete' };

/** What an operation did to its key. A client sees all of it, some of it (the other members are absent), or nothing. */
export interface Result {
  /** How many times the key was changed, this operation included. */
  readonly version: number;
  /** After this operation; null where there is none. */
  readonly value: string | null;
  /** There was a value before this operation. */
  readonly existed: boolean;
  /** False where it changed nothing because it may not: a `cas` on another version, an `add` to text, a `delete` of nothing. */
  readonly done: boolean;
}

export type Seen = Partial<Result>;

/**
 * ok: it happened, and this was seen of it. failed: it did not happen and never will. unknown: nobody knows; it may
 * happen at any time after its call, or never.
 */
export type Outcome =
  | { readonly kind: 'ok'; readonly seen: Seen; readonly index?: number }
  | { readonly kind: 'failed' }
  | { readonly kind: 'unknown' };

export interface Operation {
  /** One operation at a time, and none after an unknown one. */
  readonly client: string;
  readonly key: string;
  /** Names the command in the log; unique in a history. */
  readonly id: string;
  readonly command: Command;
  /** Both in nanoseconds of one clock. The interval is closed: a return and a call at the same time are concurrent. */
  readonly call: bigint;
  /** Undefined while the outcome is unknown. */
  readonly return: bigint | undefined;
  readonly outcome: Outcome;
}

/** A history that is not one. */
export class BadHistory extends Error {}

export function isWrite({ command }: Operation): boolean {
  return command.type !== 'get';
}

/** Throws BadHistory with one clear sentence when `history` is empty or cannot have happened. */
export function validate(history: readonly Operation[]): void {
  if (history.length === 0) throw new BadHistory('the history is empty: it shows nothing');
  const ids = new Set<string>();
  const clients = new Map<string, Operation[]>();
  for (const operation of history) {
    if (ids.has(operation.id)) throw new BadHistory(`two operations have the id ${operation.id}`);
    ids.add(operation.id);
    validateTimes(operation);
    const own = clients.get(operation.client);
    if (own === undefined) clients.set(operation.client, [operation]);
    else own.push(operation);
  }
  for (const own of clients.values()) validateClient(own);
}

function validateTimes({ id, call, return: end, outcome }: Operation): void {
  if (outcome.kind === 'unknown') {
    if (end !== undefined) throw new BadHistory(`${id} returned, so its outcome is known`);
  } else if (end === undefined) throw new BadHistory(`${id} has an outcome and did not return`);
  else if (end < call) throw new BadHistory(`${id} returned before it was called`);
}

function validateClient(operations: readonly Operation[]): void {
  const ordered = [...operations].sort((a, b) => compare(a.call, b.call));
  for (const [at, next] of ordered.entries()) {
    const before = ordered[at - 1];
    if (before === undefined) continue;
    if (before.return === undefined)
      throw new BadHistory(`client ${next.client} went on after ${before.id}, whose outcome is unknown`);
    if (before.return > next.call)
      throw new BadHistory(`client ${next.client} called ${next.id} before ${before.id} returned`);
  }
}

export function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The operations of each key, in the order given. */
export function byKey(history: readonly Operation[]): Map<string, Operation[]> {
  const parts = new Map<string, Operation[]>();
  for (const operation of history) {
    const part = parts.get(operation.key);
    if (part === undefined) parts.set(operation.key, [operation]);
    else part.push(operation);
  }
  return parts;
}
