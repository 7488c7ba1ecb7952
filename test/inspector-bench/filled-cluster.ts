/** Three real sidecars with a long log, written through a real load, and a trickle of proposals to keep them busy. */
import { connect, type Socket } from 'node:net';
import { appFrame, FrameReader, PREAMBLE } from '../bench/frames.ts';
import { measure } from '../bench/measure.ts';
import { OutriggerSystem } from '../bench/outrigger-system.ts';
import { BenchError, type Workplace } from '../bench/processes.ts';
import { BIN } from './build.ts';

/** As OutriggerSystem names it. */
export const CLUSTER = 'bench';
const NODES = 3;
const FILL_CLIENTS = 512;
const VALUE_BYTES = 256;
/** A cluster in use: what an editor follows. */
const TRICKLE_MS = 50;

export interface FilledCluster {
  /** Node ids. */
  readonly nodes: readonly string[];
  readonly entries: number;
  /** Begins to propose, `TRICKLE_MS` apart. Returns how to end it. */
  trickle(): () => void;
  stop(): Promise<void>;
}

export async function fillCluster(place: Workplace, entries: number): Promise<FilledCluster> {
  const system = new OutriggerSystem(place, { nodes: NODES, bin: BIN });
  await system.start();
  console.error(`bench: writing ${entries.toLocaleString('en-US')} entries`);
  const shape = { clients: FILL_CLIENTS, valueBytes: VALUE_BYTES, warmupMs: 0, measureMs: 0 };
  const fill = await measure(place, system, { ...shape, operations: entries });
  if (Object.keys(fill.errors).length > 0)
    throw new BenchError(`the log was not written: ${JSON.stringify(fill.errors)}`);
  await system.ready();
  return {
    nodes: system.sidecars.map(({ name }) => name),
    entries,
    trickle: () => trickle(system.sockets[0] ?? ''),
    stop: () => system.stop(),
  };
}

function trickle(path: string): () => void {
  const socket: Socket = connect(path);
  const frames = FrameReader.ofSidecar();
  socket.on('error', (error) => console.error(`bench: the trickle of proposals broke off: ${error.message}`));
  socket.on('data', (chunk: Buffer) => {
    frames.take(chunk, ({ error }) => {
      if (error) console.error(`bench: a proposal was refused: ${error.code}: ${error.message}`);
    });
  });
  socket.write(PREAMBLE);
  socket.write(appFrame({ hello: { protocol: 1, app: 'bench-trickle', group: '' } }));
  let id = 0;
  const timer = setInterval(() => {
    socket.write(appFrame({ propose: { id: ++id, command: Buffer.alloc(VALUE_BYTES, 'p') } }));
  }, TRICKLE_MS);
  return () => {
    clearInterval(timer);
    socket.destroy();
  };
}
