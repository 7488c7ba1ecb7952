/**
 * The state of the lean app: keys with values, and as much filler as is wanted, which takes no memory: it is made while it is
 * handed over, and dropped when it is taken over.
 *
 *   count (u32 LE) · { key (8 bytes) · length (u32 LE) · value }* · filler
 */
import { createHash } from 'node:crypto';
import { KEY_BYTES } from '../bench/protocol.ts';

const HEAD_BYTES = KEY_BYTES + 4;
const CHUNK_BYTES = 256 * 1024;

export class LeanState {
  readonly #values = new Map<string, Uint8Array>();

  get size(): number {
    return this.#values.size;
  }

  /** A value is never changed in place: a snapshot that is being given shares it. */
  set(key: string, value: Uint8Array): void {
    this.#values.set(key, value);
  }

  /** SHA-256 of all of it, in one order. */
  digest(): string {
    const hash = createHash('sha256');
    for (const [key, value] of [...this.#values].sort(([a], [b]) => (a < b ? -1 : 1)))
      hash.update(key).update(value);
    return hash.digest('hex');
  }

  /** As it is now, however it changes afterwards. */
  freeze(fillerBytes: number): { bytes: number; chunks: Generator<Buffer> } {
    const values = [...this.#values];
    const own = values.reduce((sum, [, value]) => sum + HEAD_BYTES + value.length, 4);
    return { bytes: own + fillerBytes, chunks: chunksOf(values, fillerBytes) };
  }
}

function* chunksOf(values: readonly [string, Uint8Array][], fillerBytes: number): Generator<Buffer> {
  const count = Buffer.alloc(4);
  count.writeUInt32LE(values.length);
  let parts: Uint8Array[] = [count];
  let bytes = 4;
  for (const [key, value] of values) {
    const head = Buffer.alloc(HEAD_BYTES);
    head.write(key, 'latin1');
    head.writeUInt32LE(value.length, KEY_BYTES);
    parts.push(head, value);
    bytes += HEAD_BYTES + value.length;
    if (bytes < CHUNK_BYTES) continue;
    yield Buffer.concat(parts);
    parts = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(parts);
  for (let left = fillerBytes, number = 0; left > 0; left -= CHUNK_BYTES, number++) {
    const filler = Buffer.alloc(Math.min(CHUNK_BYTES, left), `filler ${number} `);
    yield filler;
  }
}

/** Makes a state of the bytes as they come. */
export class Restoring {
  readonly state = new LeanState();
  readonly #hash = createHash('sha256');
  #rest: Buffer = Buffer.alloc(0);
  /** Values that are still to come; undefined before their number is known. */
  #left: number | undefined;
  fillerBytes = 0;

  add(data: Uint8Array): void {
    this.#hash.update(data);
    if (this.#left === 0) {
      this.fillerBytes += data.length;
      return;
    }
    this.#rest = Buffer.concat([this.#rest, data]);
    let at = 0;
    if (this.#left === undefined) {
      if (this.#rest.length < 4) return;
      this.#left = this.#rest.readUInt32LE();
      at = 4;
    }
    while (this.#left > 0 && this.#rest.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + this.#rest.readUInt32LE(at + KEY_BYTES);
      if (end > this.#rest.length) break;
      const key = this.#rest.toString('latin1', at, at + KEY_BYTES);
      this.state.set(key, Uint8Array.from(this.#rest.subarray(at + HEAD_BYTES, end)));
      at = end;
      this.#left--;
    }
    this.#rest = this.#rest.subarray(at);
    if (this.#left > 0) return;
    this.fillerBytes += this.#rest.length;
    this.#rest = Buffer.alloc(0);
  }

  isWhole(sha256: Uint8Array): boolean {
    return this.#left === 0 && this.#hash.digest().equals(sha256);
  }
}
