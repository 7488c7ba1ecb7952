/**
 * Machines that do one thing wrong, once, where clients can see it.
 *
 * MUST: plant only what contradicts the order of time: in the history with all answers, every planted anomaly is wrong.
 */
import type { Prng } from '../simulation/prng.ts';
import { EMPTY, run } from './model.ts';
import { HONEST, type Machine, type Planned } from './random-histories.ts';

export const ANOMALIES = [
  'stale read',
  'lost write',
  'double apply',
  'phantom value',
  'session reorder',
] as const;
export type Anomaly = (typeof ANOMALIES)[number];

/** A plan with a machine that does wrong in it. */
export interface Planted {
  readonly planned: readonly Planned[];
  readonly machine: Machine;
}

/** Undefined where `planned` has no place for it. */
export function plant(rng: Prng, kind: Anomaly, planned: readonly Planned[]): Planted | undefined {
  switch (kind) {
    case 'stale read':
      return staleRead(rng, planned);
    case 'lost write':
      return lostWrite(rng, planned);
    case 'double apply':
      return doubleApply(rng, planned);
    case 'phantom value':
      return phantomValue(rng, planned);
    case 'session reorder':
      return sessionReorder(rng, planned);
  }
}

/** A read is shown the state before a write that had returned when it was called. */
function staleRead(rng: Prng, planned: readonly Planned[]): Planted | undefined {
  const pairs = planned
    .filter(({ command }) => command.type === 'get')
    .flatMap((read) =>
      planned
        .filter((write) => surelyWrites(write) && write.key === read.key && write.end < read.call)
        .map((write) => ({ read, write })),
    );
  if (pairs.length === 0) return undefined;
  const { read, write } = rng.pick(pairs);
  let old = EMPTY;
  const machine: Machine = (operation, before) => {
    const last = before.at(-1) ?? EMPTY;
    if (operation === write) old = last;
    return operation === read
      ? { state: last, result: run(old, read.command).result }
      : HONEST(operation, before);
  };
  return { planned, machine };
}

/** A write is acknowledged and forgotten. */
function lostWrite(rng: Prng, planned: readonly Planned[]): Planted | undefined {
  const write = pickObserved(rng, planned);
  if (write === undefined) return undefined;
  const machine: Machine = (operation, before) => {
    const taken = HONEST(operation, before);
    return operation === write ? { ...taken, state: before.at(-1) ?? EMPTY } : taken;
  };
  return { planned, machine };
}

/** A write is applied twice, and its client told of the first time. */
function doubleApply(rng: Prng, planned: readonly Planned[]): Planted | undefined {
  const write = pickObserved(rng, planned);
  if (write === undefined) return undefined;
  const machine: Machine = (operation, before) => {
    const taken = HONEST(operation, before);
    return operation === write ? { ...taken, state: run(taken.state, write.command).state } : taken;
  };
  return { planned, machine };
}

/** A read is shown a value that nobody wrote. */
function phantomValue(rng: Prng, planned: readonly Planned[]): Planted | undefined {
  const reads = planned.filter(({ command }) => command.type === 'get');
  if (reads.length === 0) return undefined;
  const read = rng.pick(reads);
  const machine: Machine = (operation, before) => {
    const { state, result } = HONEST(operation, before);
    return { state, result: operation === read ? { ...result, value: 'nobody wrote this' } : result };
  };
  return { planned, machine };
}

/** Two writes of one client to one key, one after the other, are applied the other way round. */
function sessionReorder(rng: Prng, planned: readonly Planned[]): Planted | undefined {
  const writes = planned.filter(surelyWrites);
  const pairs = writes.flatMap((first) =>
    writes
      .filter(({ client, key, call }) => client === first.client && key === first.key && call > first.end)
      .map((second) => ({ first, second })),
  );
  if (pairs.length === 0) return undefined;
  const { first, second } = rng.pick(pairs);
  const point = { [first.id]: second.point, [second.id]: first.point };
  return { planned: planned.map((one) => ({ ...one, point: point[one.id] ?? one.point })), machine: HONEST };
}

/** A write that something on its key came after. */
function pickObserved(rng: Prng, planned: readonly Planned[]): Planned | undefined {
  const observed = planned.filter(
    (write) => surelyWrites(write) && planned.some(({ key, call }) => key === write.key && call > write.end),
  );
  return observed.length === 0 ? undefined : rng.pick(observed);
}

/** It raises the version whatever the state is. */
function surelyWrites({ command }: Planned): boolean {
  return command.type === 'put' || command.type === 'append';
}
