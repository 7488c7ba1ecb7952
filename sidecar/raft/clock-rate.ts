/**
 * Does a follower's clock run within the bound of ours? A lease is a promise kept by the follower's clock and counted on
 * ours: a follower whose clock is faster votes for somebody else while we still trust it.
 *
 * Each answer to a heartbeat carries the follower's clock, read some time between our sending and our receiving. Two of
 * them say how far its clock went, and between what limits ours did meanwhile. Only proof counts: what cannot be told
 * apart from a clock that is too fast is no proof.
 *
 * MUST: be pure. MAY: be late to notice a clock that changes its rate: by a third of a window where it becomes twice as
 * fast, by two windows where it passes the bound by little (and then the lease is wrong by little).
 */

export interface ClockReading {
  /** On our clock. */
  readonly sentAt: number;
  readonly receivedAt: number;
  /** On theirs, whole milliseconds. */
  readonly clockMs: number;
}

/** What cutting a reading down to whole milliseconds can hide. */
const ROUNDING_MS = 1;

export class ClockRate {
  readonly #bound: number;
  readonly #windowMs: number;
  /** The comparison is with this one. */
  #from: ClockReading | undefined;
  /** On our clock; -Infinity while nothing is proven. */
  #provenAt = Number.NEGATIVE_INFINITY;

  /** `bound`: see LeaseConfig. `windowMs`: no comparison spans more than about this, and a proof is good for so long. */
  constructor(bound: number, windowMs: number) {
    this.#bound = bound;
    this.#windowMs = windowMs;
  }

  /** Was it proven lately? */
  holds(now: number): boolean {
    return now - this.#provenAt <= this.#windowMs;
  }

  /** Readings come in the order in which we asked for them. */
  add(reading: ClockReading): void {
    const from = this.#from;
    if (from === undefined || reading.clockMs < from.clockMs) {
      // Its clock began anew: another life of that node.
      this.#beginAt(reading);
      return;
    }
    const theirs = reading.clockMs - from.clockMs;
    const oursAtLeast = reading.sentAt - from.receivedAt;
    const oursAtMost = reading.receivedAt - from.sentAt;
    const share = 1 - this.#bound;
    if ((theirs + ROUNDING_MS) * share <= oursAtLeast) {
      this.#provenAt = reading.receivedAt;
      if (oursAtMost >= this.#windowMs) this.#from = reading;
    } else if ((theirs - ROUNDING_MS) * share > oursAtMost) {
      // Faster for certain; or our own clock stood still (the machine was suspended).
      this.#beginAt(reading);
    } else if (oursAtMost >= this.#windowMs) {
      this.#from = reading;
    }
  }

  #beginAt(reading: ClockReading): void {
    this.#from = reading;
    this.#provenAt = Number.NEGATIVE_INFINITY;
  }
}
