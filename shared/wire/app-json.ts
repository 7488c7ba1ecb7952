/**
 * The JSON-lines codec of the app socket: one frame per line, `{"member": {fields}}`.
 *
 * MUST: follow the schema tables: bytes are standard base64 with padding, integers are read as numbers or
 * decimal strings and written as numbers, enums are names, fields that are not optional are always written,
 * unknown fields are ignored, null is the same as absent.
 */
import { isUtf8 } from 'node:buffer';
import { BadFrame, BrokenFraming, Carry, tooLarge } from './app-framing.ts';
import { defaultOf, FieldError, type FieldPlan, type FramePlan, type MessagePlan } from './app-plan.ts';

const NEWLINE = 10;
/** Together with a length that is a multiple of four, this is all of standard base64. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const DECIMAL = /^\d{1,16}$/;
const UINT32_MAX = 0xffff_ffff;

type Fields = Record<string, unknown>;

export class JsonCodec<Out extends { type: string }, In> {
  readonly name = 'json';
  readonly #out: FramePlan;
  readonly #in: FramePlan;
  readonly #frameBytes: number;
  readonly #carry = new Carry();
  #chunk: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(out: FramePlan, into: FramePlan, frameBytes: number) {
    this.#out = out;
    this.#in = into;
    this.#frameBytes = frameBytes;
  }

  encode(frames: readonly Out[]): Buffer {
    let text = '';
    for (const frame of frames) {
      const member = this.#out.byName.get(frame.type);
      if (member === undefined) throw new TypeError(`there is no frame ${frame.type}`);
      text += `{"${member.name}":${writeMessage(member.message, frame as Fields)}}\n`;
    }
    return Buffer.from(text, 'utf8');
  }

  get partial(): boolean {
    return this.#carry.length > 0 || this.#position < this.#chunk.length;
  }

  push(chunk: Buffer): void {
    const rest = this.#chunk.length - this.#position;
    this.#chunk = rest === 0 ? chunk : Buffer.concat([this.#chunk.subarray(this.#position), chunk]);
    this.#position = 0;
  }

  next(): In | BadFrame | undefined {
    for (;;) {
      const line = this.#nextLine();
      if (line === undefined) return undefined;
      const text = decodeLine(line);
      // A blank line is nobody's frame: `nc` users press Enter, scripts end with an empty line.
      if (text !== '' && text !== '\r') return this.#read(text);
    }
  }

  #nextLine(): Buffer | undefined {
    const start = this.#position;
    const end = this.#chunk.indexOf(NEWLINE, start);
    const piece = this.#chunk.subarray(start, end === -1 ? undefined : end);
    if (this.#carry.length + piece.length > this.#frameBytes) throw tooLarge('the line', this.#frameBytes);
    if (end === -1) {
      if (piece.length > 0) this.#carry.append(piece);
      this.#position = this.#chunk.length;
      return undefined;
    }
    this.#position = end + 1;
    if (this.#carry.length === 0) return piece;
    this.#carry.append(piece);
    return this.#carry.take();
  }

  #read(text: string): In | BadFrame {
    const frame = parse(text);
    if (!isObject(frame)) return new BadFrame('a frame must be an object with exactly one member', undefined);
    const names = Object.keys(frame);
    const name = names[0];
    if (name === undefined || names.length > 1) {
      return new BadFrame(`a frame must have exactly one member, not ${names.length}`, anyId(frame));
    }
    const member = this.#in.byName.get(name);
    if (member === undefined) return new BadFrame(`there is no frame ${quote(name)}`, anyId(frame));
    try {
      return readMessage(member.message, frame[name], { type: name }) as In;
    } catch (error) {
      if (error instanceof FieldError) return new BadFrame(error.message, anyId(frame));
      throw error;
    }
  }
}

function decodeLine(line: Buffer): string {
  if (!isUtf8(line)) throw new BrokenFraming('BAD_REQUEST', 'the line is not valid UTF-8');
  return line.toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BrokenFraming('BAD_REQUEST', `the line is not JSON: ${quote(text)}`);
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A short quotation for a sentence. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** The id of the first member that has one, for the answer to a frame that is refused. */
function anyId(frame: Fields): number | undefined {
  for (const body of Object.values(frame)) {
    const id = isObject(body) ? integer(body['id'], Number.MAX_SAFE_INTEGER) : undefined;
    if (id !== undefined) return id;
  }
  return undefined;
}

