/**
 * Notices when the disk of the log is slow: a write took too long, or waits for too long already; and when it is in time
 * again.
 *
 * MUST: not blame the disk for time in which this process did not run; say no more than once a second.
 */
import { LIMITS } from '../../shared/limits.ts';

export type DiskNews =
  | { readonly kind: 'DISK_SLOW'; readonly cause: 'SLOW_WRITE' | 'WAITING'; readonly ms: number }
  | { readonly kind: 'DISK_OK'; readonly cause: 'WROTE'; readonly ms: number };

export class DiskWatch {
  readonly #tell: (news: DiskNews) => void;
  #slow = false;
  /** All on the monotonic clock. */
  #toldAt = Number.NEGATIVE_INFINITY;
  #slowAt = Number.NEGATIVE_INFINITY;
  #inTimeAt = Number.NEGATIVE_INFINITY;
  #lastMs = 0;
  #stallEnd = Number.NEGATIVE_INFINITY;
  #stallMs = 0;

  constructor(tell: (news: DiskNews) => void) {
    this.#tell = tell;
  }

  /** The process did not run for `ms` until `now`. */
  stalled(ms: number, now: number): void {
    this.#stallEnd = now;
    this.#stallMs = ms;
  }

  /** A write took `ms` and is done. */
  wrote(ms: number, now: number): void {
    const own = this.#ownTime(ms, now);
    if (own > LIMITS.slowWriteMs) this.#isSlow('SLOW_WRITE', own, now);
    else {
      this.#inTimeAt = now;
      this.#lastMs = own;
    }
  }

  /** The oldest write that is not done has been waiting for `ms`, 0 when there is none. Call now and then. */
  look(ms: number, now: number): void {
    const own = this.#ownTime(ms, now);
    if (own > LIMITS.slowWriteMs) {
      this.#isSlow('WAITING', own, now);
      return;
    }
    if (!this.#slow || this.#inTimeAt < this.#slowAt) return;
    if (now - this.#slowAt < LIMITS.slowWriteEventMs) return;
    this.#slow = false;
    this.#tell({ kind: 'DISK_OK', cause: 'WROTE', ms: this.#lastMs });
  }

  /** Of `ms` until `now`, what this process was there to see. */
  #ownTime(ms: number, now: number): number {
    return now - ms < this.#stallEnd ? ms - Math.min(ms, this.#stallMs) : ms;
  }

  #isSlow(cause: 'SLOW_WRITE' | 'WAITING', ms: number, now: number): void {
    this.#slow = true;
    this.#slowAt = now;
    if (now - this.#toldAt < LIMITS.slowWriteEventMs) return;
    this.#toldAt = now;
    this.#tell({ kind: 'DISK_SLOW', cause, ms });
  }
}
