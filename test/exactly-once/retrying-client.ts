/**
 * A client that increments a counter at random nodes and tries again whatever ended indefinitely, in a session or without.
 *
 * MUST: count what it was told, try by try: every success of one command must be the same answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ErrorFrame, ProposedFrame } from '../../shared/app-frames.ts';
import { AppClient } from '../support/app-client.ts';

const TRY_MS = 1_500;
const PAUSE_MS = 3;

/** What can be answered to one try; LOST: the connection ended before the answer. */
type Outcome = ProposedFrame | ErrorFrame | 'LOST';

export interface Counts {
  commands: number;
  tries: number;
  indefinite: number;
  duplicates: number;
  resultsLost: number;
  /** Answers to one command that differ, and other lies. */
  readonly problems: string[];
}

export interface ClientOptions {
  readonly name: string;
  readonly sockets: readonly string[];
  /** Counters it increments, in turn. */
  readonly keys: readonly string[];
  readonly sessions: boolean;
  readonly random: () => number;
}

export class RetryingClient {
  readonly counts: Counts = {
    commands: 0,
    tries: 0,
    indefinite: 0,
    duplicates: 0,
    resultsLost: 0,
    problems: [],
  };
  /** Increments that were acknowledged, by counter. */
  readonly acknowledged = new Map<string, number>();
  readonly #options: ClientOptions;
  readonly #links = new Map<string, Promise<AppClient>>();
  #session = 0;
  #nextId = 1;
  #stopping = false;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#stopping = true;
  }

  /** Resolves once it was stopped and its last command is answered. */
  async run(): Promise<void> {
    if (this.#options.sessions) this.#session = await this.#open();
    for (let n = 1; !this.#stopping; n++) await this.#increment(n);
    await this.close();
  }

  async close(): Promise<void> {
    for (const link of this.#links.values())
      await link.then(
        (client) => client.close(),
        () => undefined,
      );
    this.#links.clear();
  }

  #pick(): string {
    const { sockets, random } = this.#options;
    return sockets[Math.floor(random() * sockets.length)] ?? '';
  }

  async #open(): Promise<number> {
    for (;;) {
      const id = this.#nextId++;
      const client = await this.#link(this.#pick());
      client?.send({ type: 'openSession', id });
      const answer = await this.#answer(client, id, 'sessionOpened');
      if (answer !== undefined) return answer.session;
      await sleep(PAUSE_MS);
    }
  }

  /** Undefined where nobody listens now. */
  async #link(socket: string): Promise<AppClient | undefined> {
    const known = this.#links.get(socket) ?? AppClient.greet(socket, 'protobuf', undefined, false);
    this.#links.set(socket, known);
    try {
      const client = await known;
      void client.closed.then(() => {
        if (this.#links.get(socket) === known) this.#links.delete(socket);
      });
      return client;
    } catch {
      this.#links.delete(socket);
      return undefined;
    }
  }

  async #answer(client: AppClient | undefined, id: number, type: 'sessionOpened') {
    if (client === undefined) return undefined;
    const answer = await Promise.race([
      client.next(type, (frame) => frame.id === id).catch(() => undefined),
      client.next('error', (frame) => frame.id === id).catch(() => undefined),
      sleep(TRY_MS).then(() => undefined),
    ]);
    return answer?.type === type ? answer : undefined;
  }

  async #increment(n: number): Promise<void> {
    const { name, keys, random } = this.#options;
    const key = keys[n % keys.length] ?? '';
    const command = Buffer.from(JSON.stringify({ key, client: name, n }));
    const first = await this.#untilAnswered(command, n);
    this.counts.commands++;
    this.acknowledged.set(key, (this.acknowledged.get(key) ?? 0) + 1);
    if (this.#session === 0 || random() > 0.2) return;
    // A client that lost the answer asks again, anywhere: it must hear the same.
    const again = await this.#untilAnswered(command, n);
    if (!again.duplicate) this.counts.problems.push(`${name} #${n}: a retry is not told to be one`);
    this.#compare(n, first, again);
  }

  #compare(n: number, first: ProposedFrame, again: ProposedFrame): void {
    if (again.resultLost) {
      this.counts.resultsLost++;
      return;
    }
    const text = (frame: ProposedFrame): string =>
      `${frame.index}@${frame.term} ${Buffer.from(frame.result ?? []).toString()}`;
    if (text(first) !== text(again))
      this.counts.problems.push(`${this.#options.name} #${n}: told ${text(first)}, then ${text(again)}`);
  }

  async #untilAnswered(command: Buffer, sequence: number): Promise<ProposedFrame> {
    for (;;) {
      const outcome = await this.#try(command, sequence);
      this.counts.tries++;
      if (outcome !== 'LOST' && outcome.type === 'proposed') {
        if (outcome.duplicate) this.counts.duplicates++;
        return outcome;
      }
      const code = outcome === 'LOST' ? 'LOST' : outcome.code;
      if (outcome === 'LOST' || !outcome.definite) this.counts.indefinite++;
      else if (code === 'SESSION_UNKNOWN' || code === 'BAD_REQUEST')
        throw new Error(`${this.#options.name} #${sequence}: ${outcome.message}`);
      await sleep(PAUSE_MS);
    }
  }

  async #try(command: Buffer, sequence: number): Promise<Outcome> {
    const client = await this.#link(this.#pick());
    if (client === undefined)
      return { type: 'error', code: 'OVERLOADED', definite: true, message: 'not there' };
    const id = this.#nextId++;
    const session = this.#session;
    client.send({
      type: 'propose',
      id,
      command,
      timeoutMs: TRY_MS,
      ...(session === 0 ? {} : { session, sequence, ackBelow: sequence }),
    });
    return Promise.race([
      client.next('proposed', (frame) => frame.id === id).catch(() => 'LOST' as const),
      client.next('error', (frame) => frame.id === id).catch(() => 'LOST' as const),
    ]);
  }
}
