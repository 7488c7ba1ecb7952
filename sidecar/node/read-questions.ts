/**
 * Which question an answer of the core's is for: reads asked here, and reads that other nodes forwarded.
 *
 * MUST: hand each answer to who asked, once.
 */

/** Asked by our own router under its number, or by another node under that node's. */
export type Asker = { readonly local: number } | { readonly from: string; readonly id: number };

export class ReadQuestions {
  /** As many as the core holds reads (raft/reads.ts): it refuses more of them at once, and answers every one. */
  readonly #askers = new Map<number, Asker>();
  #next = 1;

  /** The number to ask the core with. */
  ask(asker: Asker): number {
    const ref = this.#next++;
    this.#askers.set(ref, asker);
    return ref;
  }

  /** Who asked; undefined where nobody did (any more). */
  take(ref: number): Asker | undefined {
    const asker = this.#askers.get(ref);
    this.#askers.delete(ref);
    return asker;
  }
}
