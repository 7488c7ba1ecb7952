/**
 * Protocol Buffers by the user's schema, as the text format that `protoc --decode` writes.
 *
 * MUST: walk the wire by the parsed schema alone: no code is generated, no message object is built; show fields that the
 * schema does not know by their number; refuse bytes in which it knows no field at all.
 */
import protobuf from 'protobufjs';
import { ByteReader, FormatError, readUtf8 } from './byte-reader.ts';
import { DECODE_LIMITS } from './limits.ts';
import type { ProtobufSetting } from './settings.ts';
import { bytesText, numberText, quoted, TreeWriter } from './tree-writer.ts';
import type { Decode } from './types.ts';

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const GROUP = 3;
const END_GROUP = 4;
const FIXED32 = 5;

/** Type → its wire type. */
const BASIC: ReadonlyMap<string, number> = new Map(Object.entries(protobuf.types.basic));

/** What the schema says of one field number. */
interface Slot {
  readonly name: string;
  /** `int32`, `string`…, or the name of `resolved`. */
  readonly type: string;
  readonly resolved: protobuf.Type | protobuf.Enum | null;
  readonly slots?: (id: number) => Slot | undefined;
}

type Slots = (id: number) => Slot | undefined;

/** Makes the decoder of one message type. `root` must be resolved. Throws Error with a sentence when it has no such type. */
export function protobufDecoder(root: protobuf.Root, setting: ProtobufSetting): Decode {
  const found = root.lookup(setting.type);
  if (!(found instanceof protobuf.Type)) {
    throw new Error(`${setting.file} and what it imports define no message ${setting.type}`);
  }
  const slots = slotsOf(found);
  return (bytes, wanted) => {
    try {
      const writer = new TreeWriter(wanted, 'FIELDS');
      const known = readMessage(unframed(bytes, setting), slots, writer, 0);
      if (known === 0) throw new FormatError(`it has no field of ${setting.type}`);
      return writer.shown();
    } catch (error) {
      if (error instanceof FormatError) return { why: error.message };
      throw error;
    }
  };
}

/** Past the bytes to skip and the length, where the setting says that there are such. */
function unframed(bytes: Uint8Array, setting: ProtobufSetting): ByteReader {
  const reader = new ByteReader(bytes);
  reader.bytes(setting.skipBytes ?? 0);
  if (setting.lengthPrefixed === true) {
    const length = reader.varint();
    if (length !== BigInt(reader.left)) {
      throw new FormatError(`its length prefix says ${length} bytes where ${reader.left} follow`);
    }
  }
  return reader;
}

function slotsOf(type: protobuf.Type): Slots {
  return (id) => {
    const field = type.fieldsById[id];
    if (field === undefined) return undefined;
    const { name, type: typeName, resolvedType: resolved } = field;
    if (!(field instanceof protobuf.MapField)) return { name, type: typeName, resolved };
    const key: Slot = { name: 'key', type: field.keyType, resolved: null };
    const value: Slot = { name: 'value', type: typeName, resolved };
    return {
      name,
      type: '',
      resolved: null,
      slots: (part) => (part === 1 ? key : part === 2 ? value : undefined),
    };
  };
}

/** Writes the fields up to the end of the bytes, or of the group `group`. Returns how many the schema knew. */
function readMessage(
  reader: ByteReader,
  slots: Slots,
  writer: TreeWriter,
  depth: number,
  group?: number,
): number {
  if (depth > DECODE_LIMITS.depth) {
    throw new FormatError(`it is nested more than ${DECODE_LIMITS.depth} levels deep`);
  }
  let known = 0;
  while (reader.left > 0) {
    const { id, wire } = readTag(reader);
    if (wire === END_GROUP) {
      if (id !== group) throw new FormatError(`an end of group ${id} in it ends nothing`);
      return known;
    }
    writer.next();
    if (readField(reader, id, wire, slots(id), writer, depth)) known += 1;
  }
  if (group !== undefined) throw new FormatError(`its group ${group} has no end`);
  return known;
}

function readTag(reader: ByteReader): { id: number; wire: number } {
  const tag = Number(reader.varint());
  const id = Math.floor(tag / 8);
  if (id < 1 || id > 0x1fff_ffff) throw new FormatError(`there is no field number ${id}`);
  return { id, wire: tag % 8 };
}

