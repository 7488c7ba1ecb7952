/**
 * Why a history is not linearizable, as a text that a person can follow: how far the operations of a key could be ordered,
 * the state there, and why none of those that could come next fits.
 *
 * MUST: be short however long the history is.
 */
import type { Judgement, KeyVerdict } from './check.ts';
import { type Command, compare, type Operation, type Result, type Seen } from './history.ts';
import { agrees, EMPTY, type KeyState, run } from './model.ts';

/** Operations shown of the order that was possible, and of those that could have come next. */
const SHOWN = 8;
const VALUE_CHARS = 40;
/** Where many keys are wrong, they are wrong for one reason. */
const KEYS = 3;

/** The text about the keys that are not legal; '' when all are. Those that are surely wrong come first. */
export function explain({ keys }: Judgement): string {
  const wrong = keys.filter(({ verdict }) => verdict === 'ILLEGAL');
  const all = [...wrong, ...keys.filter(({ verdict }) => verdict === 'UNDECIDED')];
  const more = all.length > KEYS ? [`(${all.length - KEYS} more keys)`] : [];
  return [...all.slice(0, KEYS).map(explainKey), ...more].join('\n');
}

function explainKey({ key, verdict, operations, longest, configurations }: KeyVerdict): string {
  if (verdict === 'UNDECIDED')
    return `key ${key}: undecided after ${configurations} configurations of its ${operations.length} operations`;
  const origin = operations.reduce(
    (first, { call }) => (call < first ? call : first),
    operations[0]?.call ?? 0n,
  );
  const ordered = new Set(longest);
  const left = operations.filter((operation) => !ordered.has(operation));
  const returned = left.filter((operation) => operation.return !== undefined);
  returned.sort((a, b) => compare(a.return ?? 0n, b.return ?? 0n));
  const [stuck] = returned;
  if (stuck === undefined) return `key ${key}: not linearizable`;
  const state = longest.reduce<KeyState>((at, { command }) => run(at, command).state, EMPTY);
  const candidates = left.filter(({ call }) => call <= (stuck.return ?? call));
  const line = (operation: Operation): string => `    ${describe(operation, origin)}`;
  return [
    `key ${key}: not linearizable. Of its ${operations.length} operations ${longest.length} can be put into an order, and then`,
    `  ${describe(stuck, origin)}`,
    '  has no place.',
    ...some('  The end of that order:', longest.slice(-SHOWN).map(line), longest.length),
    `  There the key is at ${describeState(state)}. What could come next:`,
    ...some(
      '',
      candidates.slice(0, SHOWN).map((one) => `${line(one)}: ${objection(state, one)}`),
      candidates.length,
    ),
  ].join('\n');
}

function some(title: string, lines: readonly string[], all: number): string[] {
  const more = all > lines.length ? [`    (${all - lines.length} more)`] : [];
  return title === '' ? [...lines, ...more] : [title, ...more, ...lines];
}

/** Why `operation` cannot come next, where it cannot. */
function objection(state: KeyState, { command, outcome }: Operation): string {
  const { result } = run(state, command);
  if (outcome.kind !== 'ok') return 'possible, and leads nowhere';
  if (agrees(outcome.seen, result)) return 'fits here, and leads nowhere';
  return `would show ${describeSeen(pick(result, outcome.seen))}`;
}

function pick(result: Result, { version, value, existed, done }: Seen): Seen {
  return {
    ...(version === undefined ? {} : { version: result.version }),
    ...(value === undefined ? {} : { value: result.value }),
    ...(existed === undefined ? {} : { existed: result.existed }),
    ...(done === undefined ? {} : { done: result.done }),
  };
}

/** One line: who, when (ms since the first call), what, and what was seen. */
export function describe(operation: Operation, origin: bigint): string {
  const { client, id, command, call, outcome } = operation;
  const end = operation.return === undefined ? '…' : ms(operation.return - origin);
  const seen = outcome.kind === 'ok' ? describeSeen(outcome.seen) : outcome.kind;
  return `${id} by ${client} [${ms(call - origin)}, ${end}] ${describeCommand(command)} → ${seen}`;
}

function ms(ns: bigint): string {
  return `${(Number(ns) / 1e6).toFixed(3)} ms`;
}

function describeCommand(command: Command): string {
  switch (command.type) {
    case 'get':
    case 'delete':
      return command.type;
    case 'put':
    case 'append':
      return `${command.type} ${quoted(command.value)}`;
    case 'add':
      return `add ${command.delta}`;
    case 'cas':
      return `cas at ${command.version} ${quoted(command.value)}`;
  }
}

function describeSeen({ version, value, existed, done }: Seen): string {
  const parts = [
    ...(version === undefined ? [] : [`version ${version}`]),
    ...(value === undefined ? [] : [value === null ? 'no value' : quoted(value)]),
    ...(existed === undefined ? [] : [existed ? 'there was a value' : 'there was none']),
    ...(done === undefined ? [] : [done ? 'done' : 'not done']),
  ];
  return parts.length === 0 ? 'ok' : parts.join(', ');
}

function describeState({ version, value }: KeyState): string {
  return describeSeen({ version, value });
}

/** The newest end of a long value tells more than its beginning. */
function quoted(value: string): string {
  return JSON.stringify(value.length > VALUE_CHARS ? `…${value.slice(-VALUE_CHARS)}` : value);
}
