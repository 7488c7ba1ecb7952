/**
 * The definition of linearizability, taken at its word: tries every order of the operations. Only to check the checker
 * with; more than a handful of operations take for ever.
 *
 * MUST: share nothing with search.ts but the machine.
 */
import type { Operation } from './history.ts';
import { KEY_VALUE, type KeyState } from './model.ts';

/** True when an order exists in which the machine shows what the clients saw. */
export function linearizable(operations: readonly Operation[], state: KeyState = KEY_VALUE.initial): boolean {
  if (operations.every(({ outcome }) => outcome.kind === 'unknown')) return true;
  return operations.some((next) => {
    const rest = operations.filter((other) => other !== next);
    if (rest.some((other) => other.return !== undefined && other.return < next.call)) return false;
    const after = KEY_VALUE.step(state, next);
    return after !== undefined && linearizable(rest, after);
  });
}
