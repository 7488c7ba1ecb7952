/**
 * Who waits until an index is committed here.
 *
 * MUST: answer each exactly once: when it is committed, or when its time is over.
 */
interface Waiter {
  readonly index: number;
  readonly done: () => void;
}

export class CommitWaiters {
  /** One per connection that catches up, so there are no more of them than connections. */
  #waiting: Waiter[] = [];

  /** Resolves true once `index` is committed, false after `timeoutMs`. */
  wait(index: number, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const waiter: Waiter = {
        index,
        done: () => {
          clearTimeout(timer);
          resolve(true);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        resolve(false);
      }, timeoutMs);
      this.#waiting.push(waiter);
    });
  }

  committed(through: number): void {
    if (this.#waiting.length === 0) return;
    const ready = this.#waiting.filter((waiter) => waiter.index <= through);
    this.#waiting = this.#waiting.filter((waiter) => waiter.index > through);
    for (const waiter of ready) waiter.done();
  }
}
