/**
 * The wall clock of records: milliseconds since the epoch with fractions, from the monotonic clock.
 *
 * MUST: go forward between two calls as the monotonic clock does, so that differences of times are true, unless somebody
 * sets the machine's clock: then `follow` goes along.
 */

/** The two clocks may drift apart by this before `follow` takes the machine's. */
const DRIFT_MS = 50;

export class RecordClock {
  #offset = performance.timeOrigin;

  /** The wall clock at `monotonic`, a time of `performance.now()`. */
  at(monotonic: number): number {
    return this.#offset + monotonic;
  }

  now(): number {
    return this.#offset + performance.now();
  }

  /** Call now and then: follows a machine's clock that was set, or that went on while the machine slept. */
  follow(): void {
    const offset = Date.now() - performance.now();
    if (Math.abs(offset - this.#offset) > DRIFT_MS) this.#offset = offset;
  }
}
