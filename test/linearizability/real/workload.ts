/**
 * Clients that work on keys, each with one thing under way at a time.
 *
 * MUST: stay within what a checker can judge: few clients a key, few operations a key.
 * MUST: leave each client at its node, also while that node is cut off: what it is told there is what matters.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Prng } from '../../simulation/prng.ts';
import type { Command, Outcome } from '../history.ts';
import type { RecordedClient, Recorder } from '../recorder.ts';
import { KvClient, type Reading } from './kv-client.ts';
import type { KvCluster, Member } from './kv-cluster.ts';

export const KEYS = 20;
export const CLIENTS = 24;
export const CLIENTS_PER_KEY = 8;
export const OPERATIONS_PER_KEY = 500;

/** Between two operations of one client: up to this, at random. */
const PAUSE_MS = 10;
/** While a key is hot, its clients choose it this often. Each key is hot once in a history. */
const HOT = 0.8;
/** After a refusal, and between two attempts to connect. */
const BACKOFF_MS = 20;

export interface Work {
  readonly cluster: KvCluster;
  readonly recorder: Recorder;
  readonly reading: Reading;
  /** Begins every key: those of two histories differ. */
  readonly prefix: string;
  readonly randomFor: (client: number) => Prng;
  /** How much of the time has gone by, from 0; it is over at 1. */
  readonly elapsed: () => number;
}

export function keysOf(prefix: string): string[] {
  return Array.from({ length: KEYS }, (_, at) => `${prefix}-k${at}`);
}

/** Who works on a key: clients in a row, so that every node is among theirs. */
function worksOn(client: number, key: number): boolean {
  return (client - key * CLIENTS_PER_KEY + KEYS * CLIENTS) % CLIENTS < CLIENTS_PER_KEY;
}

/** Runs all clients until the time is over, or one of them throws. */
export async function work(job: Work): Promise<void> {
  const counts = new Map<string, number>();
  let failed = false;
  const runs = Array.from({ length: CLIENTS }, async (_, at) => {
    try {
      await new Worker(job, at, counts).run(() => failed || job.elapsed() >= 1);
    } catch (error) {
      failed = true;
      throw error;
    }
  });
  for (const result of await Promise.allSettled(runs)) if (result.status === 'rejected') throw result.reason;
}

class Worker {
  readonly #job: Work;
  readonly #at: number;
  readonly #member: Member;
  readonly #recorded: RecordedClient;
  readonly #random: Prng;
  readonly #keys: readonly { readonly name: string; readonly kind: number }[];
  /** Operations called on each key so far, by all clients. */
  readonly #counts: Map<string, number>;
  /** The newest version seen of each key: what a compare-and-set is tried against. */
  readonly #versions = new Map<string, number>();
  #client: KvClient | undefined;

  constructor(job: Work, at: number, counts: Map<string, number>) {
    const { members } = job.cluster;
    this.#job = job;
    this.#at = at;
    this.#member = members[at % members.length] as Member;
    this.#recorded = job.recorder.client();
    this.#random = job.randomFor(at);
    this.#keys = keysOf(job.prefix)
      .map((name, kind) => ({ name, kind }))
      .filter(({ kind }) => worksOn(at, kind));
    this.#counts = counts;
  }

  async run(over: () => boolean): Promise<void> {
    try {
      while (!over()) await this.#step();
    } finally {
      this.#client?.close();
    }
  }

  async #step(): Promise<void> {
    const open = this.#keys.filter(({ name }) => (this.#counts.get(name) ?? 0) < OPERATIONS_PER_KEY);
    if (this.#client?.closed) this.#client = undefined;
    const codec = this.#at % 2 === 0 ? 'json' : 'protobuf';
    this.#client ??= await KvClient.open(this.#member, codec, this.#job.reading);
    const client = this.#client;
    if (client === undefined || open.length === 0) {
      await sleep(BACKOFF_MS);
      return;
    }
    await sleep(this.#random.between(0, PAUSE_MS));
    const hot = open.find(({ kind }) => kind === Math.floor(this.#job.elapsed() * KEYS));
    const { name: key, kind } = hot && this.#random.chance(HOT) ? hot : this.#random.pick(open);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    const outcome = await this.#recorded.perform(
      key,
      (id) => this.#command(key, kind, id),
      (operation) => client.perform({ key, ...operation }),
    );
    await this.#learn(key, outcome);
  }

  async #learn(key: string, outcome: Outcome): Promise<void> {
    if (outcome.kind === 'failed') await sleep(BACKOFF_MS);
    if (outcome.kind === 'ok' && outcome.seen.version !== undefined) {
      this.#versions.set(key, outcome.seen.version);
    }
  }

  /** Registers, lists and counters: each shows other anomalies. No value is a part of another one. */
  #command(key: string, kind: number, id: string): Command {
    const luck = this.#random.float();
    const value = `${id};`;
    if (luck < 0.45) return { type: 'get' };
    if (kind % 4 === 2) return { type: 'append', value };
    if (kind % 4 === 3) return { type: 'add', delta: 1 };
    if (luck < 0.75) return { type: 'put', value };
    if (luck < 0.95) return { type: 'cas', version: this.#versions.get(key) ?? 0, value };
    return { type: 'delete' };
  }
}
