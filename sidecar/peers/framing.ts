/**
 * Frames between sidecars: u32 length and u32 CRC-32 of the payload, little endian, then the payload.
 *
 * MUST: hand out payloads in order, each one exactly as it was sent, or throw a FrameError and never
 * hand out anything again. MUST copy a payload at most once; one that lies within a chunk is a view of it.
 */
import { crc32 } from 'node:zlib';

export const FRAME_HEADER_BYTES = 8;

/** Why a connection was closed by the side that received something wrong. Also the names of the counters. */
export type FrameFault = 'TOO_LONG' | 'BAD_CRC' | 'UNDECODABLE' | 'NOT_ALLOWED';

/** Something arrived that breaks the protocol: the connection has to close. The message is one sentence. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly fault: FrameFault;

  constructor(fault: FrameFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** Fills in the header of `frame`, whose payload is already at FRAME_HEADER_BYTES. Returns `frame`. */
export function sealFrame(frame: Buffer): Buffer {
  const payload = frame.subarray(FRAME_HEADER_BYTES);
  frame.writeUInt32LE(payload.length, 0);
  frame.writeUInt32LE(crc32(payload), 4);
  return frame;
}

/** A frame around a copy of `payload`. */
export function frameOf(payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  frame.set(payload, FRAME_HEADER_BYTES);
  return sealFrame(frame);
}

/** Cuts a stream of chunks into payloads. One per connection. */
export class FrameReader {
  /** Longest payload taken from now on; may be raised between frames. */
  maxBytes: number;
  readonly #take: (payload: Buffer) => boolean;
  /** A header of which some bytes are still to come. */
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerFilled = 0;
  /** A payload of which some bytes are still to come, at its full size, so that each byte is copied once. */
  #partial: Buffer | undefined;
  #partialFilled = 0;
  #partialCrc = 0;
  #stopped = false;

  /** `take` gets each payload and says whether to go on. */
  constructor(maxBytes: number, take: (payload: Buffer) => boolean) {
    this.maxBytes = maxBytes;
    this.#take = take;
  }

  /** Throws FrameError (TOO_LONG, BAD_CRC). What `take` throws comes through. After either: stopped. */
  push(chunk: Buffer): void {
    if (this.#stopped) return;
    this.#stopped = true;
    let at = 0;
    while (at < chunk.length) {
      const next = this.#partial === undefined ? this.#start(chunk, at) : this.#continue(chunk, at);
      if (next < 0) return;
      at = next;
    }
    this.#stopped = false;
  }

  /** Reads from a frame's header on. Returns where the rest of the chunk starts, or -1 to stop. */
  #start(chunk: Buffer, at: number): number {
    let header = chunk;
    let headerAt = at;
    let from = at + FRAME_HEADER_BYTES;
    if (this.#headerFilled > 0 || from > chunk.length) {
      const taken = chunk.copy(this.#header, this.#headerFilled, at);
      this.#headerFilled += taken;
      if (this.#headerFilled < FRAME_HEADER_BYTES) return at + taken;
      this.#headerFilled = 0;
      header = this.#header;
      headerAt = 0;
      from = at + taken;
    }
    const length = header.readUInt32LE(headerAt);
    const crc = header.readUInt32LE(headerAt + 4);
    if (length > this.maxBytes) {
      throw new FrameError('TOO_LONG', `a frame of ${length} bytes is over the limit of ${this.maxBytes}`);
    }
    const end = from + length;
    if (end <= chunk.length) return this.#finish(chunk.subarray(from, end), crc) ? end : -1;
    this.#partial = Buffer.allocUnsafeSlow(length);
    this.#partialFilled = 0;
    this.#partialCrc = crc;
    return from;
  }

  /** Fills the open payload. Returns where the rest of the chunk starts, or -1 to stop. */
  #continue(chunk: Buffer, at: number): number {
    const partial = this.#partial;
    if (partial === undefined) return at;
    const taken = chunk.copy(partial, this.#partialFilled, at);
    this.#partialFilled += taken;
    if (this.#partialFilled < partial.length) return at + taken;
    this.#partial = undefined;
    return this.#finish(partial, this.#partialCrc) ? at + taken : -1;
  }

  #finish(payload: Buffer, crc: number): boolean {
    if (crc32(payload) !== crc)
      throw new FrameError('BAD_CRC', 'the checksum of a frame does not fit its bytes');
    return this.#take(payload);
  }
}
