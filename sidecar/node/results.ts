/**
 * The app's latest results, so that a proposal whose place in the log becomes known a moment after it was applied still
 * gets its answer.
 *
 * MUST: stay bounded: the newest batches only.
 */
import type { AppliedResult } from '../app/host.ts';

/** Batches of `applied` that are kept; older results are gone, and their proposals are answered without one. */
const BATCHES_KEPT = 64;

export class RecentResults {
  #batches: (readonly AppliedResult[])[] = [];

  add(results: readonly AppliedResult[]): void {
    if (results.length === 0) return;
    this.#batches.push(results);
    if (this.#batches.length > BATCHES_KEPT) this.#batches.shift();
  }

  clear(): void {
    this.#batches = [];
  }

  /** Results of a batch ascend by index, and so do the batches: newest first, then halving. */
  at(index: number): AppliedResult | undefined {
    for (let i = this.#batches.length - 1; i >= 0; i--) {
      const batch = this.#batches[i] as readonly AppliedResult[];
      const first = batch[0]?.index ?? 0;
      if (first > index) continue;
      // Dense batches, the usual case, are addressed directly.
      const direct = batch[index - first];
      if (direct?.index === index) return direct;
      return batch.find((result) => result.index === index);
    }
    return undefined;
  }
}
