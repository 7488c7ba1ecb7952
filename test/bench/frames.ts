/**
 * The app socket as the bench speaks it: protobuf frames of `shared/proto/app.proto`.
 *
 * MUST: be cheap, since load and apps share the cores with the sidecars: whole chunks are decoded in
 * place, and proposals, the one frame that is sent a million times, are written by hand.
 * MAY: trust the sidecar's framing; this is a bench, not a client library.
 */
import protobuf from 'protobufjs';
import { appSchema } from '../../shared/wire/schema.ts';
import { KEY_BYTES, keyText } from './protocol.ts';

const AppFrameType = appSchema.lookupType('outrigger.app.v1.AppFrame');
const SidecarFrameType = appSchema.lookupType('outrigger.app.v1.SidecarFrame');

/** First bytes of a connection that speaks protobuf. */
export const PREAMBLE: Buffer = Buffer.from('OUTRIG/1');

/** The members of `SidecarFrame` that the bench looks at. */
export interface SidecarFrame {
  readonly welcome?: { readonly node: string; readonly limits?: { readonly inFlight: number } } | null;
  readonly entries?: {
    readonly through: number;
    readonly hash: Uint8Array;
    readonly entries: readonly { readonly index: number; readonly command: Uint8Array }[];
  } | null;
  readonly proposed?: { readonly id: number; readonly index: number } | null;
  readonly readReady?: { readonly id: number; readonly index: number } | null;
  readonly takeSnapshot?: { readonly index: number } | null;
  readonly restoreBegin?: { readonly index: number } | null;
  readonly restoreChunk?: { readonly data: Uint8Array } | null;
  readonly restoreEnd?: { readonly sha256: Uint8Array } | null;
  readonly error?: { readonly id?: number | null; readonly code: string; readonly message: string } | null;
  readonly goodbye?: { readonly reason?: string } | null;
}

/** The members of `AppFrame` that the echo looks at. */
export interface AppFrame {
  readonly hello?: object | null;
  readonly propose?: { readonly id: number } | null;
}

/** Turns chunks of a stream into frames of one type. */
export class FrameReader<Frame> {
  readonly #type: protobuf.Type;
  #parts: Buffer[] = [];
  #have = 0;
  /** Bytes that must be there before looking again makes sense. */
  #need = 1;

  private constructor(type: protobuf.Type) {
    this.#type = type;
  }

  static ofSidecar(): FrameReader<SidecarFrame> {
    return new FrameReader<SidecarFrame>(SidecarFrameType);
  }

  static ofApp(): FrameReader<AppFrame> {
    return new FrameReader<AppFrame>(AppFrameType);
  }

