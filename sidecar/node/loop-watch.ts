/**
 * Notices when this process did not run: its regular turn comes far too late.
 *
 * PAUSED: it used next to no CPU meanwhile, so it was stopped, swapped out or starved by others. BUSY: it computed.
 * MUST: be asked before anything else is recorded after a pause, so that the pause stands before what followed from it.
 */
import { LIMITS } from '../../shared/limits.ts';

export interface Stall {
  /** How much later than due the turn came. */
  readonly ms: number;
  readonly cause: 'PAUSED' | 'BUSY';
}

/** A process that used less than this share of one CPU during the gap was not running. */
const BUSY_SHARE = 0.25;

/** CPU time of this process so far, in milliseconds, all threads. */
function processCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

export class LoopWatch {
  readonly #turnMs: number;
  readonly #cpuMs: () => number;
  #lastTurn: number;
  #lastCpu: number;

  /** `turnMs`: how often `turn` is called when all is well. `now`: `performance.now()`, as everywhere here. */
  constructor(turnMs: number, now: number, cpuMs: () => number = processCpuMs) {
    this.#turnMs = turnMs;
    this.#cpuMs = cpuMs;
    this.#lastTurn = now;
    this.#lastCpu = cpuMs();
  }

  /** The regular turn. */
  turn(now: number): Stall | undefined {
    const gap = now - this.#lastTurn;
    const cpu = this.#cpuMs();
    const used = cpu - this.#lastCpu;
    this.#lastTurn = now;
    this.#lastCpu = cpu;
    const ms = gap - this.#turnMs;
    if (ms <= LIMITS.slowLoopMs) return undefined;
    return { ms, cause: used < BUSY_SHARE * gap ? 'PAUSED' : 'BUSY' };
  }

  /** Between turns, as often as one likes: has the regular turn been due for too long? */
  late(now: number): Stall | undefined {
    return now - this.#lastTurn - this.#turnMs > LIMITS.slowLoopMs ? this.turn(now) : undefined;
  }
}
