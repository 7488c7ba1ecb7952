/**
 * What does being watched cost a cluster? The same cluster under the same load, with and without an editor's aggregator
 * attached, in turns.
 *
 * MUST: compare neighbours in time only (pairs, in the order off-on, on-off, …), since a machine drifts by more than the
 * cost between minutes; count the watcher's own CPU as cost, since it runs on the same machine.
 */
import { LspWatcher, type Seen } from './lsp-watcher.ts';
import { measure, type Shape } from './measure.ts';
import type { OutriggerSystem } from './outrigger-system.ts';
import { BenchError, cpuMicros, type Workplace } from './processes.ts';

/** DESIGN §2, promise 9: watching costs less than this share of the throughput. */
export const WATCHING_COST_MAX = 0.02;

/** A new process compiles and connects in its first seconds, which is not what watching costs. */
const WATCHER_SETTLES_MS = 4_000;

export interface WatchedFigures {
  readonly clients: number;
  /** Operations per second, the median of the turns. */
  readonly alone: number;
  readonly watched: number;
  /** The cost of each pair, in the order measured: 1 - watched / alone. Below 0: faster while watched, which is noise. */
  readonly costs: readonly number[];
  readonly medianCost: number;
  readonly seen: Seen;
  /** CPU of the watching process, as a share of one core. */
  readonly watcherCpu: number;
  readonly met: boolean;
}

export async function watched(
  place: Workplace,
  cluster: OutriggerSystem,
  shape: Shape,
  pairs: number,
  nodes: number,
  bin: string,
): Promise<WatchedFigures> {
  const alone: number[] = [];
  const seeing: number[] = [];
  const seen: Seen = { states: 0, events: 0, panelMessages: 0 };
  const cpu: number[] = [];
  const turn = async (watching: boolean): Promise<void> => {
    const watcher = watching ? await LspWatcher.start(place, bin, 'bench', nodes) : undefined;
    // Both kinds of turn wait, so that both measure a cluster that has rested equally long.
    await new Promise((resolve) => setTimeout(resolve, WATCHER_SETTLES_MS));
    const began = performance.now();
    const before = watcher === undefined ? 0 : (cpuMicros(watcher.child.pid) ?? 0);
    const cell = await measure(place, cluster, shape);
    if (watcher !== undefined) {
      const used = (cpuMicros(watcher.child.pid) ?? 0) - before;
      cpu.push(used / 1_000 / (performance.now() - began));
    }
    if (Object.keys(cell.errors).length > 0)
      throw new BenchError(`operations failed: ${JSON.stringify(cell.errors)}`);
    (watching ? seeing : alone).push(cell.throughput);
    if (watcher === undefined) return;
    await watcher.stop();
    for (const key of ['states', 'events', 'panelMessages'] as const) seen[key] += watcher.seen[key];
  };
  for (let pair = 0; pair < pairs; pair++) {
    console.error(`bench: ${shape.clients} clients, alone and watched, pair ${pair + 1} of ${pairs}`);
    await turn(pair % 2 === 1);
    await turn(pair % 2 === 0);
  }
  if (Object.values(seen).some((count) => count === 0))
    throw new BenchError(`the watcher did not see everything: ${JSON.stringify(seen)}`);
  const costs = alone.map((one, i) => 1 - (seeing[i] ?? Number.NaN) / one);
  const medianCost = median(costs);
  return {
    clients: shape.clients,
    alone: median(alone),
    watched: median(seeing),
    costs,
    medianCost,
    seen,
    watcherCpu: median(cpu),
    met: medianCost < WATCHING_COST_MAX,
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

export function watchedText(figures: WatchedFigures): string {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  const { states, events, panelMessages } = figures.seen;
  return [
    `${figures.clients} clients: ${Math.round(figures.alone).toLocaleString('en-US')}/s alone, ${Math.round(figures.watched).toLocaleString('en-US')}/s while an editor watches everything`,
    `  it got ${states} states, ${events} events, ${panelMessages} panel messages, and used ${percent(figures.watcherCpu)} of one core`,
    `  cost, median of ${figures.costs.length} pairs: ${percent(figures.medianCost)} (limit ${percent(WATCHING_COST_MAX)}; the pairs: ${figures.costs.map(percent).join(', ')})`,
    `  ${figures.met ? 'met' : 'MISSED'}`,
  ].join('\n');
}