  /** Calls `each` for every frame that `chunk` completes. Byte fields are views into the chunk. */
  take(chunk: Buffer, each: (frame: Frame) => void): void {
    this.#parts.push(chunk);
    this.#have += chunk.length;
    if (this.#have < this.#need) return;
    const data = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts, this.#have);
    const reader = protobuf.Reader.create(data);
    let at = 0;
    for (;;) {
      const left = data.length - at;
      const size = left > 0 ? varint(data, at) : -1;
      this.#need = size < 0 ? left + 1 : varintBytes(size) + size;
      if (size < 0 || this.#need > left) break;
      reader.pos = at + varintBytes(size);
      each(this.#type.decode(reader, size) as Frame);
      at += this.#need;
    }
    this.#parts = at < data.length ? [data.subarray(at)] : [];
    this.#have = data.length - at;
  }
}

/** A delimited frame from the app's side, by protobufjs. */
export function appFrame(frame: object): Uint8Array {
  return AppFrameType.encodeDelimited(frame).finish();
}

/** A delimited frame from the sidecar's side, for the echo. */
export function sidecarFrame(frame: object): Uint8Array {
  return SidecarFrameType.encodeDelimited(frame).finish();
}

/** Writes `propose` frames: a command is a key of 8 bytes and a value. */
export class ProposeWriter {
  readonly #keys: Buffer;
  readonly #value: Buffer;
  readonly #keyCount: number;

  constructor(keys: number, valueBytes: number) {
    this.#keyCount = keys;
    this.#keys = Buffer.allocUnsafe(keys * KEY_BYTES);
    for (let i = 0; i < keys; i++) this.#keys.write(keyText(i), i * KEY_BYTES, 'latin1');
    this.#value = Buffer.alloc(valueBytes, 'v');
  }

  /** No frame is longer. */
  get maxBytes(): number {
    return KEY_BYTES + this.#value.length + 32;
  }

  /** Writes the proposal `id` with a random key into `out` at `at`; returns the end. */
  write(out: Buffer, at: number, id: number): number {
    const commandBytes = KEY_BYTES + this.#value.length;
    const proposeBytes = 1 + varintBytes(id) + 1 + varintBytes(commandBytes) + commandBytes;
    let end = putVarint(out, at, 1 + varintBytes(proposeBytes) + proposeBytes);
    out[end++] = 0x2a; // AppFrame.propose
    end = putVarint(out, end, proposeBytes);
    out[end++] = 0x08; // Propose.id
    end = putVarint(out, end, id);
    out[end++] = 0x12; // Propose.command
    end = putVarint(out, end, commandBytes);
    const key = Math.floor(Math.random() * this.#keyCount) * KEY_BYTES;
    for (let i = 0; i < KEY_BYTES; i++) out[end++] = this.#keys[key + i] as number;
    out.set(this.#value, end);
    return end + this.#value.length;
  }
}

/** Writes `applied` frames whose results are 8 bytes each (the index, as etcd's answer holds its revision). */
export class AppliedWriter {
  #results = Buffer.allocUnsafe(64 * 1024);
  #end = 0;

  /** Notes the result of the entry at `index`. */
  add(index: number): void {
    if (this.#results.length - this.#end < 32) {
      const larger = Buffer.allocUnsafe(this.#results.length * 2);
      larger.set(this.#results);
      this.#results = larger;
    }
    const out = this.#results;
    out[this.#end++] = 0x12; // Applied.results
    out[this.#end++] = 1 + varintBytes(index) + 2 + RESULT_BYTES;
    out[this.#end++] = 0x08; // Result.index
    this.#end = putVarint(out, this.#end, index);
    out[this.#end++] = 0x12; // Result.result
    out[this.#end++] = RESULT_BYTES;
    this.#end = out.writeDoubleLE(index, this.#end);
  }

  /** The frame with all results since the last one. */
  finish(through: number): Buffer {
    const size = 1 + varintBytes(through) + this.#end;
    const out = Buffer.allocUnsafe(
      1 + varintBytes(size) + 1 + varintBytes(through) + varintBytes(1 + size) + size,
    );
    let end = putVarint(out, 0, 1 + varintBytes(size) + size);
    out[end++] = 0x12; // AppFrame.applied
    end = putVarint(out, end, size);
    out[end++] = 0x08; // Applied.through
    end = putVarint(out, end, through);
    end += this.#results.copy(out, end, 0, this.#end);
    this.#end = 0;
    return out.subarray(0, end);
  }

  clear(): void {
    this.#end = 0;
  }
}

const RESULT_BYTES = 8;

export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** For values below 2^32. */
export function putVarint(out: Uint8Array, at: number, value: number): number {
  let end = at;
  let rest = value;
  for (; rest > 127; rest >>>= 7) out[end++] = (rest & 127) | 128;
  out[end++] = rest;
  return end;
}

/** The varint at `at`, or -1 when the buffer ends inside it. */
function varint(data: Buffer, at: number): number {
  let value = 0;
  for (let shift = 0, i = at; i < data.length; i++, shift += 7) {
    const byte = data[i] as number;
    value |= (byte & 127) << shift;
    if (byte < 128) return value;
  }
  return -1;
}
