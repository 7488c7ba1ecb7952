/**
 * Clients that write all the time, some at each node, each one command after the other in a session of its own: a command whose
 * fate is not known is tried again until it is, at the same node or, where that one is gone for good, nowhere.
 *
 * MUST: remember what was acknowledged, and when.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppClient } from '../support/app-client.ts';
import { type Account, keyOf, writtenAs } from './judge.ts';

const TRY_MS = 2_000;
const PAUSE_MS = 5;

class Writer {
  readonly account: Account;
  /** What was acknowledged before it: the first command of its session is the next one. */
  readonly #before: number;
  readonly #socket: string;
  readonly #acknowledged: () => void;
  #client: AppClient | undefined;
  #session = 0;
  #ids = 0;
  stopping = false;
  readonly ended: Promise<void>;

  constructor(account: Account, socket: string, acknowledged: () => void) {
    this.account = account;
    this.#before = account.acknowledged;
    this.#socket = socket;
    this.#acknowledged = acknowledged;
    this.ended = this.#run();
  }

  async #run(): Promise<void> {
    for (let n = this.#before + 1; !this.stopping; ) {
      if (await this.#write(n)) {
        this.account.acknowledged = n;
        this.#acknowledged();
        n++;
      } else await sleep(PAUSE_MS);
    }
    await this.#client?.close();
  }

  async #write(n: number): Promise<boolean> {
    const client = await this.#connect();
    if (client === undefined) return false;
    const id = ++this.#ids;
    const command = Buffer.from(`${keyOf(this.account.name, n)}=${writtenAs(n)}`);
    const sequence = n - this.#before;
    const session = { session: this.#session, sequence, ackBelow: sequence };
    client.send({ type: 'propose', id, command, wait: 'COMMITTED', timeoutMs: TRY_MS, ...session });
    const answer = await Promise.race([
      client.next('proposed', (frame) => frame.id === id).catch(() => undefined),
      client.next('error', (frame) => frame.id === id).catch(() => undefined),
    ]);
    if (answer === undefined) this.#client = undefined;
    return answer?.type === 'proposed';
  }

  async #connect(): Promise<AppClient | undefined> {
    if (this.#client !== undefined) return this.#client;
    try {
      const client = await AppClient.greet(this.#socket, 'protobuf', undefined, false);
      if (this.#session === 0) {
        const id = ++this.#ids;
        client.send({ type: 'openSession', id });
        const answer = await Promise.race([
          client.next('sessionOpened', (frame) => frame.id === id),
          client.next('error', (frame) => frame.id === id),
        ]);
        if (answer.type !== 'sessionOpened') {
          await client.close();
          return undefined;
        }
        this.#session = answer.session;
      }
      this.#client = client;
      return client;
    } catch (error) {
      // Nobody listens there now.
      if (!(error instanceof Error)) throw error;
      return undefined;
    }
  }
}

export class Writers {
  /** Of all there ever were. */
  readonly accounts: Account[] = [];
  readonly #running = new Map<string, Writer[]>();
  /** Whose writer has ended. The next one goes on with its keys, or the state would grow with every round. */
  readonly #idle: Account[] = [];
  #lastAt = performance.now();
  #gapMs = 0;
  acknowledged = 0;

  /** `count` writers at the node with that socket. */
  begin(node: string, socket: string, count: number): void {
    const writers = Array.from({ length: count }, () => {
      return new Writer(this.#idle.pop() ?? this.#open(), socket, () => this.#note());
    });
    this.#running.set(node, writers);
  }

  #open(): Account {
    const account: Account = { name: `w${this.accounts.length + 1}`, acknowledged: 0, judged: 0 };
    this.accounts.push(account);
    return account;
  }

  /** Resolves once the last write of each one is answered, or can never be. */
  async end(node: string): Promise<void> {
    const writers = this.#running.get(node) ?? [];
    this.#running.delete(node);
    for (const writer of writers) writer.stopping = true;
    await Promise.all(writers.map(({ ended }) => ended));
    this.#idle.push(...writers.map(({ account }) => account));
  }

  get nodes(): string[] {
    return [...this.#running.keys()];
  }

  #note(): void {
    this.#look();
    this.acknowledged++;
    this.#lastAt = performance.now();
  }

  #look(): void {
    this.#gapMs = Math.max(this.#gapMs, performance.now() - this.#lastAt);
  }

  /** The longest time in which nothing was acknowledged to anybody, since this was called last, ms. */
  takeGap(): number {
    this.#look();
    const gap = this.#gapMs;
    this.#gapMs = 0;
    return gap;
  }

  /** What came of nothing being written does not count. */
  resetGap(): void {
    this.#gapMs = 0;
    this.#lastAt = performance.now();
  }
}
