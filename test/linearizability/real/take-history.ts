/**
 * One history of a real cluster, from an empty start to the verdict.
 *
 * MUST: begin with keys that are proven to be empty; go on reading after everything was healed, at every node; settle
 * unknown outcomes only by the log of a cluster that was stopped as a whole; judge the history without that log as well.
 */
import { strict as assert } from 'node:assert';
import type { Consistency } from '../../../shared/app-frames.ts';
import { Prng } from '../../simulation/prng.ts';
import { check, type Judgement } from '../check.ts';
import { explain } from '../explain.ts';
import type { Operation } from '../history.ts';
import { type RecordedClient, Recorder } from '../recorder.ts';
import { type LogEntry, type Resolved, resolve } from '../resolve.ts';
import { type Fault, inflict, type PlannedFault } from './faults.ts';
import { type Claim, KvClient, type Reading } from './kv-client.ts';
import type { KvCluster, Member } from './kv-cluster.ts';
import { keysOf, type Work, work } from './workload.ts';

export interface Taken {
  readonly history: readonly Operation[];
  /** The committed commands of this history. */
  readonly log: readonly LogEntry[];
  readonly faults: readonly Fault[];
  /** Elections while the clients worked. */
  readonly elections: number;
  readonly resolved: Resolved;
  readonly withoutLog: Judgement;
  readonly withLog: Judgement;
  /** Judging it with the log, and without. */
  readonly checkMs: { readonly withLog: number; readonly withoutLog: number };
  /** What is wrong, as text; none when nothing is. An UNDECIDED check is wrong too. */
  readonly problems: readonly string[];
}

export interface Recipe {
  readonly cluster: KvCluster;
  /** Names the history: keys and ids begin with it. Never used twice on one cluster. */
  readonly name: string;
  readonly seed: number;
  readonly durationMs: number;
  readonly faults: readonly PlannedFault[];
  readonly consistency?: Consistency;
}

/** Streams of luck of one history. */
const FAULT_STREAM = 1_000;

/** Tries for a read while nothing ails the cluster. */
const READ_TRIES = 5;

export async function takeHistory(recipe: Recipe): Promise<Taken> {
  const { cluster, name, consistency = 'LINEARIZABLE' } = recipe;
  const recorder = new Recorder(name);
  const claims: Claim[] = [];
  const everywhere = { cluster, recorder, name, reading: { consistency: 'LINEARIZABLE', claims } } as const;
  const spread = (place: number): readonly Member[] => [
    cluster.members[place % cluster.members.length] as Member,
  ];
  const after = await cluster.commitIndex();
  await readAll(everywhere, spread);
  assertEmpty(recorder.operations);

  const term = await cluster.term();
  const faults = await workUnderFaults(recipe, recorder, { consistency, claims });
  await cluster.settled();
  const elections = (await cluster.term()) - term;
  await readAll(everywhere, spread);
  await cluster.restart();
  await readAll(everywhere, () => cluster.members);

  const log = await cluster.log(after);
  const { operations } = recorder;
  return { history: operations, log, faults, elections, ...judge(operations, log, claims) };
}

async function workUnderFaults(
  { cluster, name, seed, durationMs, faults }: Recipe,
  recorder: Recorder,
  reading: Reading,
): Promise<readonly Fault[]> {
  const began = performance.now();
  const job: Work = {
    cluster,
    recorder,
    reading,
    prefix: name,
    randomFor: (at) => new Prng(seed, at),
    elapsed: () => (performance.now() - began) / durationMs,
  };
  const [worked, struck] = await Promise.allSettled([
    work(job),
    inflict(cluster, faults, new Prng(seed, FAULT_STREAM)),
  ]);
  if (worked.status === 'rejected') throw worked.reason;
  if (struck.status === 'rejected') throw struck.reason;
  return struck.value;
}

type Verdicts = Pick<Taken, 'resolved' | 'withoutLog' | 'withLog' | 'checkMs' | 'problems'>;

/** Judges a history as it is, and as the log settles it. */
export function judge(
  history: readonly Operation[],
  log: readonly LogEntry[],
  claims: readonly Claim[] = [],
): Verdicts {
  const resolved = resolve(history, log);
  const began = performance.now();
  const withLog = check(resolved.history);
  const between = performance.now();
  const withoutLog = check(history);
  const checkMs = { withLog: between - began, withoutLog: performance.now() - between };
  const problems = [...resolved.contradictions, ...brokenClaims(log, claims)];
  if (withLog.verdict !== 'LEGAL') problems.push(explain(withLog));
  // The log may have lost the evidence. What is undecided for want of it is not wrong.
  if (withoutLog.verdict === 'ILLEGAL' && withLog.verdict !== 'ILLEGAL') problems.push(explain(withoutLog));
  return { resolved, withoutLog, withLog, checkMs, problems };
}

/** Entries that are no commands count as applied without the app; a command does not. */
function brokenClaims(log: readonly LogEntry[], claims: readonly Claim[]): string[] {
  return claims
    .filter(({ index, applied }) => log.some((entry) => entry.index > applied && entry.index <= index))
    .map(
      ({ node, index, applied }) => `${node} said that ${index} is applied, and its app was at ${applied}`,
    );
}

/** Every key was read, and none has ever been written. */
function assertEmpty(history: readonly Operation[]): void {
  for (const { key, outcome } of history) {
    assert.deepEqual(
      outcome,
      { kind: 'ok', seen: { version: 0, value: null } },
      `${key} is not empty at the start`,
    );
  }
}

interface Readers {
  readonly cluster: KvCluster;
  readonly recorder: Recorder;
  readonly name: string;
  readonly reading: Reading;
}

/** Reads each key at the nodes that `at` names for its place; at each node there is one reader. */
async function readAll(readers: Readers, at: (place: number) => readonly Member[]): Promise<void> {
  const { cluster, recorder, name, reading } = readers;
  const readAt = async (member: Member): Promise<void> => {
    const recorded = recorder.client();
    const client = await KvClient.open(member, 'json', reading);
    assert.ok(client, `${member.id} welcomes nobody`);
    for (const [place, key] of keysOf(name).entries()) {
      if (at(place).includes(member)) await readOne(recorded, client, key, member);
    }
    client.close();
  };
  await Promise.all(cluster.members.map(readAt));
}

/** Each try is an operation of its own: a busy machine may hold an election that nobody asked for. */
async function readOne(
  recorded: RecordedClient,
  client: KvClient,
  key: string,
  member: Member,
): Promise<void> {
  for (let attempt = 0; attempt < READ_TRIES; attempt++) {
    const { kind } = await recorded.perform(
      key,
      () => ({ type: 'get' }),
      (operation) => client.perform({ key, ...operation }),
    );
    if (kind === 'ok') return;
  }
  assert.fail(`${member.id} does not answer although nothing ails it`);
}
