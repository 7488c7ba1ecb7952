/**
 * Numbers in sentences, the same in every view: durations and counts.
 *
 * MUST: be pure.
 */

/** A duration for a reader: `0 ms`, `240 ms`, `3.2 s`, `4 min`, `2.5 h`. Fractions of a millisecond only below ten. */
export function duration(ms: number): string {
  const abs = Math.abs(ms);
  if (abs < 10) return `${trim(ms, 1)} ms`;
  if (abs < 1_000) return `${Math.round(ms)} ms`;
  if (abs < 120_000) return `${trim(ms / 1_000, 1)} s`;
  if (abs < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${trim(ms / 3_600_000, 1)} h`;
}

function trim(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

/** `1 entry`, `3 entries`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

export function entries(n: number): string {
  return count(n, 'entry', 'entries');
}

/** `n1`, `n1 and n2`, `n1, n2 and n3`. */
export function list(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
