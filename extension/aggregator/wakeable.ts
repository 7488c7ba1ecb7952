/** A pause that can be cut short, so that a loop sleeps without missing what happens meanwhile. */
export class Wakeable {
  #woken = false;
  #now: (() => void) | undefined;

  /** Ends the pause that runs, or the next one, early. */
  wake(): void {
    this.#woken = true;
    this.#now?.();
  }

  /** Resolves after `ms`; after `leastMs` when it is woken (or was, since the last pause); at once when aborted. */
  pause(ms: number, leastMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const began = performance.now();
      const end = () => {
        clearTimeout(timer);
        this.#now = undefined;
        this.#woken = false;
        signal.removeEventListener('abort', end);
        resolve();
      };
      let timer = setTimeout(end, ms);
      const hurry = () => {
        clearTimeout(timer);
        timer = setTimeout(end, Math.max(0, Math.min(ms, leastMs) - (performance.now() - began)));
      };
      this.#now = hurry;
      signal.addEventListener('abort', end);
      if (this.#woken) hurry();
    });
  }
}
