/** Waiting for what the other side does: looked at whenever something happened, and given up with a sentence. */
import { Failed } from '../contract.ts';

export class Watch {
  readonly #looks = new Set<() => void>();

  /** Something happened. */
  changed(): void {
    for (const look of [...this.#looks]) look();
  }

  /** Resolves with the first value that `look` has. Rejects with what it throws, or with `Failed` when the time is up. */
  until<T>(ms: number, late: () => string, look: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (finish: () => void): void => {
        this.#looks.delete(again);
        clearTimeout(timer);
        finish();
      };
      const again = (): void => {
        try {
          const found = look();
          if (found !== undefined) end(() => resolve(found));
        } catch (error) {
          end(() => reject(error));
        }
      };
      const timer = setTimeout(
        () => end(() => reject(new Failed(`${late()}, and ${ms / 1000} s were waited for it`))),
        ms,
      );
      this.#looks.add(again);
      again();
    });
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
