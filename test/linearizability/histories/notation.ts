/**
 * Histories written by hand, one operation a line:
 *
 *   CLIENT FROM-TO COMMAND → SEEN
 *
 * FROM and TO are times; TO is `?` when nobody knows what came of it. COMMAND is `get`, `put V`, `append V`, `add N`,
 * `cas @VERSION V` or `delete`, with `KEY:` before it where the key is not `k`. SEEN is `failed`, or any of: `v3` (version),
 * `=V` (the value after it), `none` (no value after it), `new` and `old` (there was none, there was one, before it), `done`
 * and `not-done`. No SEEN: it happened, and nothing was seen of it.
 */
import type { Command, Operation, Outcome, Seen } from '../history.ts';

export interface Example {
  readonly name: string;
  /** What it shows. */
  readonly why: string;
  readonly lines: readonly string[];
}

const LINE = /^(\S+) (\d+)-(\d+|\?) (?:(\w+):)?(.+?)(?: → (.+))?$/;

export function history(lines: readonly string[]): Operation[] {
  return lines.map((line, at) => {
    const [, client = '', from = '', to = '', key = 'k', command = '', seen = ''] =
      LINE.exec(line) ?? refuse(line);
    return {
      client,
      key,
      id: `o${at}`,
      command: commandOf(command, line),
      call: BigInt(from),
      return: to === '?' ? undefined : BigInt(to),
      outcome: to === '?' ? { kind: 'unknown' } : outcomeOf(seen, line),
    };
  });
}

function commandOf(text: string, line: string): Command {
  const [type, first = '', second = ''] = text.split(' ');
  switch (type) {
    case 'get':
    case 'delete':
      return { type };
    case 'put':
    case 'append':
      return { type, value: first };
    case 'add':
      return { type, delta: Number(first) };
    case 'cas':
      return { type, version: Number(first.slice(1)), value: second };
    default:
      return refuse(line);
  }
}

function outcomeOf(text: string, line: string): Outcome {
  if (text === 'failed') return { kind: 'failed' };
  const seen = text === '' ? [] : text.split(' ').map((word) => seenOf(word, line));
  return { kind: 'ok', seen: Object.assign({}, ...seen) as Seen };
}

function seenOf(word: string, line: string): Seen {
  if (/^v\d+$/.test(word)) return { version: Number(word.slice(1)) };
  if (word.startsWith('=')) return { value: word.slice(1) };
  switch (word) {
    case 'none':
      return { value: null };
    case 'new':
      return { existed: false };
    case 'old':
      return { existed: true };
    case 'done':
      return { done: true };
    case 'not-done':
      return { done: false };
    default:
      return refuse(line);
  }
}

function refuse(line: string): never {
  throw new SyntaxError(`cannot be read as an operation: ${line}`);
}
