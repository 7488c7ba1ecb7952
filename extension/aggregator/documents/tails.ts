/**
 * Which live tails are followed, and when the editor is told to read them again.
 *
 * MUST: refresh a tail at most once in `refreshMs`, and not again before the editor took the refresh before it; never
 * miss the last change; cost nothing while nothing is followed.
 */

export const TAIL_LIMITS = {
  /** Tails followed at once. Then the one followed longest is let go. */
  followed: 16,
  /** From a change to the refresh it causes: changes within it make one. */
  refreshMs: 250,
} as const;

/** Calls `run` once after `ms`; the result calls that off. */
export type Schedule = (run: () => void, ms: number) => () => void;

export const schedule: Schedule = (run, ms) => {
  const timer = setTimeout(run, ms);
  timer.unref();
  return () => clearTimeout(timer);
};

/** Runs a refresh some time after it was asked for, one at a time. */
export class Debounced {
  readonly #refresh: () => Promise<void>;
  readonly #schedule: Schedule;
  readonly #ms: number;
  #cancel: (() => void) | undefined;
  #running = false;
  #again = false;
  #disposed = false;

  /** `refresh` must not reject. */
  constructor(refresh: () => Promise<void>, later: Schedule, ms: number = TAIL_LIMITS.refreshMs) {
    this.#refresh = refresh;
    this.#schedule = later;
    this.#ms = ms;
  }

  request(): void {
    if (this.#disposed || this.#cancel !== undefined) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#cancel = this.#schedule(() => void this.#run(), this.#ms);
  }

  async #run(): Promise<void> {
    this.#cancel = undefined;
    this.#running = true;
    await this.#refresh();
    this.#running = false;
    if (!this.#again) return;
    this.#again = false;
    this.request();
  }

  dispose(): void {
    this.#disposed = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

interface Tail {
  readonly cluster: string;
  readonly node: string;
  readonly debounced: Debounced;
}

export class Tails {
  readonly #tails = new Map<string, Tail>();
  readonly #refresh: (uri: string) => Promise<void>;
  readonly #schedule: Schedule;

  /** `refresh` asks the editor to read that document again; it must not reject. */
  constructor(refresh: (uri: string) => Promise<void>, later: Schedule = schedule) {
    this.#refresh = refresh;
    this.#schedule = later;
  }

  follow(uri: string, cluster: string, node: string): void {
    if (this.#tails.has(uri)) return;
    const debounced = new Debounced(() => this.#refresh(uri), this.#schedule);
    this.#tails.set(uri, { cluster, node, debounced });
    const [oldest] = this.#tails.keys();
    if (this.#tails.size > TAIL_LIMITS.followed && oldest !== undefined) this.unfollow(oldest);
    // What changed while nobody followed.
    debounced.request();
  }

  unfollow(uri: string): void {
    this.#tails.get(uri)?.debounced.dispose();
    this.#tails.delete(uri);
  }

  /** Something of that node's log may have changed; of any node's for ''. */
  changed(cluster: string, node: string): void {
    for (const tail of this.#tails.values()) {
      if (tail.cluster === cluster && (node === '' || tail.node === node)) tail.debounced.request();
    }
  }

  dispose(): void {
    for (const uri of [...this.#tails.keys()]) this.unfollow(uri);
  }
}
