/**
 * The figures of the inspector's bench, their limits, and the table that says which of them were met.
 *
 * MUST: count what could not be measured as missed, since a limit that nobody checked is not kept.
 */
import { table } from '../bench/report.ts';

/** What issue 3 promises. */
export const INSPECTOR_LIMITS = {
  /** From the request for a window of a node's log to its text, ms. */
  windowMs: 300,
  /** From the panel's data to the frame that shows the log matrix, ms. */
  paintMs: 200,
  /** What the extension host process grows by, bytes (resident). */
  hostBytes: 100_000_000,
  /** From `activate()` of the extension, its code not yet loaded, to its end, ms. */
  activationMs: 50,
  /** The VSIX that only attaches, bytes. */
  vsixBytes: 2_000_000,
  /** The panel's script as a server sends it (gzip), bytes. */
  bundleBytes: 80_000,
} as const;

export interface Figure {
  readonly name: string;
  /** In `unit`; NaN where it could not be measured. */
  readonly measured: number;
  readonly unit: 'ms' | 'bytes';
  /** The measured value may reach it, not pass it. Undefined: told for information. */
  readonly limit: number | undefined;
  /** The single values behind it, or why there are none. */
  readonly detail: string;
}

export function isMet({ measured, limit }: Figure): boolean {
  return limit === undefined || measured <= limit;
}

/** A figure that could not be measured, and why. */
export function unmeasured(name: string, unit: Figure['unit'], limit: number, why: string): Figure {
  return { name, measured: Number.NaN, unit, limit, detail: why };
}

export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, measured, unit, limit } = figure;
    const verdict = limit === undefined ? '' : isMet(figure) ? 'met' : 'MISSED';
    return [name, amount(measured, unit), limit === undefined ? '' : amount(limit, unit), verdict];
  });
  const details = figures.flatMap(({ name, detail }) => (detail === '' ? [] : `  ${name}: ${detail}`));
  return `${table([['figure', 'measured', 'limit', ''], ...rows])}\n\n${details.join('\n')}`;
}

/** For a person: `12.3 ms`, `81 MB`, `49.1 KB`. */
export function amount(value: number, unit: Figure['unit']): string {
  if (Number.isNaN(value)) return 'not measured';
  if (unit === 'ms') return `${value.toFixed(1)} ms`;
  return Math.abs(value) >= 1e6 ? `${(value / 1e6).toFixed(2)} MB` : `${(value / 1e3).toFixed(1)} KB`;
}

/** `12.3, 14.0, 11.9`: the single values in the order measured. */
export function milliseconds(values: readonly number[]): string {
  return values.map((value) => value.toFixed(1)).join(', ');
}
