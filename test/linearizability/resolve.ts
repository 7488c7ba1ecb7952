/**
 * Settles unknown outcomes by the committed log: what is not in it did not happen, what is in it did, and before anything
 * that comes later in it returned.
 *
 * The log is made by the system that is being checked, so it may settle only what no client was told: an operation whose
 * outcome is known is never removed and never changed. Where the log and a client contradict each other, that is said.
 *
 * MUST: be given the log of a cluster that was stopped and whose logs are all equal; before that, a command that is absent
 * may still appear.
 */
import { isWrite, type Operation } from './history.ts';

export interface LogEntry {
  readonly index: number;
  /** The operation whose command it is. */
  readonly id: string;
}

export interface Resolved {
  readonly history: readonly Operation[];
  /** Unknown writes that are not in the log. */
  readonly removed: number;
  /** Unknown writes that are. */
  readonly confirmed: number;
  /** Where log and clients contradict each other, one sentence each: each is a fault of the system. */
  readonly contradictions: readonly string[];
}

/** `log`: every command of this history, in order of the index. */
export function resolve(history: readonly Operation[], log: readonly LogEntry[]): Resolved {
  const contradictions: string[] = [];
  const indexOf = new Map<string, number>();
  for (const { id, index } of log) {
    const other = indexOf.get(id);
    if (other === undefined) indexOf.set(id, index);
    else contradictions.push(`${id} is in the log twice, at ${other} and ${index}`);
  }
  for (const operation of history) {
    const contradiction = compareWithLog(operation, indexOf.get(operation.id));
    if (contradiction !== undefined) contradictions.push(contradiction);
  }

  const after = returnsAfter(history, log);
  const settled: Operation[] = [];
  let removed = 0;
  let confirmed = 0;
  for (const operation of history) {
    if (operation.outcome.kind !== 'unknown' || !isWrite(operation)) {
      settled.push(operation);
      continue;
    }
    const index = indexOf.get(operation.id);
    if (index === undefined) {
      removed += 1;
      continue;
    }
    confirmed += 1;
    const end = earliest(after.get(operation.id), firstObserved(history, operation));
    if (end !== undefined && end < operation.call) {
      contradictions.push(
        `${operation.id} is at ${index}, before something that returned before it was called`,
      );
    }
    settled.push(end === undefined || end < operation.call ? operation : returned(operation, end));
  }
  return { history: settled, removed, confirmed, contradictions };
}

function compareWithLog({ id, command, outcome }: Operation, index: number | undefined): string | undefined {
  if (command.type === 'get')
    return index === undefined ? undefined : `the read ${id} is in the log at ${index}`;
  if (outcome.kind === 'failed')
    return index === undefined ? undefined : `${id} was refused for good, and is in the log at ${index}`;
  if (outcome.kind === 'unknown') return undefined;
  if (index === undefined) return `${id} was acknowledged, and is not in the log`;
  if (outcome.index === undefined || outcome.index === index) return undefined;
  return `${id} was acknowledged at ${outcome.index}, and is in the log at ${index}`;
}

function returned(operation: Operation, end: bigint): Operation {
  return { ...operation, return: end, outcome: { kind: 'ok', seen: {} } };
}

/** For each command of the log: the earliest return of any that comes later in it. Entries take effect in their order. */
function returnsAfter(history: readonly Operation[], log: readonly LogEntry[]): Map<string, bigint> {
  const returns = new Map(history.map(({ id, return: end }) => [id, end]));
  const after = new Map<string, bigint>();
  let least: bigint | undefined;
  for (const { id } of [...log].sort((a, b) => b.index - a.index)) {
    if (least !== undefined) after.set(id, least);
    least = earliest(least, returns.get(id));
  }
  return after;
}

/** When the first operation returned that saw what `write` wrote. No value may be a part of another one. */
function firstObserved(history: readonly Operation[], write: Operation): bigint | undefined {
  const { command, key } = write;
  if (command.type !== 'put' && command.type !== 'append' && command.type !== 'cas') return undefined;
  let first: bigint | undefined;
  for (const other of history) {
    if (other === write || other.key !== key || other.outcome.kind !== 'ok') continue;
    if (other.outcome.seen.value?.includes(command.value)) first = earliest(first, other.return);
  }
  return first;
}

function earliest(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}
