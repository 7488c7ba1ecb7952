/**
 * Tells news by one way: one try at a time, again after a growing pause when it failed, and only the newest.
 *
 * MUST: drop older news as soon as there is newer, and end a try of it that is under way: the newer moves the traffic, and
 * must not wait for a receiver that hangs over what is past; end within the bounds of `shared/limits.ts` whatever the receiver
 * does; write down how each piece of news ended. MUST NOT: make whoever hands over the news wait.
 */
import type { LeaderNews } from '../../shared/leader-news.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { Carrier, NewsCount, NewsLog } from './contract.ts';

interface Pauses {
  readonly tries: number;
  readonly minMs: number;
  readonly maxMs: number;
}

/** The pauses between tries, unless a test is in a hurry. */
const PAUSES: Pauses = {
  tries: LIMITS.newsTries,
  minMs: LIMITS.newsRetryMinMs,
  maxMs: LIMITS.newsRetryMaxMs,
};

export class Courier {
  readonly #carrier: Carrier;
  readonly #log: NewsLog;
  readonly #count: NewsCount;
  readonly #pauses: Pauses;
  /** What is to be told next. */
  #waiting: LeaderNews | undefined;
  /** Cuts the pause between two tries short. */
  #hurry: (() => void) | undefined;
  /** Ends the try under way. */
  #trying = new AbortController();
  readonly #closing = new AbortController();
  #busy = false;
  #running: Promise<void> = Promise.resolve();

  constructor(carrier: Carrier, log: NewsLog, count: NewsCount, pauses: Partial<Pauses> = {}) {
    this.#carrier = carrier;
    this.#log = log;
    this.#count = count;
    this.#pauses = { ...PAUSES, ...pauses };
  }

  /** Takes the news over; older news that was not told yet is dropped. */
  tell(news: LeaderNews): void {
    if (this.#closing.signal.aborted) return;
    if (this.#waiting !== undefined) this.#count(this.#carrier.way, 'SUPERSEDED');
    this.#waiting = news;
    this.#trying.abort();
    this.#hurry?.();
    if (!this.#busy) this.#running = this.#run();
  }

  /** Drops what waits and ends what runs. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#trying.abort();
    this.#hurry?.();
    await Promise.all([this.#running, this.#carrier.close?.()]);
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (let news = this.#take(); news !== undefined; news = this.#take()) await this.#deliver(news);
    this.#busy = false;
  }

  #take(): LeaderNews | undefined {
    const news = this.#closing.signal.aborted ? undefined : this.#waiting;
    this.#waiting = undefined;
    return news;
  }

  async #deliver(news: LeaderNews): Promise<void> {
    const { way } = this.#carrier;
    const { sequence, term, leader } = news;
    const fields = { way, sequence, term, leader };
    const { tries, minMs, maxMs } = this.#pauses;
    for (let tried = 1; ; tried++) {
      const failure = await this.#try(news);
      if (failure === undefined) {
        this.#count(way, 'DELIVERED');
        this.#log.info({ ...fields, tried }, 'news of leadership was delivered');
        return;
      }
      if (this.#overtaken()) return;
      this.#count(way, 'FAILED');
      this.#log.warn({ ...fields, tried, reason: failure }, 'news of leadership was not delivered');
      if (tried >= tries) {
        this.#count(way, 'GIVEN_UP');
        this.#log.warn({ ...fields, tried }, 'news of leadership was given up');
        return;
      }
      await this.#pause(Math.min(maxMs, minMs * 2 ** (tried - 1)));
      if (this.#overtaken()) return;
    }
  }

  /** Is there no point any more in telling what is being told? */
  #overtaken(): boolean {
    if (this.#closing.signal.aborted) return true;
    if (this.#waiting === undefined) return false;
    this.#count(this.#carrier.way, 'SUPERSEDED');
    return true;
  }

  /** Undefined when it was delivered, else one sentence. */
  async #try(news: LeaderNews): Promise<string | undefined> {
    this.#trying = new AbortController();
    try {
      await this.#carrier.carry(news, this.#trying.signal);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#hurry?.(), ms);
      this.#hurry = () => {
        clearTimeout(timer);
        this.#hurry = undefined;
        resolve();
      };
    });
  }
}