/** True when the schema knew the field and its wire type fits. */
function readField(
  reader: ByteReader,
  id: number,
  wire: number,
  slot: Slot | undefined,
  writer: TreeWriter,
  depth: number,
): boolean {
  const inner = slot?.slots ?? (slot?.resolved instanceof protobuf.Type ? slotsOf(slot.resolved) : undefined);
  if (wire === GROUP) {
    writer.write(`${inner === undefined ? id : slot?.name} `);
    writer.open('{');
    readMessage(reader, inner ?? (() => undefined), writer, depth + 1, id);
    writer.close('}');
    return inner !== undefined;
  }
  if (wire === BYTES) return readBytes(reader.bytes(readLength(reader)), id, slot, inner, writer, depth);
  const text = readScalar(reader, wire, slot);
  writer.write(`${text.known ? slot?.name : id}: ${text.text}`);
  return text.known;
}

function readLength(reader: ByteReader): number {
  return Number(reader.varint());
}

function readBytes(
  bytes: Uint8Array,
  id: number,
  slot: Slot | undefined,
  inner: Slots | undefined,
  writer: TreeWriter,
  depth: number,
): boolean {
  if (inner !== undefined) {
    writer.write(`${slot?.name} `);
    writer.open('{');
    readMessage(new ByteReader(bytes), inner, writer, depth + 1);
    writer.close('}');
    return true;
  }
  if (slot?.type === 'string') {
    const text = readUtf8(bytes);
    if (!writer.full) writer.write(`${slot.name}: ${quoted(text)}`);
    return true;
  }
  const wire = slot === undefined ? undefined : wireOf(slot);
  if (slot !== undefined && wire !== undefined && wire !== BYTES) {
    readPacked(bytes, wire, slot, writer);
    return true;
  }
  if (!writer.full) writer.write(`${slot?.name ?? id}: ${bytesText(bytes)}`);
  return slot !== undefined;
}

/** Numbers of a repeated field, one after the other. */
function readPacked(bytes: Uint8Array, wire: number, slot: Slot, writer: TreeWriter): void {
  const reader = new ByteReader(bytes);
  writer.write(`${slot.name}: [`);
  for (let first = true; reader.left > 0; first = false) {
    const { text } = readScalar(reader, wire, slot);
    writer.write(first ? text : `, ${text}`);
  }
  writer.write(']');
}

function readScalar(
  reader: ByteReader,
  wire: number,
  slot: Slot | undefined,
): { text: string; known: boolean } {
  const known = slot !== undefined && wireOf(slot) === wire;
  const type = known ? slot.type : '';
  if (wire === VARINT) return { text: varintText(reader.varint(), type, slot?.resolved ?? null), known };
  if (wire === FIXED64) {
    if (type === 'double') return { text: numberText(reader.float64(true)), known };
    const bits = reader.uint64(true);
    return { text: String(type === 'sfixed64' ? BigInt.asIntN(64, bits) : bits), known };
  }
  if (wire === FIXED32) {
    if (type === 'float') return { text: numberText(reader.float32(true)), known };
    const bits = reader.fixed32();
    return { text: String(type === 'sfixed32' ? bits | 0 : bits), known };
  }
  throw new FormatError(`there is no wire type ${wire}`);
}

function varintText(bits: bigint, type: string, resolved: Slot['resolved']): string {
  if (type !== '' && resolved instanceof protobuf.Enum) {
    const number = Number(BigInt.asIntN(32, bits));
    return resolved.valuesById[number] ?? String(number);
  }
  switch (type) {
    case 'bool':
      return String(bits !== 0n);
    case 'int32':
      return String(BigInt.asIntN(32, bits));
    case 'uint32':
      return String(BigInt.asUintN(32, bits));
    case 'int64':
      return String(BigInt.asIntN(64, bits));
    case 'sint32':
      return String(BigInt.asIntN(32, zigzag(BigInt.asUintN(32, bits))));
    case 'sint64':
      return String(zigzag(bits));
    default:
      return String(bits);
  }
}

function zigzag(bits: bigint): bigint {
  return (bits >> 1n) ^ -(bits & 1n);
}

function wireOf(slot: Slot): number | undefined {
  if (slot.resolved instanceof protobuf.Enum) return VARINT;
  return BASIC.get(slot.type);
}
