/**
 * Small checks of unknown values: what comes in is used only after one of these said what it is.
 *
 * MUST: be pure and never throw. MUST NOT: grow into a library: the page has a budget.
 */

export type Guard<T> = (value: unknown) => value is T;

export const isText: Guard<string> = (value) => typeof value === 'string';
export const isFlag: Guard<boolean> = (value) => typeof value === 'boolean';
/** Any finite number: times, rates. */
export const isNumber: Guard<number> = (value): value is number => Number.isFinite(value);
/** An index, a term or a count: a whole number from 0 to 2^53 - 1. */
export const isIndex: Guard<number> = (value): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
export const isAnything: Guard<unknown> = (_value): _value is unknown => true;

/** One of these words. */
export function oneOf<T extends string>(words: readonly T[]): Guard<T> {
  const known: ReadonlySet<string> = new Set(words);
  return (value): value is T => typeof value === 'string' && known.has(value);
}

export function listOf<T>(item: Guard<T>, atMost: number): Guard<readonly T[]> {
  return (value): value is readonly T[] =>
    Array.isArray(value) && value.length <= atMost && value.every((one) => item(one));
}

export function orNull<T>(guard: Guard<T>): Guard<T | null> {
  return (value): value is T | null => value === null || guard(value);
}

/** For a field that may be absent. */
export function optional<T>(guard: Guard<T>): Guard<T> {
  return (value): value is T => value === undefined || guard(value);
}

/** An object with at least these fields; others are ignored, so that a newer host can say more. */
export function shape<T extends object>(fields: { readonly [K in keyof T]-?: Guard<T[K]> }): Guard<T> {
  const checks: [string, Guard<unknown>][] = Object.entries(fields);
  return (value): value is T =>
    isObject(value) && checks.every(([name, check]) => check(Reflect.get(value, name)));
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
