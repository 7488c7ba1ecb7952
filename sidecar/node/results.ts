/**
 * The app's latest results, so that a proposal whose place in the log becomes known a moment after it was applied still
 * gets its answer.
 *
 * MUST: stay bounded: the newest batches only, and of those no more than some bytes (the newest batch always).
 */
import { LIMITS } from '../../shared/limits.ts';
import type { AppliedResult } from '../app/host.ts';

/** Batches of `applied` that are kept; older results are gone, and their proposals are answered without one. */
const BATCHES_KEPT = 64;

interface Batch {
  readonly results: readonly AppliedResult[];
  readonly bytes: number;
}

export class RecentResults {
  #batches: Batch[] = [];
  #bytes = 0;

  /** Bytes of results that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  add(results: readonly AppliedResult[]): void {
    if (results.length === 0) return;
    let bytes = 0;
    for (const { result } of results) bytes += result?.length ?? 0;
    this.#batches.push({ results, bytes });
    this.#bytes += bytes;
    while (this.#batches.length > BATCHES_KEPT || this.#bytes > LIMITS.recentResultBytes) {
      if (this.#batches.length === 1) return;
      this.#bytes -= this.#batches.shift()?.bytes ?? 0;
    }
  }

  clear(): void {
    this.#batches = [];
    this.#bytes = 0;
  }

  /** Results of a batch ascend by index, and so do the batches: newest first, then halving. */
  at(index: number): AppliedResult | undefined {
    for (let i = this.#batches.length - 1; i >= 0; i--) {
      const { results } = this.#batches[i] as Batch;
      const first = results[0]?.index ?? 0;
      if (first > index) continue;
      // Dense batches, the usual case, are addressed directly.
      const direct = results[index - first];
      if (direct?.index === index) return direct;
      return results.find((result) => result.index === index);
    }
    return undefined;
  }
}
