/**
 * Restart with a long log: how soon does the cluster serve again, and how much memory does it take?
 *
 * The log is written through a real cluster; then all sidecars are killed at once (SIGKILL) and started
 * together, the hardest way to come back, while the apps keep their state and dial again.
 * Serving means: at every node a LINEARIZABLE read and a new proposal have been answered.
 */
import { connect } from 'node:net';
import { appFrame, FrameReader, PREAMBLE } from './frames.ts';
import { type Cell, measure } from './measure.ts';
import type { OutriggerSystem } from './outrigger-system.ts';
import { BenchError, residentBytes, type Workplace } from './processes.ts';

export const RESTART_MS = 5_000;
export const RESTART_BYTES = 300_000_000;
const GIVE_UP_MS = 120_000;
const REDIAL_MS = 10;
const FILL_CLIENTS = 512;

export interface RestartFigures {
  readonly entries: number;
  readonly fill: Cell;
  /** From the start of the processes until the last node served. */
  readonly servingMs: number;
  /** The largest of the sidecars, in bytes: when it served, and its highest mark so far. */
  readonly residentBytes: number;
  readonly peakBytes: number;
  readonly met: boolean;
}

/** Fills, kills, restarts, measures. The cluster must have been started. */
export async function restart(
  place: Workplace,
  cluster: OutriggerSystem,
  entries: number,
  valueBytes: number,
): Promise<RestartFigures> {
  const shape = { clients: FILL_CLIENTS, valueBytes, warmupMs: 0, measureMs: 0, operations: entries };
  const fill = await measure(place, cluster, shape);
  await cluster.stopSidecars('SIGKILL');
  const from = performance.now();
  cluster.startSidecars();
  const serving = Promise.all(cluster.sockets.map((socket) => serves(socket, from + GIVE_UP_MS)));
  await Promise.race([place.broken, serving]);
  const servingMs = performance.now() - from;
  const memory = cluster.sidecars.map((child) => residentBytes(child.pid));
  const resident = Math.max(...memory.map((one) => one.now));
  const peak = Math.max(...memory.map((one) => one.peak));
  const met = servingMs < RESTART_MS && peak < RESTART_BYTES;
  return { entries, fill, servingMs, residentBytes: resident, peakBytes: peak, met };
}

export function restartText(figures: RestartFigures): string {
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  return [
    `restart with ${figures.entries.toLocaleString('en-US')} entries in the log (written at ${Math.round(figures.fill.throughput).toLocaleString('en-US')}/s), all sidecars killed and started at once:`,
    `  serving at every node after ${(figures.servingMs / 1000).toFixed(2)} s (limit ${RESTART_MS / 1000} s)`,
    `  resident memory of the largest sidecar: ${mb(figures.residentBytes)}, peak ${mb(figures.peakBytes)} (limit ${mb(RESTART_BYTES)})`,
    `  ${figures.met ? 'met' : 'MISSED'}`,
  ].join('\n');
}

/** Resolves when a read and a proposal were answered over `socket`; dials and asks again until then. */
async function serves(socket: string, deadline: number): Promise<void> {
  let last = 'never reached';
  while (performance.now() < deadline) {
    const answer = await askOnce(socket);
    if (answer === '') return;
    last = answer;
    await new Promise((resolve) => setTimeout(resolve, REDIAL_MS));
  }
  throw new BenchError(`${socket} did not serve within ${GIVE_UP_MS / 1000} s: ${last}`);
}

/** '' when both were answered; otherwise why not. */
function askOnce(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const frames = FrameReader.ofSidecar();
    const finish = (answer: string): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('error', (error) => finish(error.message));
    socket.on('close', () => finish('closed'));
    socket.write(PREAMBLE);
    socket.write(appFrame({ hello: { protocol: 1, app: 'bench-probe', group: '' } }));
    socket.write(appFrame({ read: { id: 1, consistency: 0 } }));
    socket.on('data', (chunk: Buffer) =>
      frames.take(chunk, (frame) => {
        if (frame.error) finish(`${frame.error.code}: ${frame.error.message}`);
        else if (frame.readReady)
          socket.write(appFrame({ propose: { id: 2, command: Buffer.alloc(264, 'p') } }));
        else if (frame.proposed) finish('');
      }),
    );
  });
}
