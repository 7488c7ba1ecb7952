/**
 * Runs something soon, but not more often than allowed: the first call at once, what comes too early together later.
 *
 * MUST: lose nothing (after the last call it runs once more); keep one timer at most.
 */
export interface Timers {
  now(): number;
  /** Returns how to call it off. */
  after(ms: number, run: () => void): () => void;
}

export const realTimers: Timers = {
  now: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export class Coalescer {
  readonly #run: () => void;
  readonly #minMs: number;
  readonly #timers: Timers;
  #last = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;

  /** `minMs`: at least so long between two runs. */
  constructor(run: () => void, minMs: number, timers: Timers = realTimers) {
    this.#run = run;
    this.#minMs = minMs;
    this.#timers = timers;
  }

  trigger(): void {
    if (this.#cancel !== undefined) return;
    const wait = this.#last + this.#minMs - this.#timers.now();
    if (wait <= 0) this.now();
    else this.#cancel = this.#timers.after(wait, () => this.now());
  }

  /** Runs at once, and calls off what was to come. */
  now(): void {
    this.dispose();
    this.#last = this.#timers.now();
    this.#run();
  }

  dispose(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
