/**
 * Numbers in sentences, the same in every view: durations, counts, clock times.
 *
 * MUST: be pure, and the only place that writes them; name the unit.
 */

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });

/** `1204331` → `1,204,331`. */
export function count(value: number): string {
  return GROUPED.format(value);
}

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

/** Bytes for a reader: `512 bytes`, `24.5 KiB`, `1.2 GiB`. */
export function byteSize(bytes: number): string {
  if (bytes < 1024) return plural(bytes, 'byte');
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${trim(bytes / 1024 ** power, 1)} ${['', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}

/** Wall clock with milliseconds, in the reader's zone: `14:03:07.042`. */
export function clock(at: number): string {
  const date = new Date(at);
  const pad = (value: number, width = 2) => String(value).padStart(width, '0');
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
}

/** `1 node`, `3,000 nodes`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

export function entries(n: number): string {
  return plural(n, 'entry', 'entries');
}

/**
 * A reason of an error as a sentence of its own: `no node of orders answers` → `No node of orders answers.` Reasons begin
 * with no name, but for `n1: …`, which stays as it is.
 */
export function sentence(reason: string): string {
  const begun = /^[a-z]+ /.test(reason) ? reason.charAt(0).toUpperCase() + reason.slice(1) : reason;
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

/** `n1`, `n1 and n2`, `n1, n2 and n3`. */
export function list(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
