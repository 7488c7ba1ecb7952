/**
 * JSON and plain text.
 *
 * MUST: show JSON as it was written: numbers keep their digits, duplicate keys stay, nothing is rounded or merged.
 */
import { isUtf8 } from 'node:buffer';
import { DECODE_LIMITS } from './limits.ts';
import { TreeWriter } from './tree-writer.ts';
import type { Outcome, Shown, Wanted } from './types.ts';

/** Control characters that readable text has. Escape is one: it is shown as an escape, not obeyed. */
const COMMON_CONTROLS = '\t\n\r\u001b';

/** The bytes as text; undefined when they are not UTF-8. Of more than `guessBytes` (unless `whole`), the head. */
export function utf8Text(bytes: Uint8Array, whole = false): string | undefined {
  let end = bytes.length;
  if (!whole && end > DECODE_LIMITS.guessBytes) {
    end = DECODE_LIMITS.guessBytes;
    // Not through the middle of a character: back to before its first byte.
    for (let back = 0; back < 3 && ((bytes[end] ?? 0) & 0xc0) === 0x80; back += 1) end -= 1;
  }
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, end);
  return isUtf8(head) ? head.toString('utf8') : undefined;
}

/** Text that people can read. `size`: bytes of the whole payload, of which `text` may be the head. */
export function printable(text: string | undefined, size: number): Outcome {
  if (text === undefined) return { why: 'it is not valid UTF-8' };
  for (const control of text.matchAll(/\p{Cc}/gu)) {
    if (COMMON_CONTROLS.includes(control[0])) continue;
    const code = control[0].charCodeAt(0).toString(16).padStart(2, '0');
    return { why: `it has the control character 0x${code} at character ${control.index}` };
  }
  if (size <= DECODE_LIMITS.guessBytes) return { line: text, text };
  // The note must survive the cut that follows.
  const note = `\n… (${size} bytes in all; this is the beginning)`;
  const head = text.slice(0, DECODE_LIMITS.textChars - note.length);
  return { line: text.slice(0, DECODE_LIMITS.lineChars + 1), text: head + note };
}

/** JSON, laid out anew. */
export function json(text: string | undefined, wanted: Wanted): Outcome {
  if (text === undefined) return { why: 'it is not valid UTF-8' };
  const first = text.trimStart().charAt(0);
  if (!'[{"-0123456789tfn'.includes(first))
    return { why: `it begins with ${JSON.stringify(first)}, as no JSON does` };
  try {
    JSON.parse(text);
  } catch (error) {
    return { why: `it is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  return layOut(text, wanted);
}

/** Text that is known to be JSON, written on one line and indented. Copies tokens, so that they stay as they were. */
function layOut(text: string, wanted: Wanted): Shown {
  const writer = new TreeWriter(wanted, 'COMMAS');
  /** The next token begins an element or a key. */
  let begins = true;
  for (let at = 0; at < text.length && !writer.full; ) {
    const end = tokenEnd(text, at);
    const token = text.slice(at, end);
    at = end;
    if (token.trim() === '') continue;
    if (token === ',') {
      begins = true;
    } else if (token === ':') {
      writer.write(': ');
    } else if (token === ']' || token === '}') {
      writer.close(token);
      begins = false;
    } else {
      if (begins) writer.next();
      begins = token === '[' || token === '{';
      if (begins) writer.open(token);
      else writer.write(token);
    }
  }
  return writer.shown();
}

const PUNCTUATION = '[]{},:';
const BLANK_OR_PUNCTUATION = /[\s[\]{},:]/g;

function tokenEnd(text: string, from: number): number {
  const first = text.charAt(from);
  if (PUNCTUATION.includes(first) || first.trim() === '') return from + 1;
  if (first === '"') {
    for (let at = from + 1; at < text.length; at += 1) {
      const char = text.charCodeAt(at);
      if (char === 0x5c) at += 1;
      else if (char === 0x22) return at + 1;
    }
    return text.length;
  }
  BLANK_OR_PUNCTUATION.lastIndex = from;
  return BLANK_OR_PUNCTUATION.exec(text)?.index ?? text.length;
}
