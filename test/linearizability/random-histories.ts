/**
 * Makes histories up. The good ones come from a machine that takes each operation at one point of time between its call
 * and its return, which is what linearizable means; `twist` lets that machine do wrong.
 *
 * MUST: depend on nothing but the luck it is given.
 */
import type { Prng } from '../simulation/prng.ts';
import { type Command, compare, isWrite, type Operation, type Result, type Seen } from './history.ts';
import { EMPTY, type KeyState, run } from './model.ts';
import type { LogEntry } from './resolve.ts';

/** An operation before it is known what comes of it. */
export interface Planned {
  readonly client: string;
  readonly key: string;
  readonly id: string;
  readonly command: Command;
  readonly call: bigint;
  /** When the machine takes it. */
  readonly point: bigint;
  readonly end: bigint;
}

/** What the machine does with one operation: the state it leaves and what the client is shown. */
export interface Taken {
  readonly state: KeyState;
  readonly result: Result;
}

/** Runs one operation; `before` are the states of its key so far, oldest first. */
export type Machine = (operation: Planned, before: readonly KeyState[]) => Taken;

export const HONEST: Machine = ({ command }, before) => run(before.at(-1) ?? EMPTY, command);

export interface Shape {
  readonly keys: number;
  readonly clients: number;
  readonly operationsPerClient: number;
}

/** Clients that do one thing after the other on random keys, with pauses in between. */
export function plan(rng: Prng, { keys, clients, operationsPerClient }: Shape): Planned[] {
  const planned: Planned[] = [];
  for (let client = 0; client < clients; client++) {
    let time = BigInt(rng.int(1_000));
    for (let count = 0; count < operationsPerClient; count++) {
      const call = time + BigInt(1 + rng.int(500));
      const took = 1 + rng.int(2_000);
      const end = call + BigInt(took);
      const id = `c${client}-${count};`;
      const key = `k${rng.int(keys)}`;
      const command = randomCommand(rng, id);
      planned.push({
        client: `c${client}`,
        key,
        id,
        command,
        call,
        point: call + BigInt(rng.int(took + 1)),
        end,
      });
      time = end;
    }
  }
  return planned;
}

/** Values are unique, none is a part of another one. */
export function randomCommand(rng: Prng, id: string): Command {
  const choice = rng.float();
  if (choice < 0.4) return { type: 'get' };
  if (choice < 0.6) return { type: 'put', value: id };
  if (choice < 0.75) return { type: 'append', value: id };
  if (choice < 0.85) return { type: 'add', delta: 1 };
  if (choice < 0.95) return { type: 'cas', version: rng.int(20), value: id };
  return { type: 'delete' };
}

/** What the clients saw when `machine` took each operation at its point. */
export function perform(planned: readonly Planned[], machine: Machine = HONEST): Operation[] {
  const states = new Map<string, KeyState[]>();
  const ordered = [...planned].sort((a, b) => compare(a.point, b.point));
  return ordered.map((operation) => {
    const before = states.get(operation.key) ?? [EMPTY];
    const { state, result } = machine(operation, before);
    states.set(operation.key, [...before, state]);
    return operationOf(operation, seenOf(operation.command, result));
  });
}

/** What a client of the versioned app sees: writes are not shown the value, except the sum of an `add`. */
function seenOf({ type }: Command, { version, value, existed, done }: Result): Seen {
  if (type === 'get') return { version, value };
  return type === 'add' ? { version, value, existed, done } : { version, existed, done };
}

function operationOf({ client, key, id, command, call, end }: Planned, seen: Seen): Operation {
  return { client, key, id, command, call, return: end, outcome: { kind: 'ok', seen } };
}

export interface Lossy {
  readonly history: Operation[];
  /** The writes that happened, in the order in which the machine took them. */
  readonly log: LogEntry[];
}

/**
 * Lets the outcome of each operation be unknown with this probability; half of those never happened at all. A client that
 * does not know goes on under another name.
 */
export function losingAnswers(
  rng: Prng,
  planned: readonly Planned[],
  share: number,
  machine: Machine = HONEST,
): Lossy {
  const lost = new Set(planned.filter(() => rng.chance(share)));
  const happened = perform(
    planned.filter((operation) => !lost.has(operation) || rng.chance(0.5)),
    machine,
  );
  const byId = new Map(happened.map((operation) => [operation.id, operation]));
  const lives = new Map<string, number>();
  const history = [...planned]
    .sort((a, b) => compare(a.call, b.call))
    .map((one): Operation => {
      const life = lives.get(one.client) ?? 0;
      const client = life === 0 ? one.client : `${one.client}.${life}`;
      const operation = byId.get(one.id) ?? operationOf(one, {});
      if (!lost.has(one)) return { ...operation, client };
      lives.set(one.client, life + 1);
      return { ...operation, client, return: undefined, outcome: { kind: 'unknown' } };
    });
  return { history, log: happened.filter(isWrite).map(({ id }, at) => ({ id, index: at + 1 })) };
}
