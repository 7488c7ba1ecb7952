/**
 * The same frames in other bytes that mean the same: 64-bit integers as decimal strings, and fields that a later version of
 * the protocol may have.
 *
 * MUST: change nothing that a reader which follows docs/protocol.md would see.
 */
import type { SidecarFrame } from '../../../shared/app-frames.ts';
import type { CodecName, FrameCodec } from '../../../shared/wire/app-codec.ts';

export type Disguise = 'plain' | 'decimal strings' | 'unknown fields';

/** The fields of 64 bits that a sidecar sends (shared/proto/app.proto). */
const UINT64 = new Set([
  ...['epoch', 'term', 'commitIndex', 'firstIndex', 'replayFrom', 'snapshotIndex', 'index', 'time'],
  ...['session', 'sequence', 'through', 'id', 'size'],
]);

const NEW_FIELD = { later: { than: ['this', 1, null, true] } };
/** Field numbers that no message has: a varint, and bytes. */
const UNKNOWN = Buffer.concat([tag(1000, 0), varint(77), tag(1001, 2), varint(3), Buffer.from('new')]);
/** The repeated entries of an `entries` message, and the limits of a `welcome`. */
const NESTED: Readonly<Record<string, number>> = { entries: 3, welcome: 11 };

export function disguised<In>(
  codec: FrameCodec<SidecarFrame, In>,
  frame: SidecarFrame,
  disguise: Disguise,
): Buffer {
  const bytes = codec.encode([frame]);
  if (disguise === 'plain') return bytes;
  if (codec.name === 'json') {
    const change = disguise === 'decimal strings' ? withStrings : withUnknown;
    return Buffer.from(`${JSON.stringify(changeBody(JSON.parse(bytes.toString()), change))}\n`);
  }
  // protobuf has one form of an integer.
  return disguise === 'unknown fields' ? withUnknownProtobuf(bytes, frame.type) : bytes;
}

export function appliesTo(disguise: Disguise, codec: CodecName): boolean {
  return disguise !== 'decimal strings' || codec === 'json';
}

type Json = Record<string, unknown>;

/** A frame has exactly one member: only what is inside may have more. */
function changeBody(frame: Json, change: (value: unknown, name: string) => unknown): Json {
  return Object.fromEntries(Object.entries(frame).map(([name, body]) => [name, change(body, '')]));
}

function withStrings(value: unknown, name: string): unknown {
  if (typeof value === 'number') return UINT64.has(name) ? String(value) : value;
  return deeper(value, name, withStrings);
}

function withUnknown(value: unknown, name: string): unknown {
  const same = deeper(value, name, withUnknown);
  return typeof same === 'object' && same !== null && !Array.isArray(same) ? { ...NEW_FIELD, ...same } : same;
}

function deeper(value: unknown, name: string, change: (value: unknown, name: string) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => change(item, name));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, change(item, key)]));
}

// ---------------------------------------------------------------- protobuf

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}

function readVarint(bytes: Buffer, at: number): { value: number; end: number } {
  let value = 0;
  let factor = 1;
  for (let end = at; ; end += 1, factor *= 128) {
    const byte = bytes[end] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, end: end + 1 };
  }
}

/** Length, tag of the member, length of the member, member: the same with more in the member. */
function withUnknownProtobuf(bytes: Buffer, type: string): Buffer {
  const message = bytes.subarray(readVarint(bytes, 0).end);
  const member = readVarint(message, 0);
  const body = message.subarray(readVarint(message, member.end).end);
  const more = Buffer.concat([withUnknownNested(body, NESTED[type]), UNKNOWN]);
  const frame = Buffer.concat([varint(member.value), varint(more.length), more]);
  return Buffer.concat([varint(frame.length), frame]);
}

function withUnknownNested(body: Buffer, nested: number | undefined): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const start = at;
    const key = readVarint(body, at);
    const payload = readVarint(body, key.end);
    if (key.value % 8 === 2) {
      at = payload.end + payload.value;
      const inner = body.subarray(payload.end, at);
      if (Math.floor(key.value / 8) === nested) {
        const more = Buffer.concat([inner, UNKNOWN]);
        parts.push(varint(key.value), varint(more.length), more);
        continue;
      }
    } else at = payload.end;
    parts.push(body.subarray(start, at));
  }
  return Buffer.concat(parts);
}
