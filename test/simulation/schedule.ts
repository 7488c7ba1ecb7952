/**
 * Virtual time: what is to happen, soonest first; in the order of asking where the time is the same.
 *
 * MUST: be the only clock of the simulation.
 */
interface Scheduled {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Schedule {
  /** Milliseconds since the world began. */
  now = 0;
  #heap: Scheduled[] = [];
  #order = 0;

  after(delay: number, run: () => void): void {
    const event = { at: this.now + Math.max(delay, 0), order: this.#order++, run };
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(event);
    while (hole > 0) {
      const parent = (hole - 1) >>> 1;
      const above = heap[parent] as Scheduled;
      if (!before(event, above)) break;
      heap[hole] = above;
      hole = parent;
    }
    heap[hole] = event;
  }

  /** Runs the next event; false when nothing is left. */
  runNext(): boolean {
    const first = this.#heap[0];
    if (first === undefined) return false;
    const last = this.#heap.pop() as Scheduled;
    if (this.#heap.length > 0) this.#sink(last);
    this.now = first.at;
    first.run();
    return true;
  }

  #sink(event: Scheduled): void {
    const heap = this.#heap;
    let hole = 0;
    for (;;) {
      let child = hole * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Scheduled, heap[child] as Scheduled)) child++;
      const below = heap[child] as Scheduled;
      if (!before(below, event)) break;
      heap[hole] = below;
      hole = child;
    }
    heap[hole] = event;
  }
}

function before(a: Scheduled, b: Scheduled): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
