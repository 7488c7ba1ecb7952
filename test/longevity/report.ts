/** Judged figures as text and as data. */
import { table } from '../bench/report.ts';

export interface Figure {
  readonly what: string;
  readonly is: string;
  readonly limit: string;
  readonly kept: boolean;
}

export const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
export const perSecond = (value: number): string => `${Math.round(value).toLocaleString('en-US')}/s`;

/** `is` must be `most` or less. */
export function atMost(what: string, is: number, most: number, text: (value: number) => string): Figure {
  return { what, is: text(is), limit: `≤ ${text(most)}`, kept: is <= most };
}

export function atLeast(what: string, is: number, least: number, text: (value: number) => string): Figure {
  return { what, is: text(is), limit: `≥ ${text(least)}`, kept: is >= least };
}

export function holds(what: string, kept: boolean, is = kept ? 'yes' : 'no'): Figure {
  return { what, is, limit: 'yes', kept };
}

export const told = (what: string, is: string): Figure => ({ what, is, limit: '', kept: true });

export function figureTable(figures: readonly Figure[]): string {
  return table([
    ['figure', 'is', 'limit', ''],
    ...figures.map(({ what, is, limit, kept }) => [
      what,
      is,
      limit,
      limit === '' ? '' : kept ? 'kept' : 'BROKEN',
    ]),
  ]);
}
