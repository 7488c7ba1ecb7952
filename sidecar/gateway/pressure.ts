/**
 * How hard clients may push: the most of what the leader asks and of how full the gateway itself is.
 *
 * MUST: rise at once, and fall only when it was lower for a while: ten thousand clients are told each time. Pure.
 */
import type { PressureLevel } from '../../shared/app-frames.ts';

const LEVELS: readonly PressureLevel[] = ['OK', 'SLOW_DOWN', 'STOP'];
/** Shares of a full queue at which clients are asked to slow down, and to stop. */
const SLOW_DOWN_AT = 0.5;
const STOP_AT = 0.9;

/** `fill` is the share of the fullest queue that is used. */
export function wanted(upstream: PressureLevel, fill: number): PressureLevel {
  const own = fill >= STOP_AT ? 'STOP' : fill >= SLOW_DOWN_AT ? 'SLOW_DOWN' : 'OK';
  return LEVELS.indexOf(own) > LEVELS.indexOf(upstream) ? own : upstream;
}

export class Pressure {
  readonly #holdMs: number;
  #level: PressureLevel = 'OK';
  /** Since when a lower level would do. */
  #lowerSince: number | undefined;

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  get level(): PressureLevel {
    return this.#level;
  }

  /** Returns the level that counts now. */
  update(level: PressureLevel, now: number): PressureLevel {
    if (LEVELS.indexOf(level) >= LEVELS.indexOf(this.#level)) {
      this.#level = level;
      this.#lowerSince = undefined;
      return level;
    }
    this.#lowerSince ??= now;
    if (now - this.#lowerSince < this.#holdMs) return this.#level;
    this.#level = level;
    this.#lowerSince = undefined;
    return level;
  }
}
