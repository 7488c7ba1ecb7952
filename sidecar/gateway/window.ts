/**
 * How many requests may be on their way to one replica, so that what must wait waits in the gateway, where clients take turns,
 * and not in the replica, where the newest would wait behind all of them.
 *
 * The rule: as long as answers come within twice the time that the replica takes without a queue, the window grows (by its
 * square root); beyond, it shrinks in proportion (the gradient of Netflix' concurrency-limits). The time without a queue is
 * the shortest that was seen lately; to see it again under steady load, the window is at its least for a moment now and then
 * (as BBR does).
 *
 * MUST: stay within its two bounds. Plain data; the time comes from outside.
 */
export interface WindowLimits {
  readonly first: number;
  readonly min: number;
  /** What the replica said it takes at most. */
  readonly max: number;
  /** How often the time without a queue is looked for. */
  readonly probeMs: number;
}

/** Answers may take so many times what they take without a queue. */
const TOLERANCE = 2;
/** One step never makes it smaller than by this. */
const SHRINK = 0.5;
/** One late answer counts as no more than so many times the shortest: it may have waited for something of its own. */
const OUTLIER = 8;

export class Window {
  readonly #limits: WindowLimits;
  #size: number;
  /** The shortest time in this probe interval and in the one before. */
  #shortest = Number.POSITIVE_INFINITY;
  #shortestBefore = Number.POSITIVE_INFINITY;
  #probeAt: number;
  /** Answers until the window is what it was before the probe; 0 when none is under way. */
  #probing = 0;
  #sum = 0;
  #count = 0;
  #deafUntil = Number.NEGATIVE_INFINITY;

  constructor(limits: WindowLimits, now: number) {
    this.#limits = limits;
    this.#size = this.#clip(limits.first);
    this.#probeAt = now + limits.probeMs;
  }

  get size(): number {
    return this.#probing > 0 ? this.#limits.min : Math.floor(this.#size);
  }

  /** A proposal was answered after `ms`; `full` when the window kept others from being sent meanwhile. */
  answered(ms: number, full: boolean, now: number): void {
    if (ms < this.#shortest) this.#shortest = ms;
    if (this.#probing > 0) {
      this.#probing--;
      return;
    }
    if (now >= this.#probeAt) {
      this.#probe(now);
      return;
    }
    const shortest = Math.min(this.#shortest, this.#shortestBefore);
    this.#sum += Math.min(ms, shortest * OUTLIER);
    this.#count++;
    if (this.#count < this.#size) return;
    const gradient = (TOLERANCE * shortest * this.#count) / this.#sum;
    this.#sum = 0;
    this.#count = 0;
    const step = Math.sqrt(this.#size);
    // A window that is not used up says nothing about a larger one.
    if (gradient < 1) this.#size = this.#clip(this.#size * Math.max(SHRINK, gradient) + step);
    else if (full) this.#size = this.#clip(this.#size + step);
  }

  /** The replica refused a request as too much, or asked us to slow down. What it says of one window counts once. */
  tooMuch(now: number): void {
    if (now < this.#deafUntil) return;
    const shortest = Math.min(this.#shortest, this.#shortestBefore);
    this.#deafUntil = now + (Number.isFinite(shortest) ? TOLERANCE * shortest : 0);
    this.#size = this.#clip(this.#size * SHRINK);
    this.#sum = 0;
    this.#count = 0;
  }

  /** First what is on its way comes back, then there is no queue for two small windows. */
  #probe(now: number): void {
    this.#probing = this.size + 2 * this.#limits.min;
    this.#shortestBefore = this.#shortest;
    this.#shortest = Number.POSITIVE_INFINITY;
    this.#probeAt = now + this.#limits.probeMs;
    this.#sum = 0;
    this.#count = 0;
  }

  #clip(size: number): number {
    return Math.min(this.#limits.max, Math.max(this.#limits.min, size));
  }
}
