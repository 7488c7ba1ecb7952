/**
 * Numbers and times as the page writes them.
 *
 * MUST: be the only place that does, so that every view says the same.
 */
import type { Lag } from '../../shared/inspect.ts';
import { text } from './strings.ts';

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/** 1,204,331 */
export function count(value: number): string {
  return grouped.format(value);
}

/** A length of time: 3 ms, 1.2 s, 4 min. */
export function duration(ms: number): string {
  if (ms < 1) return `${grouped.format(ms)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${grouped.format(ms / 1_000)} s`;
  return `${grouped.format(ms / 60_000)} min`;
}

/** Clock time of the reader's zone, to the millisecond. */
export function clock(at: number): string {
  const date = new Date(at);
  const pad = (value: number, width = 2) => String(value).padStart(width, '0');
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
}

export function lagText(lag: Lag | undefined): string {
  if (lag === undefined) return text('unknown');
  return lag.entries === 0 ? text('noLag') : text('lag', count(lag.entries), duration(lag.ms));
}
