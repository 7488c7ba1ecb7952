/**
 * Reads bytes from front to back.
 *
 * MUST: throw FormatError, and nothing else, when the bytes end early or are malformed, before it makes room for anything
 * that a payload only claims to hold; give 64-bit integers exactly.
 */

import { isUtf8 } from 'node:buffer';

/** The bytes are not what a decoder hoped. The message is one sentence without a full stop. */
export class FormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FormatError';
  }
}

/** Text of bytes that must be UTF-8. Throws FormatError. */
export function readUtf8(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new FormatError('a string in it is not valid UTF-8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, from = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = from;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Unsigned, of 1, 2 or 4 bytes, big-endian. */
  uint(size: 1 | 2 | 4): number {
    const at = this.#skip(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  int(size: 1 | 2 | 4): number {
    const at = this.#skip(size);
    if (size === 1) return this.#view.getInt8(at);
    return size === 2 ? this.#view.getInt16(at) : this.#view.getInt32(at);
  }

  uint64(littleEndian = false): bigint {
    return this.#view.getBigUint64(this.#skip(8), littleEndian);
  }

  int64(): bigint {
    return this.#view.getBigInt64(this.#skip(8));
  }

  /** IEEE 754, half precision, big-endian. */
  float16(): number {
    const bits = this.uint(2);
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
  }

  /** Single precision; the shortest decimal that means the same single is given, not its digits as a double. */
  float32(littleEndian = false): number {
    const value = this.#view.getFloat32(this.#skip(4), littleEndian);
    for (let digits = 6; digits <= 8; digits += 1) {
      const short = Number(value.toPrecision(digits));
      if (Math.fround(short) === value) return short;
    }
    return value;
  }

  float64(littleEndian = false): number {
    return this.#view.getFloat64(this.#skip(8), littleEndian);
  }

  fixed32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  /** Base 128, at most 64 bits, as protobuf has it. */
  varint(): bigint {
    let low = 0;
    // Seven groups fit a plain number exactly, and nearly every varint is that short.
    for (let group = 0; group < 7; group += 1) {
      const byte = this.uint(1);
      low += (byte & 0x7f) * 2 ** (7 * group);
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.uint(1);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new FormatError('a varint in it is longer than ten bytes');
  }

  bytes(length: number): Uint8Array {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  #skip(length: number): number {
    if (length > this.left) {
      throw new FormatError(
        `it ends too early: ${length} bytes wanted at byte ${this.#at}, ${this.left} left`,
      );
    }
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
