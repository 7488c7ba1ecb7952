/** How requests ended, by outcome: plain numbers that are added to on the hot path and read when metrics are scraped. */
import type { ErrorCode } from '../../shared/codes.ts';

export type Outcome = 'OK' | ErrorCode;

export class Tally {
  #counts = new Map<Outcome, number>();

  count(outcome: Outcome, times = 1): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + times);
  }

  /** What came since the last call. */
  take(): ReadonlyMap<Outcome, number> {
    const counts = this.#counts;
    this.#counts = new Map();
    return counts;
  }
}
