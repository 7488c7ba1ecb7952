/**
 * Jobs of tests that mostly wait for other processes, begun ahead of the test that asks: the next one runs while this one is awaited.
 *
 * MUST: begin nothing before something is asked for, never more than `width` at a time, and each job once.
 */

/** They wait for most of their time: more than there are processors. */
const WIDTH = 4;

export class Ahead<K, T> {
  readonly #jobs: readonly (readonly [K, () => Promise<T>])[];
  readonly #begun = new Map<K, Promise<T>>();
  readonly #width: number;
  #running = 0;

  /** `jobs`: in the order in which they will be asked for. */
  constructor(jobs: Iterable<readonly [K, () => Promise<T>]>, width = WIDTH) {
    this.#jobs = [...jobs];
    this.#width = width;
  }

  /** What that job gives. It is begun now, if it is not yet, with those behind it as long as there is room. */
  of(key: K): Promise<T> {
    const at = this.#jobs.findIndex(([name]) => name === key);
    if (at === -1) throw new Error(`there is no job ${String(key)}`);
    const own = this.#begin(at);
    this.#more(at + 1);
    return own;
  }

  /** Resolves when nothing runs any more, whether somebody asked for it or not. Begins nothing. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#begun.values());
  }

  #more(from: number): void {
    for (let at = from; at < this.#jobs.length && this.#running < this.#width; at++) void this.#begin(at);
  }

  #begin(at: number): Promise<T> {
    const [key, job] = this.#jobs[at] as readonly [K, () => Promise<T>];
    const begun = this.#begun.get(key);
    if (begun !== undefined) return begun;
    this.#running += 1;
    const done = job().finally(() => {
      this.#running -= 1;
    });
    done.catch(() => undefined); // whoever asks for it is told
    this.#begun.set(key, done);
    return done;
  }
}
