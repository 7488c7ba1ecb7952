/**
 * The faults that are planted in this sidecar now (only with `--control`), and what they make of a message.
 *
 * MUST: end each fault by itself when its time is over, and say so; keep nothing over a restart. MUST NOT know what messages mean.
 */
import type { FaultPlan, FaultStatus } from '../../shared/faults.ts';
import { LIMITS } from '../../shared/limits.ts';

/** What becomes of one message: it is lost, or comes so many milliseconds later (0: now). */
export type Fate = 'LOST' | number;

export interface FaultOptions {
  /** In 0 … 1. */
  random(): number;
  /** Stops this thread for so long. */
  pause(ms: number): void;
  began(fault: FaultStatus): void;
  /** OPERATOR: somebody ended it; EXPIRED: its time is over. */
  ended(fault: FaultStatus, cause: 'OPERATOR' | 'EXPIRED'): void;
}

interface Planted {
  readonly status: FaultStatus;
  readonly timer: NodeJS.Timeout;
  messages: number;
}

/** So that whoever asked for a pause is answered before it. */
const BEFORE_PAUSE_MS = 20;

export class Faults {
  readonly #options: FaultOptions;
  readonly #planted = new Map<string, Planted>();
  #ids = 0;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  /** Undefined: there are too many (`LIMITS.faults`). A pause begins a moment later. */
  plant(plan: FaultPlan): FaultStatus | undefined {
    if (this.#planted.size >= LIMITS.faults) return undefined;
    const since = Date.now();
    const status = { ...plan, id: `f${++this.#ids}`, since, until: since + plan.ttlMs, messages: 0 };
    const timer =
      plan.kind === 'PAUSE'
        ? setTimeout(() => this.#pause(status), BEFORE_PAUSE_MS)
        : setTimeout(() => this.end(status.id, 'EXPIRED'), plan.ttlMs);
    this.#planted.set(status.id, { status, timer, messages: 0 });
    this.#options.began(status);
    return status;
  }

  /** Undefined: there is none of that name. */
  end(id: string, cause: 'OPERATOR' | 'EXPIRED' = 'OPERATOR'): FaultStatus | undefined {
    const planted = this.#planted.get(id);
    if (planted === undefined) return undefined;
    clearTimeout(planted.timer);
    this.#planted.delete(id);
    const status = now(planted);
    this.#options.ended(status, cause);
    return status;
  }

  list(): FaultStatus[] {
    return Array.from(this.#planted.values(), now);
  }

  /** Without a word: this node is closing. */
  close(): void {
    for (const { timer } of this.#planted.values()) clearTimeout(timer);
    this.#planted.clear();
  }

  /** The worst of all that apply: delays add up. */
  fate(peer: string, direction: 'IN' | 'OUT'): Fate {
    let delayMs = 0;
    for (const planted of this.#planted.values()) {
      const { status } = planted;
      if (!concerns(status, peer, direction)) continue;
      if (status.kind === 'DELAY') {
        planted.messages++;
        delayMs += status.delayMs + status.jitterMs * this.#options.random();
      } else if (status.kind !== 'DROP' || this.#options.random() < status.share) {
        planted.messages++;
        return 'LOST';
      }
    }
    return delayMs;
  }

  #pause({ id, ttlMs }: FaultStatus): void {
    this.#options.pause(ttlMs);
    this.end(id, 'EXPIRED');
  }
}

function concerns(plan: FaultPlan, peer: string, direction: 'IN' | 'OUT'): boolean {
  if (plan.kind === 'PAUSE') return false;
  if (plan.direction !== 'BOTH' && plan.direction !== direction) return false;
  return plan.peer === '' || plan.peer === peer;
}

function now({ status, messages }: Planted): FaultStatus {
  return { ...status, messages };
}

/** As SIGSTOP does: no timer, no socket, no answer. Threads that write to the disk end what they have begun. */
export function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
