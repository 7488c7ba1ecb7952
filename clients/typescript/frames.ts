/**
 * The frames a plain client sends and gets, as JSON lines (docs/protocol.md): one `{"name": {fields}}` per line.
 *
 * MUST: check every field it hands on; skip frames and fields it does not know, which newer nodes may send; stay linear in
 * the bytes received.
 */
import { errorOf, type OutriggerError } from './errors.ts';

export type Pressure = 'OK' | 'SLOW_DOWN' | 'STOP';
export type Consistency = 'LINEARIZABLE' | 'LEASE' | 'AT_LEAST' | 'STALE';
export type Wait = 'APPLIED' | 'COMMITTED';

export interface Welcome {
  readonly name: 'welcome';
  readonly cluster: string;
  readonly node: string;
  readonly leader: string | undefined;
  readonly commandBytes: number;
  readonly inFlight: number;
}

export interface ProposedAnswer {
  readonly name: 'proposed';
  readonly id: number;
  readonly index: number;
  readonly term: number;
  readonly result: Uint8Array | undefined;
  readonly duplicate: boolean;
  readonly resultLost: boolean;
}

/** What answers a request that went well. */
export type Answer =
  | ProposedAnswer
  | { readonly name: 'readReady'; readonly id: number; readonly index: number }
  | { readonly name: 'sessionOpened'; readonly id: number; readonly session: number }
  | { readonly name: 'sessionKept' | 'sessionClosed' | 'pong'; readonly id: number };

/** What nobody asked for. */
export type News =
  | { readonly name: 'roleChanged'; readonly leader: string | undefined }
  | { readonly name: 'pressure'; readonly level: Pressure }
  | { readonly name: 'sessionExpired'; readonly session: number };

export type Incoming =
  | Welcome
  | Answer
  | News
  | { readonly name: 'error'; readonly id: number | undefined; readonly error: OutriggerError }
  | { readonly name: 'goodbye'; readonly reason: string };

/** The stream cannot be followed any further. `message` is one sentence. */
export class BrokenFraming extends Error {}

type Fields = Readonly<Record<string, unknown>>;

export function line(name: string, fields: Fields): string {
  return `${JSON.stringify({ [name]: fields })}\n`;
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

const NEWLINE = 10;

/** Bytes in, frames out. */
export class Reader {
  readonly #frameBytes: number;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(frameBytes: number) {
    this.#frameBytes = frameBytes;
  }

  /** The frames that are whole now. Throws BrokenFraming. */
  *take(chunk: Buffer): Generator<Incoming> {
    let rest = chunk;
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      this.#keep(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
      const text = Buffer.concat(this.#pieces).toString('utf8');
      this.#pieces = [];
      this.#bytes = 0;
      const frame = text.trim() === '' ? undefined : readFrame(text);
      if (frame !== undefined) yield frame;
    }
    if (rest.length > 0) this.#keep(rest);
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#frameBytes)
      throw new BrokenFraming(`the node sent a line of more than ${this.#frameBytes} bytes`);
    this.#pieces.push(piece);
  }
}

/** Undefined for a frame that is not for us to know. */
function readFrame(text: string): Incoming | undefined {
  const frame = parse(text);
  const [name, ...more] = Object.keys(frame);
  const body = name === undefined ? undefined : frame[name];
  if (name === undefined || more.length > 0 || !isFields(body))
    throw new BrokenFraming('the node sent a line that is not one frame');
  return Object.hasOwn(READERS, name) ? READERS[name]?.(new Body(name, body)) : undefined;
}

function parse(text: string): Fields {
  try {
    const frame: unknown = JSON.parse(text);
    if (isFields(frame)) return frame;
  } catch {
    // Said below.
  }
  throw new BrokenFraming('the node sent a line that is not a JSON object: is this an app socket?');
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of one frame, each checked as it is read; null is the same as absent. */
class Body {
  readonly #frame: string;
  readonly #fields: Fields;

  constructor(frame: string, fields: Fields) {
    this.#frame = frame;
    this.#fields = fields;
  }

  maybe<T>(field: string, read: (value: unknown) => T | undefined): T | undefined {
    const value = this.#fields[field];
    if (value === undefined || value === null) return undefined;
    const checked = read(value);
    if (checked === undefined) throw new BrokenFraming(`the node sent ${this.#frame} with a bad ${field}`);
    return checked;
  }

  integer(field: string): number {
    return this.maybe(field, asInteger) ?? 0;
  }

  text(field: string): string {
    return this.maybe(field, asText) ?? '';
  }

  /** An id or an index that must be there. */
  positive(field: string): number {
    const value = this.integer(field);
    if (value === 0) throw new BrokenFraming(`the node sent ${this.#frame} without ${field}`);
    return value;
  }
}

function asInteger(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function asFlag(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

function asBytes(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? Buffer.from(value, 'base64') : undefined;
}

function asPressure(value: unknown): Pressure | undefined {
  return value === 'OK' || value === 'SLOW_DOWN' || value === 'STOP' ? value : undefined;
}

/** A node says '' where it means that there is no leader. */
function leaderIn(body: Body): string | undefined {
  return body.text('leader') || undefined;
}

const READERS: Readonly<Record<string, (body: Body) => Incoming>> = {
  welcome: (body) => {
    const limits = new Body(
      'welcome.limits',
      body.maybe('limits', (v) => (isFields(v) ? v : undefined)) ?? {},
    );
    return {
      name: 'welcome',
      cluster: body.text('cluster'),
      node: body.text('node'),
      leader: leaderIn(body),
      commandBytes: limits.integer('commandBytes'),
      inFlight: limits.integer('inFlight'),
    };
  },
  proposed: (body) => ({
    name: 'proposed',
    id: body.positive('id'),
    index: body.positive('index'),
    term: body.integer('term'),
    result: body.maybe('result', asBytes),
    duplicate: body.maybe('duplicate', asFlag) ?? false,
    resultLost: body.maybe('resultLost', asFlag) ?? false,
  }),
  readReady: (body) => ({ name: 'readReady', id: body.positive('id'), index: body.integer('index') }),
  sessionOpened: (body) => ({
    name: 'sessionOpened',
    id: body.positive('id'),
    session: body.positive('session'),
  }),
  sessionKept: (body) => ({ name: 'sessionKept', id: body.positive('id') }),
  sessionClosed: (body) => ({ name: 'sessionClosed', id: body.positive('id') }),
  pong: (body) => ({ name: 'pong', id: body.integer('id') }),
  roleChanged: (body) => ({ name: 'roleChanged', leader: leaderIn(body) }),
  pressure: (body) => ({ name: 'pressure', level: body.maybe('level', asPressure) ?? 'OK' }),
  sessionExpired: (body) => ({ name: 'sessionExpired', session: body.integer('session') }),
  goodbye: (body) => ({ name: 'goodbye', reason: body.text('reason') }),
  error: (body) => ({
    name: 'error',
    id: body.integer('id') || undefined,
    error: errorOf({
      code: body.text('code') || 'INTERNAL',
      // Who does not say that nothing happened has not said it.
      definite: body.maybe('definite', asFlag) ?? false,
      message: body.text('message'),
      leader: leaderIn(body),
      retryAfterMs: body.maybe('retryAfterMs', asInteger),
    }),
  }),
};
