/**
 * Reads through HAProxy's round robin, one connection each, that carry the highest index of any earlier answer: none may go
 * back, whichever node it meets, and what the app answers at that index must agree.
 *
 * Half of them go to the sidecars (`POST /v1/read`), half to the apps (`GET /KEY`), whose value is judged: a value that was
 * overwritten, at an index within what the read asked for, is from the past. Values of writes without an answer have no known
 * index, and are not judged.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, ask, numberIn, outcomeOf } from './client.ts';
import type { BalancedCluster } from './cluster.ts';

const KEYS = 8;
const WRITERS = 2;
const READERS = 6;
const RETRY_MS = 5;
/** Of what went wrong, so many are told. */
const TOLD = 10;

export interface AtLeastReport {
  /** Answered reads, by who answered. */
  readonly reads: { sidecar: number; app: number };
  /** Of the app's, those whose value could be judged. */
  judged: number;
  writes: number;
  faults: number;
  /** Requests that were answered with an error, or not at all, by code. */
  readonly errors: Map<string, number>;
  /** Reads that went back. */
  wentBack: number;
  /** The first of them, in words. */
  readonly told: string[];
}

interface Written {
  readonly value: string;
  readonly index: number;
}

export interface AtLeastOptions {
  /** How many reads there must be at least, and how many faults. */
  readonly reads: number;
  readonly faults: number;
  /** STALE shows that this can fail. */
  readonly consistency: 'AT_LEAST' | 'STALE';
}

/** Runs writers, readers and faults until there were enough of all. */
export async function readAtLeast(cluster: BalancedCluster, options: AtLeastOptions): Promise<AtLeastReport> {
  const run = new Run(cluster, options);
  return await run.all();
}

class Run {
  readonly #cluster: BalancedCluster;
  readonly #options: AtLeastOptions;
  readonly #report: AtLeastReport = {
    reads: { sidecar: 0, app: 0 },
    judged: 0,
    writes: 0,
    faults: 0,
    errors: new Map(),
    wentBack: 0,
    told: [],
  };
  /** Highest index of any answer so far. */
  #floor = 0;
  /** By key: the write with the highest index that was answered. */
  readonly #newest = new Map<string, Written>();
  /** By value (each one is written once): its index. */
  readonly #indexOf = new Map<string, number>();
  #number = 0;
  #failed: unknown;

  constructor(cluster: BalancedCluster, options: AtLeastOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  get #enough(): boolean {
    const { reads, faults } = this.#report;
    return (
      this.#failed !== undefined ||
      (reads.sidecar + reads.app >= this.#options.reads && faults >= this.#options.faults)
    );
  }

  async all(): Promise<AtLeastReport> {
    const work = [
      ...Array.from({ length: WRITERS }, () => () => this.#write()),
      ...Array.from({ length: READERS }, () => () => this.#readSidecar()),
      ...Array.from({ length: READERS }, () => () => this.#readApp()),
    ];
    const running = work.map(async (step) => {
      while (!this.#enough) if (!(await step())) await sleep(RETRY_MS);
    });
    await this.#makeFaults();
    await Promise.all(running);
    if (this.#failed !== undefined) throw this.#failed;
    return this.#report;
  }

  async #makeFaults(): Promise<void> {
    try {
      while (!this.#enough) {
        await this.#fault(this.#report.faults);
        this.#report.faults++;
        await this.#cluster.settled();
      }
    } catch (error) {
      this.#failed = error;
    }
  }

  /** In turns: a sidecar killed, a sidecar paused, an app paused; each of them at each node, the leader wherever it is. */
  async #fault(number: number): Promise<void> {
    const { ids } = this.#cluster;
    const id = ids[Math.floor(number / 3) % ids.length] as string;
    const ms = 100 + ((number * 397) % 1_500);
    switch (number % 3) {
      case 0:
        await this.#cluster.kill(id);
        await this.#cluster.startSidecar(id);
        return;
      case 1:
        this.#cluster.signal(id, 'SIGSTOP');
        await sleep(ms);
        this.#cluster.signal(id, 'SIGCONT');
        return;
      default:
        this.#cluster.signalApp(id, 'SIGSTOP');
        await sleep(ms);
        this.#cluster.signalApp(id, 'SIGCONT');
    }
  }

  // ---------------------------------------------------------------- clients: each step is true when it was answered

  async #write(): Promise<boolean> {
    const key = this.#key();
    const value = `v${++this.#number}`;
    const answer = await this.#ask(`${this.#cluster.haproxy.url('app')}/${key}`, {
      method: 'PUT',
      body: value,
    });
    if (answer === undefined) return false;
    const index = numberIn(answer, 'x-index');
    this.#report.writes++;
    this.#indexOf.set(value, index);
    if (index > (this.#newest.get(key)?.index ?? 0)) this.#newest.set(key, { value, index });
    this.#answeredAt(index);
    return true;
  }

  async #readSidecar(): Promise<boolean> {
    const floor = this.#floor;
    const { consistency } = this.#options;
    const answer = await this.#ask(`${this.#cluster.haproxy.url('any')}/v1/read`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${this.#cluster.token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ consistency, index: floor }),
    });
    if (answer === undefined) return false;
    const { index } = JSON.parse(answer.body) as { index: number };
    this.#report.reads.sidecar++;
    if (!(index >= floor)) this.#back(`a sidecar answered with ${index} to a read of at least ${floor}`);
    this.#answeredAt(index);
    return true;
  }

  async #readApp(): Promise<boolean> {
    const floor = this.#floor;
    const key = this.#key();
    const newest = this.#newest.get(key);
    const query = `consistency=${this.#options.consistency}&index=${floor}`;
    const answer = await this.#ask(`${this.#cluster.haproxy.url('app')}/${key}?${query}`, {}, [404]);
    if (answer === undefined) return false;
    const index = numberIn(answer, 'x-index');
    this.#report.reads.app++;
    if (!(index >= floor)) this.#back(`an app answered from ${index} to a read of at least ${floor}`);
    else this.#judge(key, answer, newest, floor);
    this.#answeredAt(index);
    return true;
  }

  #judge(key: string, answer: Answer, newest: Written | undefined, floor: number): void {
    const found = answer.status === 404 ? 0 : this.#indexOf.get(answer.body);
    if (newest === undefined || found === undefined) return;
    this.#report.judged++;
    if (found >= newest.index) return;
    this.#back(
      `${key} was ${newest.value} from ${newest.index} on, but a read of at least ${floor} found what was written at ${found}`,
    );
  }

  async #ask(
    url: string,
    what: Parameters<typeof ask>[1],
    alsoGood: number[] = [],
  ): Promise<Answer | undefined> {
    const outcome = outcomeOf(await ask(url, what));
    const { answer } = outcome;
    if (outcome.kind === 'ok' || (alsoGood.includes(answer.status) && 'x-index' in answer.headers)) {
      return answer;
    }
    const { errors } = this.#report;
    const name = `${outcome.kind} ${outcome.code}`;
    errors.set(name, (errors.get(name) ?? 0) + 1);
    return undefined;
  }

  #key(): string {
    return `key-${Math.floor(Math.random() * KEYS)}`;
  }

  #answeredAt(index: number): void {
    this.#floor = Math.max(this.#floor, index);
  }

  #back(what: string): void {
    this.#report.wentBack++;
    if (this.#report.told.length < TOLD) this.#report.told.push(what);
  }
}
