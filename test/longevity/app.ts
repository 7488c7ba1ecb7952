/**
 * A key-value app that costs as little as an honest one can, with snapshots: they are streamed, in both directions, so that its
 * state is in memory once. On SIGUSR2 it says what its state is.
 *
 * MUST: go on applying while it hands its state over.
 */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { AppliedWriter, appFrame, FrameReader, PREAMBLE, type SidecarFrame } from '../bench/frames.ts';
import { KEY_BYTES } from '../bench/protocol.ts';
import { LeanState, Restoring } from './state.ts';

const REDIAL_MS = 20;
const FORMAT = 'lean-kv';
const BLOB = 1;

class LeanApp {
  readonly #path: string;
  readonly #fillerBytes: number;
  #state = new LeanState();
  #applied = 0;
  #hash: Uint8Array | undefined;
  #restoring: { readonly index: number; readonly into: Restoring } | undefined;
  #wanted = false;
  #giving = false;
  #acknowledge = false;
  readonly #answers = new AppliedWriter();

  constructor(path: string, fillerBytes: number) {
    this.#path = path;
    this.#fillerBytes = fillerBytes;
  }

  say(): void {
    console.log(`STATE ${this.#applied} ${this.#state.size} ${this.#state.digest()}`);
  }

  dial(): void {
    const socket = connect(this.#path);
    const frames = FrameReader.ofSidecar();
    socket.on('connect', () => {
      socket.write(PREAMBLE);
      const appliedHash = this.#hash === undefined ? {} : { appliedHash: this.#hash };
      const stateMachine = { appliedIndex: this.#applied, ...appliedHash, snapshots: BLOB };
      socket.write(appFrame({ hello: { protocol: 1, app: 'lean', group: '', stateMachine } }));
    });
    socket.on('data', (chunk: Buffer) => {
      frames.take(chunk, (frame) => this.#frame(socket, frame));
      if (this.#acknowledge) socket.write(this.#answers.finish(this.#applied));
      this.#acknowledge = false;
      if (this.#wanted && !this.#giving) void this.#give(socket);
    });
    // The sidecar is not there yet, or it was stopped: 'close' follows, and we dial again.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#answers.clear();
      this.#restoring = undefined;
      this.#wanted = false;
      setTimeout(() => this.dial(), REDIAL_MS);
    });
  }

  #frame(socket: Socket, frame: SidecarFrame): void {
    if (frame.entries) {
      for (const { index, command } of frame.entries.entries) this.#apply(index, command);
      this.#applied = frame.entries.through;
      this.#hash = frame.entries.hash.slice();
      this.#acknowledge = true;
    } else if (frame.takeSnapshot) this.#wanted = true;
    else if (frame.restoreBegin) this.#restoring = { index: frame.restoreBegin.index, into: new Restoring() };
    else if (frame.restoreChunk) this.#restoring?.into.add(frame.restoreChunk.data);
    else if (frame.restoreEnd) this.#restored(socket, frame.restoreEnd.sha256);
    else if (frame.goodbye) socket.end();
    else if (frame.error) console.error(`app: ${frame.error.code}: ${frame.error.message}`);
  }

  #apply(index: number, command: Uint8Array): void {
    const key = (command as Buffer).toString('latin1', 0, KEY_BYTES);
    this.#state.set(key, Uint8Array.prototype.slice.call(command, KEY_BYTES));
    this.#answers.add(index);
  }

  #restored(socket: Socket, sha256: Uint8Array): void {
    const restoring = this.#restoring;
    this.#restoring = undefined;
    if (restoring === undefined) return;
    const { index, into } = restoring;
    if (!into.isWhole(sha256) || into.fillerBytes !== this.#fillerBytes) {
      socket.write(appFrame({ restoreRefused: { reason: 'these are not the bytes of such an app' } }));
      return;
    }
    this.#state = into.state;
    this.#applied = index;
    this.#hash = undefined;
    socket.write(appFrame({ restored: { index } }));
  }

  /** As of what was acknowledged: everything applied was, before this is called. */
  async #give(socket: Socket): Promise<void> {
    this.#wanted = false;
    this.#giving = true;
    try {
      const { bytes, chunks } = this.#state.freeze(this.#fillerBytes);
      const hash = createHash('sha256');
      socket.write(appFrame({ snapshotBegin: { index: this.#applied, format: FORMAT, size: bytes } }));
      for (const data of chunks) {
        hash.update(data);
        if (socket.destroyed) return;
        if (!socket.write(appFrame({ snapshotChunk: { data } }))) await drained(socket);
      }
      socket.write(appFrame({ snapshotEnd: { sha256: hash.digest() } }));
    } finally {
      this.#giving = false;
    }
  }
}

/** Resolves when it has room again, or is gone. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

/** Runs until its parent ends. */
export function runLeanApp(path: string, fillerBytes: number): void {
  const app = new LeanApp(path, fillerBytes);
  process.on('SIGUSR2', () => app.say());
  app.dial();
}
