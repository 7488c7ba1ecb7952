/**
 * Whether a copy did with its log what it should have done.
 *
 * The key-value app is held against the model: its results, and its state where it shows it (`GET /_dump`). Of any other
 * app only copies can be compared: with one that was given the same log undisturbed.
 */
import type { AppBench } from './bench.ts';
import { excerpt } from './bench.ts';
import { Failed } from './contract.ts';
import { KvModel } from './kv.ts';
import type { Instance } from './play/instance.ts';

/** Its results so far, and its state now, are what they should be. Everything it was given is acknowledged. */
export async function judgeOutcome(bench: AppBench, instance: Instance): Promise<void> {
  const through = instance.ledger?.acknowledged ?? 0;
  if (bench.kv) {
    judgeKvResults(instance);
    if (bench.facts.http) await judgeKvState(bench, instance, through);
    return;
  }
  const other = await bench.joined(instance.log);
  await other.delivers(through);
  await sameOutcome(bench, other, instance, through);
  await sameSnapshots(bench, other, instance, through);
}

/** Every result that it gave, also those it gave again, says what the model says. */
export function judgeKvResults(instance: Instance): void {
  const model = new KvModel();
  const expected = new Map(instance.log.commands.map(({ index, bytes }) => [index, model.apply(bytes)]));
  for (const { index, result } of instance.answers) {
    const existed = expected.get(index);
    if (existed === undefined || result === undefined) continue;
    if (existedIn(result) === existed) continue;
    const command = instance.log.commands.find((one) => one.index === index)?.bytes ?? Buffer.of();
    throw new Failed(
      `the result of entry ${index}, ${excerpt(command)}, should say existed ${existed}, and it is ${excerpt(result)}`,
    );
  }
}

function existedIn(result: Buffer): unknown {
  try {
    return (JSON.parse(result.toString()) as { existed?: unknown } | null)?.existed;
  } catch {
    return undefined;
  }
}

/** The state after `through`, as the model has it. */
export function kvStateAt(instance: Instance, through: number): Map<string, string> {
  const model = new KvModel();
  for (const { bytes } of instance.log.between(0, through)) model.apply(bytes);
  return model.state;
}

export interface KvDump {
  readonly text: string;
  readonly appliedIndex: number;
  readonly state: ReadonlyMap<string, string>;
}

/** `GET /_dump`: {"appliedIndex", "state"}. */
export async function kvDump(bench: AppBench, instance: Instance): Promise<KvDump> {
  const http = await instance.until(
    () => 'it did not print that it is listening on http://127.0.0.1:PORT',
    () => instance.http,
  );
  const text = await get(`${http}/_dump`, bench.options.waitMs);
  try {
    const { appliedIndex, state } = JSON.parse(text) as { appliedIndex: unknown; state: object };
    return { text, appliedIndex: Number(appliedIndex), state: new Map(Object.entries(state)) };
  } catch {
    throw new Failed(
      `GET /_dump is no JSON object with appliedIndex and state: ${excerpt(Buffer.from(text))}`,
    );
  }
}

async function get(url: string, waitMs: number): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(waitMs) });
    if (!response.ok) throw new Failed(`GET /_dump was answered with ${response.status}`);
    return await response.text();
  } catch (error) {
    if (error instanceof Failed || !(error instanceof Error)) throw error;
    throw new Failed(`GET /_dump failed: ${error.message}`);
  }
}

export async function judgeKvState(bench: AppBench, instance: Instance, through: number): Promise<void> {
  const dump = await kvDump(bench, instance);
  const difference = kvDifference(dump.state, kvStateAt(instance, through));
  if (difference !== undefined) throw new Failed(`after entry ${through} its state is wrong: ${difference}`);
  if (dump.appliedIndex !== through) {
    throw new Failed(`it acknowledged ${through}, and GET /_dump says appliedIndex ${dump.appliedIndex}`);
  }
}

/** What is wrong with `has`, for a sentence. */
export function kvDifference(
  has: ReadonlyMap<string, string>,
  should: ReadonlyMap<string, string>,
): string | undefined {
  const show = (text: string): string => excerpt(Buffer.from(text));
  for (const [key, value] of should) {
    const its = has.get(key);
    if (its === undefined) return `it lacks the key ${show(key)}`;
    if (its !== value) return `the key ${show(key)} has the value ${show(its)}, and not ${show(value)}`;
  }
  for (const key of has.keys())
    if (!should.has(key)) return `it has the key ${show(key)}, which it should not`;
  return undefined;
}

/** Two copies that were given the same log, however, are the same. */
export async function sameOutcome(
  bench: AppBench,
  one: Instance,
  other: Instance,
  through: number,
): Promise<void> {
  const results = new Map(one.answers.map(({ index, result }) => [index, result]));
  for (const { index, result } of other.answers) {
    const first = results.get(index);
    if (first === undefined || result === undefined) continue;
    bench.equal(`two copies have other results of entry ${index}`, first, result);
  }
  const sums = new Map(one.sums.map(({ index, hash }) => [index, hash]));
  for (const { index, hash } of other.sums) {
    const first = sums.get(index);
    if (first !== undefined && !first.equals(hash)) {
      throw new Failed(`two copies have another stateHash as of entry ${index}`);
    }
  }
  if (bench.kv && bench.facts.http) {
    const [left, right] = await Promise.all([kvDump(bench, one), kvDump(bench, other)]);
    const difference = kvDifference(left.state, right.state);
    if (difference !== undefined)
      throw new Failed(`two copies have other states after entry ${through}: ${difference}`);
  }
}

/** Their snapshots as of `through` are the same bytes, where they give any. All through it, and nothing else, was delivered. */
export async function sameSnapshots(
  bench: AppBench,
  one: Instance,
  other: Instance,
  through: number,
): Promise<void> {
  if (bench.facts.snapshots === 'NONE') return;
  const [left, right] = await Promise.all([one, other].map((copy) => bench.snapshotOf(copy, through)));
  if (left === undefined || right === undefined) return;
  bench.equal(`two copies have other snapshots as of entry ${through}`, left.data, right.data);
}
