/** The commands that apps are given: of the key-value app of examples/, or those that the user brings for another app. */
import { LIMITS } from '../../shared/limits.ts';
import type { Workload } from './contract.ts';
import { kvCommand } from './kv.ts';

const KEYS = 7;
/** A linear congruential generator (Numerical Recipes): the same commands in every run. */
const MULTIPLIER = 1_664_525;
const INCREMENT = 1_013_904_223;
const MODULUS = 2 ** 32;
const DELETES = 0.3;

/** Puts and deletes of few keys, so that most results say something about what was before. */
export function kvWorkload(): Workload {
  let seed = 5;
  let count = 0;
  const chance = (): number => {
    seed = (seed * MULTIPLIER + INCREMENT) % MODULUS;
    return seed / MODULUS;
  };
  return {
    kind: 'kv',
    next: () => {
      count += 1;
      const key = `k${Math.floor(chance() * KEYS)}`;
      return chance() < DELETES
        ? kvCommand({ op: 'delete', key })
        : kvCommand({ op: 'put', key, value: `v${count}` });
    },
  };
}

/** The user's commands, over and over. */
export function opaqueWorkload(commands: readonly Buffer[]): Workload {
  let at = 0;
  return {
    kind: 'opaque',
    next: () => {
      const command = commands[at % commands.length] as Buffer;
      at += 1;
      return command;
    },
  };
}

export function many(workload: Workload, count: number): Buffer[] {
  return Array.from({ length: count }, () => workload.next());
}

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
/** In base64 all of its alphabet, `+` and `/` included. */
const ALL_BASE64 = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'base64');

/** Commands that no app knows. It must answer them, and go on. */
export function nonsense(kind: Workload['kind']): Buffer[] {
  const any = [Buffer.of(), Buffer.of(0), ALL_BYTES, Buffer.from('\xff\xfe', 'latin1'), ALL_BASE64];
  if (kind === 'opaque') return any;
  const texts = [
    ...[
      'null',
      '17',
      '"put"',
      '[]',
      '{}',
      '{',
      '[[[[',
      '{"op":"put"}',
      '{"op":"put","key":null,"value":"x"}',
    ],
    ...['{"op":"put","key":5,"value":"x"}', '{"op":"put","key":"k","value":5}', '{"op":"drop","key":"k1"}'],
    ...['{"op":["put"],"key":"k1","value":"x"}', '{"op":"put","key":"k1","value":{}}', 'put k1 x'],
    `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
  ];
  return [...any, ...texts.map((text) => Buffer.from(text))];
}

const TEXTS = [
  ...[
    '',
    ' ',
    'a',
    'ab',
    'abc',
    'abcd',
    '"',
    '\\',
    '\\"',
    '\\n',
    "'",
    '\n',
    '\r\n',
    '\t',
    '\0',
    '\x7f',
    '</script>',
  ],
  ...[
    'é',
    'e\u0301',
    'ß',
    'Ω',
    '日本語',
    '🦀',
    '👩‍👩‍👧',
    '\u2028\u2029',
    '\ufeffbom',
    '\u202egnirts',
    '\uffff',
    '\u{10ffff}',
  ],
  ...['%00%2F', '../..', 'a b', '{"a":1}', 'null', '0', '1e400', '+', '\u0080\u00ff'],
  Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join(''),
];

/** Commands whose bytes get lost where somebody takes them for something else than they are. */
export function peculiar(kind: Workload['kind']): Buffer[] {
  if (kind === 'opaque') {
    const lengths = [1, 2, 3, 4, 255, 256].map((length) => ALL_BYTES.subarray(0, length));
    return [...lengths, ALL_BASE64, ...TEXTS.map((text) => Buffer.from(text))];
  }
  return TEXTS.flatMap((text, at) => [
    kvCommand({ op: 'put', key: `t${at}`, value: text }),
    kvCommand({ op: 'put', key: text, value: `t${at}` }),
    // The same text, written as JSON also may be: every unit an escape.
    Buffer.from(`{ "op" : "put" , "value" : "${escaped(text)}" , "key" : "e${at}" }`),
  ]);
}

function escaped(text: string): string {
  return Array.from({ length: text.length }, (_, at) => {
    return `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`;
  }).join('');
}

/** As long as a command may be. */
export function largest(kind: Workload['kind']): Buffer {
  if (kind === 'opaque') return Buffer.alloc(LIMITS.commandBytes, ALL_BYTES);
  const around = kvCommand({ op: 'put', key: 'large', value: '' }).length;
  return kvCommand({ op: 'put', key: 'large', value: 'x'.repeat(LIMITS.commandBytes - around) });
}

/** The user's file: one command a line, text or base64. Throws RangeError with one sentence. */
export function readCommands(text: string, base64: boolean): Buffer[] {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0) throw new RangeError('it has no line');
  return lines.map((line, at) => {
    const command = base64 ? Buffer.from(line, 'base64') : Buffer.from(line);
    if (base64 && command.toString('base64') !== line) {
      throw new RangeError(`line ${at + 1} is not standard base64 with padding`);
    }
    if (command.length > LIMITS.commandBytes) {
      throw new RangeError(`line ${at + 1} is longer than a command may be (${LIMITS.commandBytes} bytes)`);
    }
    return command;
  });
}
