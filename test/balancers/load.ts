/** Writers that never stop, through a balancer: what ended how, and when the traffic was back after a given moment. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, outcomeOf } from './client.ts';

/** After an answer that was no success. */
const RETRY_MS = 5;

export class Load {
  /** Requests that ended so: `ok`, or the code. */
  readonly outcomes = new Map<string, number>();
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #writers: readonly Promise<void>[];
  #stopped = false;
  #number = 0;
  #waiting: { readonly after: number; readonly resolve: (at: number) => void }[] = [];

  /** Begins at once. `url`: of the balancer. */
  constructor(url: string, token: string, writers: number) {
    this.#url = `${url}/v1/propose`;
    this.#headers = { Authorization: `Bearer ${token}` };
    this.#writers = Array.from({ length: writers }, (_, writer) => this.#write(writer));
  }

  /** When the first request that began after this moment was answered with success. */
  successAfter(after: number): Promise<number> {
    return new Promise((resolve) => this.#waiting.push({ after, resolve }));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#writers);
  }

  async #write(writer: number): Promise<void> {
    while (!this.#stopped) {
      const began = performance.now();
      const body = JSON.stringify({ op: 'put', key: `load-${writer}`, value: String(++this.#number) });
      const outcome = outcomeOf(await ask(this.#url, { method: 'POST', headers: this.#headers, body }));
      const name = outcome.kind === 'ok' ? 'ok' : `${outcome.kind} ${outcome.code}`;
      this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1);
      if (outcome.kind === 'ok') this.#succeeded(began);
      else await sleep(RETRY_MS);
    }
  }

  #succeeded(began: number): void {
    const now = performance.now();
    const reached = this.#waiting.filter(({ after }) => began > after);
    this.#waiting = this.#waiting.filter((one) => !reached.includes(one));
    for (const { resolve } of reached) resolve(now);
  }
}
