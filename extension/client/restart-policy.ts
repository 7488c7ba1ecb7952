/**
 * How often and how soon a crashed aggregator is started again.
 *
 * MUST: be pure; give up where it crashes again and again, so that a bug does not burn a core.
 */
export const RESTART_LIMITS = {
  /** Restarts within `withinMs`. Then no more, until somebody asks for something. */
  restarts: 5,
  withinMs: 180_000,
  /** Pause before the first restart; doubled each time up to the last. */
  firstMs: 100,
  lastMs: 5_000,
} as const;

export class RestartPolicy {
  #restarts: number[] = [];

  /** It ended at `now` (ms, any clock that goes on). Returns the pause before the next start, undefined: give up. */
  next(now: number): number | undefined {
    this.#restarts = this.#restarts.filter((at) => now - at < RESTART_LIMITS.withinMs);
    if (this.#restarts.length >= RESTART_LIMITS.restarts) return undefined;
    const pause = RESTART_LIMITS.firstMs * 2 ** this.#restarts.length;
    this.#restarts.push(now);
    return Math.min(pause, RESTART_LIMITS.lastMs);
  }

  /** Somebody asked for a new start: what was does not count any more. */
  reset(): void {
    this.#restarts = [];
  }
}
