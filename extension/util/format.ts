/**
 * Numbers as people read them in trees, tooltips and the status bar.
 *
 * MUST: be pure; name the unit.
 */

const COUNT = new Intl.NumberFormat('en-US');

/** `1204331` → `1,204,331`. */
export function count(value: number): string {
  return COUNT.format(value);
}

/** A duration in ms, with two digits that matter: `40 ms`, `1.2 s`, `12 s`, `3 min`, `2 h`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(Math.max(0, ms))} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 59_500) return `${Math.round(ms / 1_000)} s`;
  if (ms < 59.5 * 60_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

/** Wall clock with milliseconds, local time: `14:03:07.042`. */
export function clock(at: number): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  const milliseconds = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}`;
}

/** `1 problem`, `2 problems`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}
