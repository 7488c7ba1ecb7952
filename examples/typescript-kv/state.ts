/**
 * The state of the key-value app, and what a command does to it: the part that every copy must do alike.
 *
 * MUST: be deterministic: no clock, no chance, no files. A command that makes no sense is answered, never a crash: it is in the log
 * for good. MUST: make the same hash and the same snapshot as the copies in other languages (examples/python-kv).
 */
import { createHash } from 'node:crypto';

/** Of snapshots: one JSON object, its keys in order, the same bytes in every language. */
export const FORMAT = 'kv-json-1';
const BITS = 128;

export type Answer = { readonly existed: boolean } | { readonly error: string };

export class State {
  readonly #values: Map<string, string>;
  /** The sum of a mark per entry: it costs the same for each change, however large the state is. */
  #sum: bigint;

  constructor(values: ReadonlyMap<string, string> = new Map()) {
    this.#values = new Map(values);
    this.#sum = [...values].reduce((sum, [key, value]) => sum + mark(key, value), 0n);
  }

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  /** Does one command of the log. */
  execute(command: Uint8Array): Answer {
    const request = strings(command);
    const operation = request?.get('op');
    const key = request?.get('key');
    if (key === undefined || (operation !== 'put' && operation !== 'delete'))
      return { error: 'not a command of this app' };
    const before = this.#values.get(key);
    this.#sum -= mark(key, before);
    const value = operation === 'put' ? (request?.get('value') ?? '') : undefined;
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
    this.#sum += mark(key, value);
    return { existed: before !== undefined };
  }

  /** What this state is like, in 16 bytes. */
  hash(): Uint8Array {
    return Buffer.from(BigInt.asUintN(BITS, this.#sum).toString(16).padStart(32, '0'), 'hex');
  }

  /** All of it as JSON. Made by hand: an object would move keys that look like numbers to the front. */
  text(): string {
    // The order of UTF-8 bytes is that of code points, as everywhere but in JavaScript's own comparison.
    const sorted = [...this.#values]
      .map(([key, value]) => ({ key, value, order: Buffer.from(key) }))
      .sort((a, b) => Buffer.compare(a.order, b.order));
    return `{${sorted.map(({ key, value }) => `${quote(key)}: ${quote(value)}`).join(', ')}}`;
  }
}

/** Reads what `text` wrote. Throws Error for anything else. */
export function stateFrom(data: Uint8Array): State {
  const values = strings(data);
  if (values === undefined) throw new Error('not a JSON object of texts');
  return new State(values);
}

function mark(key: string, value: string | undefined): bigint {
  if (value === undefined) return 0n;
  const digest = createHash('sha256')
    .update(`[${quote(key)}, ${quote(value)}]`)
    .digest('hex');
  return BigInt(`0x${digest.slice(0, 32)}`);
}

/** JSON in ASCII alone, which looks the same in all languages. */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * The members of a JSON object that are all texts; undefined for anything else. So strict because copies in other languages must
 * refuse the same: parsers differ in what they make of numbers, of half a surrogate pair, and of anything that is not UTF-8.
 */
function strings(data: Uint8Array): Map<string, string> | undefined {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
    parsed = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  const members = Object.entries(parsed).filter(
    (member): member is [string, string] => isWhole(member[0]) && isWhole(member[1]),
  );
  return members.length === Object.keys(parsed).length && hasOnlyTexts(text) ? new Map(members) : undefined;
}

/** Of two members with one name the parser shows only the last: whether this JSON has anything but texts, its own braces aside. */
function hasOnlyTexts(json: string): boolean {
  let isInside = false;
  let objects = 0;
  for (let at = 0; at < json.length; at++) {
    const unit = json.charAt(at);
    if (isInside && unit === '\\') at++;
    else if (unit === '"') isInside = !isInside;
    else if (isInside) continue;
    else if (unit === '{') objects++;
    else if (!' \t\r\n:,}'.includes(unit)) return false;
  }
  return objects === 1;
}

function isWhole(value: unknown): value is string {
  return typeof value === 'string' && !/\p{Surrogate}/u.test(value);
}
