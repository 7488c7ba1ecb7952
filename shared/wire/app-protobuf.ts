/**
 * The delimited protobuf codec of the app socket: unsigned varint length, then the frame message.
 *
 * MUST: read and write what every official runtime reads and writes. The frame message itself is opened by
 * hand, because the oneof of protobufjs costs ten times what its fields cost; the members inside are read and
 * written by the codecs that protobufjs generates.
 */
import protobuf from 'protobufjs';
import { BadFrame, BrokenFraming, Carry, tooLarge } from './app-framing.ts';
import {
  defaultOf,
  FieldError,
  type FieldPlan,
  type FramePlan,
  type MemberPlan,
  type MessagePlan,
} from './app-plan.ts';
import { written } from './kept-writer.ts';

const LENGTH_DELIMITED = 2;
/** A varint has at most so many bytes. */
const VARINT_BYTES = 10;

type Fields = Record<string, unknown>;

export class ProtobufCodec<Out extends { type: string }, In> {
  readonly name = 'protobuf';
  readonly #out: FramePlan;
  readonly #in: FramePlan;
  readonly #frameBytes: number;
  readonly #carry = new Carry();
  #chunk: Buffer = Buffer.alloc(0);
  #reader: protobuf.Reader = protobuf.Reader.create(this.#chunk);
  #position = 0;

  constructor(out: FramePlan, into: FramePlan, frameBytes: number) {
    this.#out = out;
    this.#in = into;
    this.#frameBytes = frameBytes;
  }

  encode(frames: readonly Out[]): Buffer {
    return written((writer) => {
      for (const frame of frames) {
        const member = this.#out.byName.get(frame.type);
        if (member === undefined) throw new TypeError(`there is no frame ${frame.type}`);
        const body = member.message.hasEnum ? withEnumNumbers(member.message, frame as Fields) : frame;
        writer.fork();
        writer.uint32((member.number << 3) | LENGTH_DELIMITED).fork();
        member.message.codec.encode(body, writer).ldelim().ldelim();
      }
    });
  }

  get partial(): boolean {
    return this.#carry.length > 0 || this.#position < this.#chunk.length;
  }

  push(chunk: Buffer): void {
    const rest = this.#chunk.length - this.#position;
    this.#use(rest === 0 ? chunk : Buffer.concat([this.#chunk.subarray(this.#position), chunk]));
  }

  next(): In | BadFrame | undefined {
    if (this.#carry.length > 0) return this.#nextCarried();
    const length = this.#length(this.#chunk, this.#position);
    if (length === undefined || length.end > this.#chunk.length) {
      if (this.#position < this.#chunk.length) {
        const expected = length === undefined ? 0 : length.end - this.#position;
        this.#carry.append(this.#chunk.subarray(this.#position), expected);
      }
      this.#position = this.#chunk.length;
      return undefined;
    }
    this.#position = length.end;
    this.#reader.pos = length.start;
    return this.#read(this.#reader, length.end);
  }

  /** Completes the carried frame from the chunk, taking no byte more than it needs. */
  #nextCarried(): In | BadFrame | undefined {
    for (;;) {
      const length = this.#length(this.#carry.peek(), 0);
      if (length !== undefined && length.end === this.#carry.length) {
        const frame = this.#carry.take();
        const reader = protobuf.Reader.create(frame);
        reader.pos = length.start;
        return this.#read(reader, frame.length);
      }
      const available = this.#chunk.length - this.#position;
      if (available === 0) return undefined;
      const wanted = length === undefined ? 1 : length.end - this.#carry.length;
      const taken = Math.min(wanted, available);
      this.#carry.append(this.#chunk.subarray(this.#position, this.#position + taken), length?.end);
      this.#position += taken;
    }
  }

