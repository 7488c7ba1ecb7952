/**
 * One cell of the table: one system, one number of clients.
 *
 * MUST: compute the percentiles of all systems by the same code, and CPU time over the same window.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { BenchError, type Child, cpuMicros, tail, type Workplace } from './processes.ts';
import { KEYS, type LoadLine, type LoadResult } from './protocol.ts';
import type { System } from './system.ts';

export interface Cell {
  readonly system: string;
  readonly clients: number;
  /** Operations per second. */
  readonly throughput: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Microseconds of CPU per operation, by kind of process; empty where there is no /proc. */
  readonly cpu: Readonly<Record<string, number>>;
}

export interface Shape {
  readonly clients: number;
  readonly valueBytes: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Above 0: so many operations instead of a time. */
  readonly operations: number;
}

/** Offers the load to `system` and says what came of it. */
export async function measure(place: Workplace, system: System, shape: Shape): Promise<Cell> {
  const samplesFile = join(place.dir, 'samples');
  const { command, args } = system.load({ ...shape, keys: KEYS, samplesFile });
  const generator = place.start('load', command, args, { pipe: true });
  generator.expectedToEnd = true;
  const groups = await system.processes();
  groups.set('load', [generator]);
  const usage = new CpuUsage(groups);
  const result = await Promise.race([place.broken, follow(generator, usage)]);
  await generator.ended;
  const micros = readSamples(samplesFile);
  rmSync(samplesFile);
  if (micros.length === 0)
    throw new BenchError(`${system.name}: no operation ended well: ${JSON.stringify(result.errors)}`);
  return {
    system: system.name,
    clients: shape.clients,
    throughput: result.completed / result.seconds,
    p50: percentile(micros, 0.5) / 1000,
    p99: percentile(micros, 0.99) / 1000,
    max: (micros.at(-1) ?? 0) / 1000,
    errors: result.errors,
    cpu: usage.perOperation(result.completed),
  };
}

/** Reads what the generator says until its result. */
async function follow(generator: Child, usage: CpuUsage): Promise<LoadResult> {
  if (generator.process.stdout === null) throw new BenchError('the load generator has no stdout');
  for await (const text of createInterface({ input: generator.process.stdout })) {
    const line = JSON.parse(text) as LoadLine;
    if (line.type === 'measuring') usage.begin();
    else if (line.type === 'measured') usage.end();
    else return line;
  }
  throw new BenchError(`the load generator ended without a result:\n${tail(generator.logFile)}`);
}

/** CPU time of groups of processes over the measured window. */
class CpuUsage {
  readonly #groups: Map<string, Child[]>;
  #before = new Map<string, number>();
  #used: Record<string, number> = {};

  constructor(groups: Map<string, Child[]>) {
    this.#groups = groups;
  }

  begin(): void {
    this.#before = this.#read();
  }

  end(): void {
    for (const [group, micros] of this.#read()) this.#used[group] = micros - (this.#before.get(group) ?? 0);
  }

  perOperation(operations: number): Record<string, number> {
    return Object.fromEntries(
      Object.entries(this.#used).map(([group, micros]) => [group, micros / operations]),
    );
  }

  #read(): Map<string, number> {
    const sums = new Map<string, number>();
    for (const [group, children] of this.#groups) {
      for (const child of children) {
        const micros = cpuMicros(child.pid);
        if (micros !== undefined) sums.set(group, (sums.get(group) ?? 0) + micros);
      }
    }
    return sums;
  }
}

function readSamples(file: string): Float64Array {
  const bytes = readFileSync(file);
  const samples = new Float64Array(bytes.length / 8);
  Buffer.from(samples.buffer).set(bytes);
  return samples.sort();
}

/** Nearest rank: the smallest sample that at least the share `q` of all samples does not exceed. */
export function percentile(sorted: Float64Array, q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}