// ---------------------------------------------------------------- reading

function readMessage(plan: MessagePlan, value: unknown, into: Fields): Fields {
  if (!isObject(value)) throw new FieldError(`${plan.path} must be an object, not ${quote(value)}`);
  for (const field of plan.fields) {
    const given = value[field.name];
    if (given !== undefined && given !== null) into[field.name] = readField(field, given);
    else if (!field.optional) into[field.name] = defaultOf(field);
  }
  return into;
}

function readField(field: FieldPlan, value: unknown): unknown {
  if (!field.repeated) return readValue(field, value);
  if (!Array.isArray(value)) throw new FieldError(`${field.path} must be a list, not ${quote(value)}`);
  return value.map((item) => readValue(field, item));
}

function readValue(field: FieldPlan, value: unknown): unknown {
  switch (field.kind) {
    case 'uint32':
      return readInteger(field, value, UINT32_MAX);
    case 'uint64':
      return readInteger(field, value, Number.MAX_SAFE_INTEGER);
    case 'bytes':
      return readBytes(field, value);
    case 'message':
      return readMessage(field.message as MessagePlan, value, {});
    case 'enum':
      if (typeof value === 'string' && field.names.includes(value)) return value;
      throw new FieldError(`${field.path} must be one of ${field.names.join(', ')}, not ${quote(value)}`);
    case 'string':
      if (typeof value === 'string') return value;
      throw new FieldError(`${field.path} must be a string, not ${quote(value)}`);
    case 'bool':
      if (typeof value === 'boolean') return value;
      throw new FieldError(`${field.path} must be true or false, not ${quote(value)}`);
  }
}

function integer(value: unknown, max: number): number | undefined {
  const number = typeof value === 'string' && DECIMAL.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) && (number as number) >= 0 && (number as number) <= max
    ? (number as number)
    : undefined;
}

function readInteger(field: FieldPlan, value: unknown, max: number): number {
  const number = integer(value, max);
  if (number === undefined) {
    throw new FieldError(`${field.path} must be an integer from 0 to ${max}, not ${quote(value)}`);
  }
  return number;
}

function readBytes(field: FieldPlan, value: unknown): Buffer {
  if (typeof value !== 'string' || value.length % 4 !== 0 || !BASE64.test(value)) {
    throw new FieldError(`${field.path} must be standard base64 with padding, not ${quote(value)}`);
  }
  return Buffer.from(value, 'base64');
}

// ---------------------------------------------------------------- writing

function writeMessage(plan: MessagePlan, message: Fields): string {
  let text = '{';
  for (const field of plan.fields) {
    let value = message[field.name];
    if (value === undefined || value === null) {
      if (field.optional) continue;
      value = defaultOf(field);
    }
    if (text.length > 1) text += ',';
    text += `"${field.name}":${field.repeated ? writeList(field, value) : writeValue(field, value)}`;
  }
  return `${text}}`;
}

function writeList(field: FieldPlan, value: unknown): string {
  let text = '[';
  for (const item of value as readonly unknown[]) {
    if (text.length > 1) text += ',';
    text += writeValue(field, item);
  }
  return `${text}]`;
}

function writeValue(field: FieldPlan, value: unknown): string {
  switch (field.kind) {
    case 'uint32':
    case 'uint64':
      return String(value);
    case 'bool':
      return value === true ? 'true' : 'false';
    case 'string':
    case 'enum':
      return JSON.stringify(value);
    case 'bytes': {
      const bytes = value as Uint8Array;
      return `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}"`;
    }
    case 'message':
      return writeMessage(field.message as MessagePlan, value as Fields);
  }
}
