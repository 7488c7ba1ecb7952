/** News for tests, and a carrier that does as it is told. */
import type { LeaderNews } from '../../shared/leader-news.ts';
import type { Carrier, NewsLog } from '../../sidecar/news/contract.ts';

export function news(sequence: number, more: Partial<LeaderNews> = {}): LeaderNews {
  return {
    cluster: 'orders',
    node: 'n1',
    leader: 'n1',
    leaderHttp: 'http://127.0.0.1:8001',
    term: sequence,
    isLeader: true,
    at: 1_790_000_000_000,
    sequence,
    ...more,
  };
}

export const SILENT: NewsLog = { info: () => undefined, warn: () => undefined };

/** Its tries end when the test says so. */
export class ScriptedCarrier implements Carrier {
  readonly way = 'url';
  readonly tried: number[] = [];
  #begun: (() => void) | undefined;
  #end: ((failure: Error | undefined) => void) | undefined;

  carry({ sequence }: LeaderNews, aborted: AbortSignal): Promise<void> {
    this.tried.push(sequence);
    return new Promise((resolve, reject) => {
      this.#end = (failure) => (failure === undefined ? resolve() : reject(failure));
      aborted.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
      this.#begun?.();
    });
  }

  /** Resolves when so many tries have begun. */
  async begun(tries: number): Promise<void> {
    while (this.tried.length < tries) {
      await new Promise<void>((resolve) => {
        this.#begun = resolve;
      });
    }
  }

  /** Ends the try under way. */
  end(failure?: string): void {
    this.#end?.(failure === undefined ? undefined : new Error(failure));
  }
}
