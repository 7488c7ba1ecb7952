/**
 * What both app codecs share below the frames: the two kinds of refusal, and the bytes of a frame that has
 * not arrived whole.
 *
 * MUST: stay linear in the bytes received, however they were cut (byte by byte included).
 */

/** A frame that was read and is refused: BAD_REQUEST, and the connection goes on. */
export class BadFrame {
  /** One sentence. */
  readonly message: string;
  /** The request's id, where it could be read. */
  readonly id: number | undefined;

  constructor(message: string, id: number | undefined) {
    this.message = message;
    this.id = id;
  }
}

/** The stream of frames cannot be followed any further. `message` is one sentence. */
export class BrokenFraming extends Error {
  readonly code: 'BAD_REQUEST' | 'TOO_LARGE';

  constructor(code: 'BAD_REQUEST' | 'TOO_LARGE', message: string) {
    super(message);
    this.code = code;
  }
}

export function tooLarge(what: string, limit: number): BrokenFraming {
  return new BrokenFraming('TOO_LARGE', `${what} is over the limit of ${limit} bytes`);
}

const NOTHING = Buffer.alloc(0);
const FIRST_CAPACITY = 1024;
/** A frame up to this is given its whole room at once: pieces of snapshots are copied once, not three times. */
const RESERVED = 1024 * 1024;

/** Bytes of one unfinished frame, in a buffer that doubles. */
export class Carry {
  #buffer = NOTHING;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** `expected`: how long the frame says that it is, where that is known. It is believed up to `RESERVED`. */
  append(chunk: Buffer, expected = 0): void {
    const need = this.#length + chunk.length;
    if (need > this.#buffer.length) {
      const doubled = Math.max(2 * this.#buffer.length, FIRST_CAPACITY);
      const room = expected >= need && expected <= RESERVED ? expected : Math.max(need, doubled);
      const grown = Buffer.allocUnsafe(room);
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    chunk.copy(this.#buffer, this.#length);
    this.#length = need;
  }

  /** What is carried so far, without taking it away. */
  peek(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Takes everything away; the bytes are the caller's. */
  take(): Buffer {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#buffer = NOTHING;
    this.#length = 0;
    return bytes;
  }
}
