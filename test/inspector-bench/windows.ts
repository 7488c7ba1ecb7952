/**
 * How soon a window of a long log opens: in a new language server, and in one that has opened others.
 *
 * MUST: open every window once only, at the start, in the middle and at the end of the log.
 */

import { WINDOW_ENTRIES } from '../../extension/aggregator/documents/uris.ts';
import type { Workplace } from '../bench/processes.ts';
import { median } from '../bench/watched.ts';
import { type Figure, INSPECTOR_LIMITS, milliseconds } from './figures.ts';
import { CLUSTER, type FilledCluster } from './filled-cluster.ts';
import { LspReader, type WindowTimes } from './lsp-reader.ts';

/** Shares of the log. The last whole window is the end. */
const PLACES = [0, 0.5, 1] as const;
/** Windows opened before a process counts as warm; none of them is measured. */
const WARMING = [0.1, 0.2, 0.3, 0.7, 0.8, 0.9] as const;

export async function measureWindows(place: Workplace, cluster: FilledCluster): Promise<Figure[]> {
  const { nodes, entries } = cluster;
  const opens = (reader: LspReader, node: string, share: number): Promise<WindowTimes> =>
    reader.open(CLUSTER, node, Math.max(1, Math.floor((entries - WINDOW_ENTRIES) * share)));
  const first: WindowTimes[] = [];
  // Each on another node: it is the first window that its sidecar is asked for, too.
  for (const [at, share] of PLACES.entries()) {
    const reader = await LspReader.start(place, CLUSTER, nodes.length);
    first.push(await opens(reader, nodes[at % nodes.length] ?? '', share));
    await reader.stop();
  }
  const warm: WindowTimes[] = [];
  const reader = await LspReader.start(place, CLUSTER, nodes.length);
  for (const share of WARMING) await opens(reader, nodes[0] ?? '', share);
  for (const share of PLACES) warm.push(await opens(reader, nodes[0] ?? '', share));
  await reader.stop();
  const log = `window of ${WINDOW_ENTRIES.toLocaleString('en-US')} of ${entries.toLocaleString('en-US')} entries`;
  return [
    figure(`${log}, the first of a new process, worst`, first),
    figure(`${log}, in a warm process, worst`, warm),
    ...(['folding', 'symbols', 'hints'] as const).map((what) => ({
      name: `  its first ${what}, worst`,
      measured: Math.max(...[...first, ...warm].map((times) => times[what])),
      unit: 'ms' as const,
      limit: undefined,
      detail: '',
    })),
  ];
}

function figure(name: string, all: readonly WindowTimes[]): Figure {
  const times = all.map(({ text }) => text);
  const detail = `start, middle, end of the log: ${milliseconds(times)} ms (median ${median(times).toFixed(1)})`;
  return { name, measured: Math.max(...times), unit: 'ms', limit: INSPECTOR_LIMITS.windowMs, detail };
}
