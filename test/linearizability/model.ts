/**
 * What one key of `examples/python-kv` does, one operation after the other, with a version that counts its changes, so
 * that a change that came twice, or not at all, is seen by whoever comes next.
 *
 * MUST: be a function: the same state and command give the same state and result; states are never changed in place.
 */
import type { Command, Operation, Result, Seen } from './history.ts';

/** A sequential machine, as the search needs it. */
export interface Model<State> {
  readonly initial: State;
  /** The state after `operation`, or undefined when the machine would not have shown what its client saw. */
  step(state: State, operation: Operation): State | undefined;
  /** Equal for equal states, and only for those. */
  key(state: State): string;
}

export interface KeyState {
  readonly version: number;
  readonly value: string | null;
}

export const EMPTY: KeyState = { version: 0, value: null };

export interface Step {
  readonly state: KeyState;
  readonly result: Result;
}

/** Runs one command. */
export function run(state: KeyState, command: Command): Step {
  const value = changed(state, command);
  const done = value !== undefined || command.type === 'get';
  const next = value === undefined ? state : { version: state.version + 1, value };
  return { state: next, result: { ...next, existed: state.value !== null, done } };
}

/** The value that `command` leaves behind, undefined when it changes nothing. */
function changed({ version, value }: KeyState, command: Command): string | null | undefined {
  switch (command.type) {
    case 'get':
      return undefined;
    case 'put':
      return command.value;
    case 'append':
      return (value ?? '') + command.value;
    case 'add':
      return isWhole(value ?? '0') ? String(Number(value ?? '0') + command.delta) : undefined;
    case 'cas':
      return version === command.version ? command.value : undefined;
    case 'delete':
      return value === null ? undefined : null;
  }
}

function isWhole(text: string): boolean {
  return /^-?\d{1,15}$/.test(text);
}

/** True when `result` shows everything that was seen. */
export function agrees(seen: Seen, result: Result): boolean {
  return (
    (seen.version === undefined || seen.version === result.version) &&
    (seen.value === undefined || seen.value === result.value) &&
    (seen.existed === undefined || seen.existed === result.existed) &&
    (seen.done === undefined || seen.done === result.done)
  );
}

export const KEY_VALUE: Model<KeyState> = {
  initial: EMPTY,
  step(state, { command, outcome }) {
    const step = run(state, command);
    return outcome.kind !== 'ok' || agrees(outcome.seen, step.result) ? step.state : undefined;
  },
  key: ({ version, value }) => (value === null ? `${version}` : `${version}=${value}`),
};
