/**
 * A sound app that speaks protobuf, over a Unix socket or TCP, and whose commands only it understands: it counts bytes. With
 * --commands of any kind it passes what applies to an app without snapshots.
 */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppFrame, EntriesFrame, SidecarFrame } from '../../../shared/app-frames.ts';
import { appCodec, BadFrame, PROTOBUF_PREAMBLE } from '../../../shared/wire/app-codec.ts';

const PAUSE_MS = 20;

let applied = 0;
let hash: Uint8Array | undefined;
let state: Buffer = Buffer.alloc(32);

function dial(address: string): Socket {
  const tcp = /^tcp:\/\/([^:]+):(\d+)$/.exec(address);
  return tcp === null ? connect(address) : connect(Number(tcp[2]), tcp[1]);
}

function apply({ through, hash: there, entries }: EntriesFrame): AppFrame {
  const results = entries.map(({ index, command }) => {
    state = createHash('sha256').update(state).update(command).digest();
    return { index, result: Buffer.from(`${command.length} bytes`) };
  });
  applied = through;
  hash = Buffer.from(there);
  return { type: 'applied', through, results, stateHash: { index: through, hash: state } };
}

function meet(frame: SidecarFrame, send: (frame: AppFrame) => void): void {
  if (frame.type === 'entries') send(apply(frame));
  if (frame.type === 'goodbye' && frame.reason === 'SUPERSEDED') process.exit(1);
  if (frame.type === 'error' && frame.code === 'APP_DIVERGED') {
    applied = 0;
    hash = undefined;
    state = Buffer.alloc(32);
  }
}

/** Until the connection is gone. */
function serve(address: string): Promise<void> {
  const codec = appCodec('protobuf');
  const socket = dial(address);
  const send = (frame: AppFrame): void => void socket.write(codec.encode([frame]));
  socket.on('connect', () => {
    socket.write(PROTOBUF_PREAMBLE);
    const token = process.env['OUTRIGGER_TOKEN'];
    const stateMachine = {
      appliedIndex: applied,
      appliedHash: hash,
      snapshots: 'NONE' as const,
      windowEntries: 8,
    };
    send({ type: 'hello', protocol: 1, app: 'byte counter', group: '', token, stateMachine });
  });
  socket.on('data', (chunk) => {
    codec.push(chunk);
    for (let frame = codec.next(); frame !== undefined; frame = codec.next()) {
      if (!(frame instanceof BadFrame)) meet(frame, send);
    }
  });
  socket.on('error', () => undefined);
  return new Promise((done) => socket.on('close', () => done()));
}

for (;;) {
  await serve(process.env['OUTRIGGER_SOCKET'] ?? '');
  await sleep(PAUSE_MS);
}
