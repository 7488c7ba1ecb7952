/**
 * How large the next piece of a snapshot may be. Pure.
 *
 * A piece holds up what comes behind it on the same connection, heartbeats too, for as long as its bytes take: that is to be
 * about `PACE_MS`. How long an answer takes says little of that, since most of it may be the way there and back, or a busy
 * machine. So now and then the smallest piece is asked for, and what larger ones take beyond it is what their bytes take.
 */
import { LIMITS } from '../../../shared/limits.ts';

const PACE_MS = 20;
export const PIECE_MIN_BYTES: number = 16 * 1024;
/** Each so-manyth piece is the smallest. */
const FEELER_EVERY = 16;
/** Of the mean, what the newest answer counts. */
const WEIGHT = 0.25;

export class Pace {
  #bytes = PIECE_MIN_BYTES;
  #asked = PIECE_MIN_BYTES;
  #asks = 0;
  /** Means: what the smallest pieces take, and those of the present size. */
  #smallMs: number | undefined;
  #presentMs: number | undefined;

  /** Bytes of the next piece. */
  next(): number {
    this.#asked = ++this.#asks % FEELER_EVERY === 0 ? PIECE_MIN_BYTES : this.#bytes;
    return this.#asked;
  }

  /** The piece came, after so long. */
  came(ms: number): void {
    if (this.#asked === PIECE_MIN_BYTES) this.#smallMs = mean(this.#smallMs, ms);
    if (this.#asked !== this.#bytes) return;
    this.#presentMs = mean(this.#presentMs, ms);
    const own = this.#presentMs - (this.#smallMs ?? 0);
    if (own > 2 * PACE_MS) this.#resize(this.#bytes / 2);
    else if (own < PACE_MS) this.#resize(this.#bytes * 2);
  }

  /** It did not come: from small ones on. */
  lost(): void {
    this.#resize(PIECE_MIN_BYTES);
  }

  #resize(bytes: number): void {
    const within = Math.max(PIECE_MIN_BYTES, Math.min(LIMITS.snapshotChunkBytes, bytes));
    if (within === this.#bytes) return;
    this.#bytes = within;
    this.#presentMs = undefined;
  }
}

function mean(before: number | undefined, ms: number): number {
  return before === undefined ? ms : before + WEIGHT * (ms - before);
}
