/**
 * Writes a tree of values twice in one pass: on one line, and indented over several.
 *
 * MUST: never build an object out of a payload (so no key can reach a prototype, and duplicate keys stay visible); stop
 * growing when both are full.
 */
import { DECODE_LIMITS } from './limits.ts';
import type { Shown, Wanted } from './types.ts';

/** `COMMAS`: as JSON. `FIELDS`: as protobuf's text format, one field after the other. */
export type TreeStyle = 'COMMAS' | 'FIELDS';

export class TreeWriter {
  readonly #textRoom: number;
  readonly #comma: string;
  /** Between a bracket and what it holds, on one line. */
  readonly #padding: string;
  #line = '';
  #text = '';
  #depth = 0;
  /** Nothing has been written into the container that is open. */
  #fresh = true;

  constructor(wanted: Wanted, style: TreeStyle) {
    this.#textRoom = wanted === 'TEXT' ? DECODE_LIMITS.textChars : -1;
    this.#comma = style === 'COMMAS' ? ',' : '';
    this.#padding = style === 'COMMAS' ? '' : ' ';
  }

  /** What is written from here on will not be seen: readers need not make text of it. */
  get full(): boolean {
    return this.#line.length > DECODE_LIMITS.lineChars && this.#text.length > this.#textRoom;
  }

  /** Before each element, key or field of the container that is open. */
  next(): void {
    if (!this.full) {
      const indent = `\n${'  '.repeat(this.#depth)}`;
      if (!this.#fresh) this.#add(`${this.#comma} `, `${this.#comma}${indent}`);
      else if (this.#depth > 0) this.#add(this.#padding, indent);
    }
    this.#fresh = false;
  }

  /** Part of a value, of a key, or what stands between them. */
  write(text: string): void {
    this.#add(text, text);
  }

  open(bracket: string): void {
    this.write(bracket);
    this.#depth += 1;
    this.#fresh = true;
  }

  close(bracket: string): void {
    this.#depth -= 1;
    if (this.#fresh) this.write(bracket);
    else if (!this.full) {
      this.#add(`${this.#padding}${bracket}`, `\n${'  '.repeat(this.#depth)}${bracket}`);
    }
    this.#fresh = false;
  }

  /** Not yet safe to show. */
  shown(): Shown {
    return { line: this.#line, text: this.#text };
  }

  #add(line: string, text: string): void {
    if (this.#line.length <= DECODE_LIMITS.lineChars) this.#line += line;
    if (this.#text.length <= this.#textRoom) this.#text += text;
  }
}

/** A string as JSON writes it. */
export function quoted(text: string): string {
  return JSON.stringify(
    text.length > DECODE_LIMITS.textChars ? text.slice(0, DECODE_LIMITS.textChars) : text,
  );
}

/** Bytes as CBOR's diagnostic notation writes them, cut when long. */
export function bytesText(bytes: Uint8Array): string {
  const shown = bytes.subarray(0, DECODE_LIMITS.shownBytes);
  const rest = bytes.length > shown.length ? `… (${bytes.length} bytes)` : '';
  return `h'${Buffer.from(shown.buffer, shown.byteOffset, shown.length).toString('hex')}'${rest}`;
}

/** A number as a reader expects it: `-0`, `NaN` and `Infinity` too. */
export function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}
