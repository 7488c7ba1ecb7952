/**
 * Notices an app that has entries and gives no sign of applying them. One timer per state machine, and none
 * while nothing waits.
 *
 * MUST: let input that is already there speak first: after a stall of our own process the timer is due before
 * the acknowledgement that was queued behind it is read.
 */
import type { AppLimits } from './context.ts';

export class LagWatch {
  readonly #limits: Pick<AppLimits, 'appLagMs' | 'appStallMs'>;
  readonly #late: (state: 'LAGGING' | 'STALLED', waitedMs: number) => void;
  /** When the app last gave a sign while something waited; undefined when nothing waits. */
  #since: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    limits: Pick<AppLimits, 'appLagMs' | 'appStallMs'>,
    late: (state: 'LAGGING' | 'STALLED', waitedMs: number) => void,
  ) {
    this.#limits = limits;
    this.#late = late;
  }

  /** Something was delivered. */
  waiting(): void {
    if (this.#since !== undefined) return;
    this.#since = performance.now();
    if (this.#timer === undefined) this.#arm(this.#limits.appLagMs);
  }

  /** The app gave a sign; `more` when it still has something to apply. The timer is left to find that out. */
  sign(more: boolean): void {
    this.#since = more ? performance.now() : undefined;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #arm(ms: number): void {
    this.#timer = setTimeout(() => setImmediate(() => this.#check()), ms);
    this.#timer.unref();
  }

  #check(): void {
    this.#timer = undefined;
    if (this.#stopped || this.#since === undefined) return;
    const waited = performance.now() - this.#since;
    const { appLagMs, appStallMs } = this.#limits;
    if (waited >= appStallMs) this.#late('STALLED', waited);
    else if (waited >= appLagMs) this.#late('LAGGING', waited);
    // A sign may restart the wait at any moment, so never sleep longer than the shorter of the two.
    this.#arm(
      waited < appLagMs
        ? appLagMs - waited
        : waited < appStallMs
          ? Math.min(appLagMs, appStallMs - waited)
          : appLagMs,
    );
  }
}