  #use(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#reader = protobuf.Reader.create(chunk);
    this.#position = 0;
  }

  /** Where the frame that begins at `position` starts and ends; undefined while its length is not all there. */
  #length(bytes: Buffer, position: number): { start: number; end: number } | undefined {
    let length = 0;
    let scale = 1;
    for (let offset = 0; offset < VARINT_BYTES; offset += 1) {
      const byte = bytes[position + offset];
      if (byte === undefined) return undefined;
      length += (byte & 127) * scale;
      if (length > this.#frameBytes) throw tooLarge('the frame', this.#frameBytes);
      if (byte < 128) {
        const start = position + offset + 1;
        return { start, end: start + length };
      }
      scale *= 128;
    }
    throw new BrokenFraming('BAD_REQUEST', 'the length of the frame is not a varint');
  }

  /** Reads the frame message between `reader.pos` and `end`. */
  #read(reader: protobuf.Reader, end: number): In | BadFrame {
    let member: MemberPlan | undefined;
    let raw: Fields = {};
    let members = 0;
    const whole = reader.len;
    try {
      reader.len = end;
      while (reader.pos < end) {
        const tag = reader.tag();
        const found = (tag & 7) === LENGTH_DELIMITED ? this.#in.byNumber[tag >>> 3] : undefined;
        if (found === undefined) {
          reader.skipType(tag & 7, 0, tag >>> 3);
          continue;
        }
        members += 1;
        member = found;
        raw = found.message.codec.decode(reader, reader.size()) as unknown as Fields;
      }
      if (reader.pos !== end) throw new RangeError('a field ends outside its frame');
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new BrokenFraming('BAD_REQUEST', `the frame is not a protobuf message of app.proto: ${why}`);
    } finally {
      reader.len = whole;
    }
    if (member === undefined || members > 1) {
      return new BadFrame(`a frame must have exactly one known member, not ${members}`, idOf(raw));
    }
    return finish<In>(member, raw);
  }
}

function finish<In>(member: MemberPlan, raw: Fields): In | BadFrame {
  try {
    return readMessage(member.message, raw, { type: member.name }) as In;
  } catch (error) {
    if (error instanceof FieldError) return new BadFrame(error.message, idOf(raw));
    throw error;
  }
}

function idOf(raw: Fields): number | undefined {
  const id = raw['id'];
  return Number.isSafeInteger(id) ? (id as number) : undefined;
}

/** From protobufjs' message to ours: integers proven safe, enums by name, absent fields absent. */
function readMessage(plan: MessagePlan, raw: Fields, into: Fields): Fields {
  for (const field of plan.fields) {
    const value = raw[field.name];
    if (value === null || value === undefined) {
      if (!field.optional) into[field.name] = defaultOf(field);
    } else {
      into[field.name] = field.repeated ? readList(field, value as unknown[]) : readValue(field, value);
    }
  }
  return into;
}

function readList(field: FieldPlan, values: readonly unknown[]): unknown[] {
  const list: unknown[] = [];
  for (const value of values) list.push(readValue(field, value));
  return list;
}

function readValue(field: FieldPlan, value: unknown): unknown {
  switch (field.kind) {
    case 'uint64':
      if (Number.isSafeInteger(value)) return value;
      throw new FieldError(`${field.path} must be an integer from 0 to ${Number.MAX_SAFE_INTEGER}`);
    case 'enum': {
      const name = field.names[value as number];
      if (name !== undefined) return name;
      throw new FieldError(`${field.path} must be one of ${field.names.join(', ')}, not number ${value}`);
    }
    case 'message':
      return readMessage(field.message as MessagePlan, value as Fields, {});
    case 'bytes':
      // protobufjs' default for absent bytes is an empty array.
      return (value as Uint8Array).length === 0 ? defaultOf(field) : value;
    default:
      return value;
  }
}

/** A copy whose enums are numbers, as protobufjs wants them. */
function withEnumNumbers(plan: MessagePlan, message: Fields): Fields {
  const copy = { ...message };
  for (const field of plan.fields) {
    const value = message[field.name];
    if (value === undefined) continue;
    if (field.kind === 'enum') copy[field.name] = field.names.indexOf(value as string);
    else if (field.message?.hasEnum === true)
      copy[field.name] = withEnumNumbers(field.message, value as Fields);
  }
  return copy;
}
