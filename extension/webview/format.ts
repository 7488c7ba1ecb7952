/** A lag as the page writes it. */
import type { Lag } from '../../shared/inspect.ts';
import { count, duration } from '../../shared/wording.ts';
import { text } from './strings.ts';

export function lagText(lag: Lag | undefined): string {
  if (lag === undefined) return text('unknown');
  return lag.entries === 0 ? text('noLag') : text('lag', count(lag.entries), duration(lag.ms));
}
