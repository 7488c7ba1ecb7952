/**
 * Writers for the demo. Each key is written once, so an acknowledged write that is missing later was lost.
 *
 * MUST: count as acknowledged only what was answered with an index, and try again only what was surely refused.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { put } from './kv-client.ts';

export interface Acked {
  readonly key: string;
  readonly value: string;
  readonly index: number;
}

const RETRY_MS = 20;

export class Load {
  readonly acked: Acked[] = [];
  /** Acknowledged writes by the position of the app that took them. */
  readonly through: number[];
  /** Writes of which nobody knows whether they happened. */
  unsure = 0;
  /** Clear refusals; each was tried again elsewhere. */
  refused = 0;
  readonly #abandoned = new AbortController();
  #stopped = false;
  #count = 0;
  #running: Promise<void>[] = [];
  #listeners: (() => void)[] = [];
  readonly #apps: readonly string[];

  constructor(apps: readonly string[]) {
    this.#apps = apps;
    this.through = apps.map(() => 0);
  }

  /** `count` writes, `writers` at a time, spread evenly over the apps. Resolves when each one has an outcome. */
  async write(prefix: string, count: number, writers: number): Promise<void> {
    let next = 0;
    const writer = async (): Promise<void> => {
      while (next < count && !this.#stopped) {
        const number = next++;
        await this.#one(`${prefix}-${String(number + 1).padStart(4, '0')}`, number);
      }
    };
    await Promise.all(Array.from({ length: writers }, writer));
  }

  /** Writers that go on until `stop`; writer k begins with app k and goes to the next one where it is refused. */
  start(prefix: string, writers: number): void {
    this.#running = Array.from({ length: writers }, async (_, writer) => {
      while (!this.#stopped) {
        this.#count += 1;
        await this.#one(`${prefix}-${String(this.#count).padStart(6, '0')}`, writer);
      }
    });
  }

  /** Resolves at the next acknowledgement. */
  nextAck(): Promise<void> {
    return new Promise((resolve) => this.#listeners.push(resolve));
  }

  /** No new writes; resolves when each open one has an outcome. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  /** Stops, and does not wait for the outcome of open writes. */
  abandon(): Promise<void> {
    this.#abandoned.abort();
    return this.stop();
  }

  async #one(key: string, first: number): Promise<void> {
    const value = `value of ${key}`;
    for (let attempt = 0; !this.#stopped || attempt === 0; attempt += 1) {
      const at = (first + attempt) % this.#apps.length;
      const outcome = await put(this.#apps[at] ?? '', key, value, this.#abandoned.signal);
      if (outcome.kind === 'acked') {
        this.acked.push({ key, value, index: outcome.index });
        this.through[at] = (this.through[at] ?? 0) + 1;
        for (const listener of this.#listeners.splice(0)) listener();
        return;
      }
      if (outcome.kind === 'unsure') {
        this.unsure += 1;
        return;
      }
      this.refused += 1;
      await sleep(RETRY_MS);
    }
  }
}
