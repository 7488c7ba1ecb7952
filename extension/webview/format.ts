/** A lag as the page writes it. */
import type { Lag } from '../../shared/inspect.ts';
import { count, duration } from '../../shared/wording.ts';
import { text } from './strings.ts';

export function lagText(lag: Lag | undefined): string {
  if (lag === undefined) return text('unknown');
  if (lag.entries === 0) return text('noLag');
  const ms = duration(lag.ms);
  return lag.entries === 1 ? text('lagOne', ms) : text('lag', count(lag.entries), ms);
}
