/**
 * Who reads a snapshot's file, and who puts another one in its place: not at the same time.
 *
 * MUST: let one after the other do its work on the same file, in the order in which they came, whatever became of the one before.
 */

/** The snapshot is not there any more, or without the app's bytes: whoever wanted it looks for another one. */
export class SnapshotGone extends Error {
  constructor(index: number) {
    super(`the snapshot of everything up to ${index} is not there any more`);
    this.name = 'SnapshotGone';
  }
}

export class Turns {
  /** By index: settles when whoever came last is done. */
  readonly #last = new Map<number, Promise<void>>();

  take<T>(index: number, work: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(index) ?? Promise.resolve()).then(work);
    const done = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(index, done);
    void done.then(() => {
      if (this.#last.get(index) === done) this.#last.delete(index);
    });
    return mine;
  }
}
