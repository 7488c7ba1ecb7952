/**
 * The replicated app of the bench: a map of keys to values, as small as an honest one can be.
 *
 * MUST: apply every command (copy the value into its map) and answer each batch with results, so that
 * the figures hold for a real app. Keeps its state over a restart of its sidecar: it dials again and says
 * how far it has applied, with the hash there.
 */
import { connect } from 'node:net';
import { AppliedWriter, appFrame, FrameReader, PREAMBLE, type SidecarFrame } from './frames.ts';
import { KEY_BYTES } from './protocol.ts';

const REDIAL_MS = 20;

class KeyValueApp {
  readonly #path: string;
  readonly #values = new Map<string, Uint8Array>();
  #applied = 0;
  #hash: Uint8Array = new Uint8Array(0);
  readonly #answers = new AppliedWriter();
  #gotEntries = false;

  constructor(path: string) {
    this.#path = path;
  }

  dial(): void {
    const socket = connect(this.#path);
    const frames = FrameReader.ofSidecar();
    socket.on('connect', () => {
      socket.write(PREAMBLE);
      socket.write(
        appFrame({ hello: { protocol: 1, app: 'bench-app', group: '', stateMachine: this.#position() } }),
      );
    });
    socket.on('data', (chunk: Buffer) => {
      this.#gotEntries = false;
      frames.take(chunk, (frame) => this.#frame(frame));
      if (!this.#gotEntries) return;
      socket.write(this.#answers.finish(this.#applied));
    });
    // The sidecar is not there yet, or it was stopped: 'close' follows, and we dial again.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#answers.clear();
      setTimeout(() => this.dial(), REDIAL_MS);
    });
  }

  #position(): object {
    const hash = this.#applied === 0 ? {} : { appliedHash: this.#hash };
    return { appliedIndex: this.#applied, ...hash, snapshots: 0 };
  }

  #frame(frame: SidecarFrame): void {
    if (frame.entries) {
      for (const entry of frame.entries.entries) this.#apply(entry.index, entry.command);
      this.#applied = frame.entries.through;
      this.#hash = frame.entries.hash.slice();
      this.#gotEntries = true;
    } else if (frame.error) {
      console.error(`app: the sidecar says ${frame.error.code}: ${frame.error.message}`);
      process.exit(1);
    }
  }

  #apply(index: number, command: Uint8Array): void {
    const bytes = command as Buffer;
    const key = bytes.toString('latin1', 0, KEY_BYTES);
    const value = command.subarray(KEY_BYTES);
    const old = this.#values.get(key);
    if (old !== undefined && old.length === value.length) old.set(value);
    else this.#values.set(key, value.slice());
    this.#answers.add(index);
  }
}

/** Runs until its parent ends. */
export function runApp(path: string): void {
  new KeyValueApp(path).dial();
}
