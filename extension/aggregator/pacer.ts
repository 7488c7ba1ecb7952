/**
 * Runs something after changes, at most once in `intervalMs`, and sooner (once in `urgentMs`) when a change cannot wait.
 *
 * MUST: run after the last change, so that nobody is left with an old picture; never run in the caller's own turn, so that
 * changes that come together are told together.
 */
export class Pacer {
  readonly #intervalMs: number;
  readonly #urgentMs: number;
  readonly #run: () => void;
  #ranAt = Number.NEGATIVE_INFINITY;
  #dueAt = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(intervalMs: number, urgentMs: number, run: () => void) {
    this.#intervalMs = intervalMs;
    this.#urgentMs = urgentMs;
    this.#run = run;
  }

  poke(urgent = false): void {
    const now = performance.now();
    const dueAt = Math.max(now, this.#ranAt + (urgent ? this.#urgentMs : this.#intervalMs));
    if (dueAt >= this.#dueAt) return;
    clearTimeout(this.#timer);
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.#fire(), dueAt - now);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#dueAt = Number.NEGATIVE_INFINITY;
  }

  #fire(): void {
    this.#ranAt = performance.now();
    this.#dueAt = Number.POSITIVE_INFINITY;
    this.#run();
  }
}
