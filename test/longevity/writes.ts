/**
 * Many writes to few keys: what each node needs of disk and memory meanwhile, how soon all are back after a kill -9 of
 * everything, and what nodes cost that join under load.
 */
import { percentile } from '../bench/measure.ts';
import { KEY_BYTES } from '../bench/protocol.ts';
import { type LongCluster, latencies, type NodeSample } from './cluster.ts';
import { joins } from './joining.ts';
import { type Bounds, boundsOf } from './limits.ts';
import { atMost, type Figure, holds, mb, perSecond, told } from './report.ts';

export interface WritesOptions {
  readonly writes: number;
  readonly keys: number;
  readonly clients: number;
  readonly valueBytes: number;
  readonly snapshotBytes: number;
  readonly rssBytes: number;
  readonly windowMs: number;
  readonly joins: number;
  readonly progress: (line: string) => void;
}

const SAMPLE_MS = 1_000;
const READY_LIMIT_MS = 5_000;
/** A heap settles slowly: so much more is none that grows without end. */
const CREEP_BYTES = 48e6;

export async function manyWrites(cluster: LongCluster, options: WritesOptions): Promise<Figure[]> {
  await cluster.start(3);
  const figures = await fill(cluster, options);
  figures.push(...(await restart(cluster)));
  figures.push(...(await joins(cluster, options)));
  return figures;
}

async function fill(cluster: LongCluster, options: WritesOptions): Promise<Figure[]> {
  const { writes, keys, clients, valueBytes, progress } = options;
  const bounds = boundsOf({ ...options, stateBytes: keys * (KEY_BYTES + 4 + valueBytes) });
  const worst = new Worst();
  const { result } = cluster.load({ clients, keys, valueBytes, measureMs: 0, operations: writes });
  const took = { done: false };
  const ended = result.finally(() => {
    took.done = true;
  });
  ended.catch(() => undefined);
  while (!took.done) {
    const all = await Promise.race([
      cluster.place.broken,
      Promise.all(cluster.nodes.map((node) => cluster.sample(node))),
    ]);
    for (const sample of all) worst.see(sample);
    progress(all.map(sampleText).join('  |  '));
    await Promise.race([ended.catch(() => undefined), new Promise((done) => setTimeout(done, SAMPLE_MS))]);
  }
  const { completed, seconds, errors } = await ended;
  const sorted = latencies(cluster.place);
  const ms = (q: number): string => `${(percentile(sorted, q) / 1_000).toFixed(1)} ms`;
  return [
    told(
      `${completed.toLocaleString('en-US')} writes to ${keys} keys, ${clients} clients`,
      perSecond(completed / seconds),
    ),
    told('latency p50, p99, max', `${ms(0.5)}, ${ms(0.99)}, ${ms(1)}`),
    holds(
      'every write was acknowledged',
      completed === writes && Object.keys(errors).length === 0,
      JSON.stringify(errors),
    ),
    told('bytes of all records', mb(completed * (valueBytes + KEY_BYTES))),
    ...worst.figures(bounds),
  ];
}

function sampleText(sample: NodeSample): string {
  const { id, rssBytes, heap, logFileBytes, snapshotFileBytes, status, loopLagMs } = sample;
  const disk = `log ${mb(logFileBytes)}, snapshots ${mb(snapshotFileBytes)}`;
  return `${id} ${status.role[0]} ${status.firstIndex}-${status.lastIndex}, ${mb(rssBytes)} (heap ${mb(heap.used)} of ${mb(heap.bytes)}, ${mb(heap.external)} outside), ${disk}, ${loopLagMs.toFixed(0)} ms`;
}

/** The most that was seen of each, by node. */
class Worst {
  readonly #seen = new Map<string, { rss: number; log: number; snapshots: number; lag: number }>();
  /** By node: every look at its memory, beside how far it was. */
  readonly #memory = new Map<string, { index: number; rss: number }[]>();
  readonly #terms = new Set<number>();

  see({ id, rssBytes, logFileBytes, snapshotFileBytes, status, loopLagMs }: NodeSample): void {
    const seen = this.#seen.get(id) ?? { rss: 0, log: 0, snapshots: 0, lag: 0 };
    this.#seen.set(id, {
      rss: Math.max(seen.rss, rssBytes),
      log: Math.max(seen.log, logFileBytes),
      snapshots: Math.max(seen.snapshots, snapshotFileBytes),
      lag: Math.max(seen.lag, loopLagMs),
    });
    const memory = this.#memory.get(id) ?? [];
    memory.push({ index: status.lastIndex, rss: rssBytes });
    this.#memory.set(id, memory);
    this.#terms.add(status.term);
  }

  /** What the second half of the writes took beyond the first, at their peaks. Small where memory is bounded, not merely slow. */
  #creep(id: string): number {
    const memory = this.#memory.get(id) ?? [];
    const half = (memory.at(-1)?.index ?? 0) / 2;
    const peak = (late: boolean): number =>
      Math.max(...memory.filter(({ index }) => index > half === late).map(({ rss }) => rss));
    return peak(true) - peak(false);
  }

  figures({ logFileBytes, snapshotFileBytes, rssBytes }: Bounds): Figure[] {
    const figures = [...this.#seen].flatMap(([id, { rss, log, snapshots, lag }]) => [
      atMost(`${id}: log on the disk, peak`, log, logFileBytes, mb),
      atMost(`${id}: snapshots on the disk, peak`, snapshots, snapshotFileBytes, mb),
      atMost(`${id}: resident memory, peak`, rss, rssBytes, mb),
      atMost(
        `${id}: the same, of the second half of the writes beyond the first`,
        this.#creep(id),
        CREEP_BYTES,
        mb,
      ),
      told(`${id}: event loop late, worst`, `${lag.toFixed(0)} ms`),
    ]);
    return [...figures, told('terms while it was written', String(this.#terms.size))];
  }
}

async function restart(cluster: LongCluster): Promise<Figure[]> {
  const last = Math.max(
    ...(await Promise.all(cluster.nodes.map((node) => cluster.status(node)))).map(
      ({ commitIndex }) => commitIndex,
    ),
  );
  await cluster.killAll();
  const from = performance.now();
  for (const node of cluster.nodes) cluster.startNode(node);
  await cluster.ready(cluster.nodes);
  const ms = performance.now() - from;
  const states = await Promise.all(cluster.nodes.map((node) => cluster.stateOf(node, last)));
  return [
    atMost(
      'kill -9 of everything, until all nodes are ready',
      ms,
      READY_LIMIT_MS,
      (value) => `${(value / 1_000).toFixed(2)} s`,
    ),
    holds('all apps have the same state', new Set(states).size === 1),
  ];
}
