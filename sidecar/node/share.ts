/**
 * What one client of this node (a connection, or HTTP as a whole) has open, measured against what is left for all others.
 *
 * MUST: let nobody hold more than what is still free, so that there is always room for one who comes later: n clients that
 * ask without end hold n parts of n + 1, and the last part is free (dynamic thresholds, Choudhury and Hahne 1998).
 */
import { type Refusal, refusal } from '../../shared/codes.ts';
import { LIMITS } from '../../shared/limits.ts';

/** All clients of the node together. */
export interface Everybody {
  readonly requests: number;
  readonly bytes: number;
}

export class Share {
  readonly #everybody: () => Everybody;
  #requests = 0;
  #bytes = 0;

  constructor(everybody: () => Everybody) {
    this.#everybody = everybody;
  }

  get requests(): number {
    return this.#requests;
  }

  /** Why one more is not taken, or undefined. */
  refusal(): Refusal | undefined {
    const { requests, bytes } = this.#everybody();
    const mine = this.#requests;
    if (
      mine === 0 ||
      (mine < LIMITS.pendingRequests - requests && this.#bytes <= LIMITS.pendingBytes - bytes)
    ) {
      return undefined;
    }
    const message = `${mine} requests of this client wait, and no more than that is left for all others`;
    return refusal('OVERLOADED', message, { retryAfterMs: LIMITS.overloadedRetryMs });
  }

  opens(bytes: number): void {
    this.#requests++;
    this.#bytes += bytes;
  }

  closes(bytes: number): void {
    this.#requests--;
    this.#bytes -= bytes;
  }
}
