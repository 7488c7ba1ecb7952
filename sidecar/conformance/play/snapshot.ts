/** A snapshot on its way out of an app, piece by piece, and whether the pieces fit. */
import { createHash } from 'node:crypto';
import type { SnapshotBeginFrame, SnapshotEndFrame } from '../../../shared/app-frames.ts';
import { LIMITS } from '../../../shared/limits.ts';

/** The state of an app as of an index, as the app gave it. */
export interface Snapshot {
  readonly index: number;
  readonly format: string;
  readonly data: Buffer;
}

/** Data of one frame in the direction of the app. */
export const CHUNK_BYTES = 64 * 1024;

export class Taking {
  readonly asked: number;
  done: Snapshot | undefined;
  #begin: SnapshotBeginFrame | undefined;
  readonly #chunks: Buffer[] = [];

  constructor(asked: number) {
    this.asked = asked;
  }

  get begun(): boolean {
    return this.#begin !== undefined;
  }

  /** Why it may not begin so, or undefined. */
  begin(frame: SnapshotBeginFrame, acknowledged: number): string | undefined {
    if (this.begun) return `a second snapshotBegin came before the snapshotEnd of the first`;
    if (frame.index < this.asked) {
      return `snapshotBegin is of ${frame.index}, and takeSnapshot asked for ${this.asked} or later`;
    }
    if (frame.index > acknowledged) {
      return `snapshotBegin is of ${frame.index}, and it has acknowledged only ${acknowledged}`;
    }
    if (frame.format.length > LIMITS.snapshotFormatChars) {
      return `snapshotBegin names a format of more than ${LIMITS.snapshotFormatChars} characters`;
    }
    this.#begin = frame;
    return undefined;
  }

  chunk(data: Uint8Array): string | undefined {
    if (!this.begun) return 'snapshotChunk came before snapshotBegin';
    this.#chunks.push(Buffer.from(data));
    return undefined;
  }

  end({ sha256 }: SnapshotEndFrame): string | undefined {
    const begin = this.#begin;
    if (begin === undefined) return 'snapshotEnd came before snapshotBegin';
    const data = Buffer.concat(this.#chunks);
    if (begin.size !== undefined && begin.size !== data.length) {
      return `the snapshot of ${begin.index} has ${data.length} bytes, and its snapshotBegin said size ${begin.size}`;
    }
    const right = sha256Of(data);
    if (!right.equals(sha256)) {
      return `snapshotEnd of the snapshot of ${begin.index} says sha256 ${hex(sha256)}, and its ${data.length} bytes have ${hex(right)}`;
    }
    this.done = { index: begin.index, format: begin.format, data };
    return undefined;
  }
}

export function sha256Of(data: Uint8Array): Buffer {
  return createHash('sha256').update(data).digest();
}

function hex(bytes: Uint8Array): string {
  return `${Buffer.from(bytes).toString('hex').slice(0, 16)}… (${bytes.length} bytes)`;
}
