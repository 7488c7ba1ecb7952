/**
 * Two commands of one session, sent at the same moment through two nodes, over links that are late by different times:
 * they must be applied in their order, every time.
 */
import type { SidecarFrame } from '../../shared/app-frames.ts';
import { AppClient } from '../support/app-client.ts';
import { Stage } from './stage.ts';

export interface PairOptions {
  readonly pairs: number;
  /** Sessions that send pairs at the same time. */
  readonly sessions: number;
  /** Each piece of traffic between sidecars is late by up to so many ms. */
  readonly lateMs: number;
  readonly random: () => number;
  readonly progress: (line: string) => void;
}

export interface PairVerdict {
  readonly pairs: number;
  /** Second commands that reached the leader's node first, as far as the order of answers tells. */
  readonly overtaken: number;
  /** What the app saw. */
  readonly repeats: number;
  readonly gaps: number;
  readonly problems: readonly string[];
}

export async function sendPairs(options: PairOptions): Promise<PairVerdict> {
  const { sessions, lateMs, random } = options;
  const stage = await Stage.open([]);
  try {
    stage.daemons.network.delay(() => random() * lateMs);
    const clients = await Promise.all(
      stage.ids.map((id) => AppClient.greet(stage.socketOf(id), 'protobuf', undefined, false)),
    );
    const sender = new PairSender(clients, options);
    await Promise.all(Array.from({ length: sessions }, (_, at) => sender.session(`s${at}`)));
    const { repeats, gaps } = await readOrder(clients[0] as AppClient);
    await Promise.all(clients.map((client) => client.close()));
    const { done: pairs, overtaken, problems } = sender;
    return { pairs, overtaken, repeats, gaps, problems };
  } finally {
    await stage.close();
  }
}

class PairSender {
  readonly problems: string[] = [];
  done = 0;
  overtaken = 0;
  readonly #clients: readonly AppClient[];
  readonly #options: PairOptions;
  #nextId = 10;
  #begun = 0;

  constructor(clients: readonly AppClient[], options: PairOptions) {
    this.#clients = clients;
    this.#options = options;
  }

  /** Sends pairs in a session of its own until all are sent. */
  async session(name: string): Promise<void> {
    const [first] = this.#clients as [AppClient];
    const id = this.#nextId++;
    first.send({ type: 'openSession', id });
    const { session } = await first.next('sessionOpened', (frame) => frame.id === id);
    for (let n = 1; this.#begun < this.#options.pairs; n += 2) {
      this.#begun++;
      await this.#pair(name, session, n);
      this.done++;
      if (this.done % 500 === 0) this.#options.progress(`${this.done} of ${this.#options.pairs} pairs`);
    }
  }

  async #pair(name: string, session: number, n: number): Promise<void> {
    const at = Math.floor(this.#options.random() * this.#clients.length);
    const [one, other] = [this.#clients[at], this.#clients[(at + 1) % this.#clients.length]];
    if (one === undefined || other === undefined) throw new Error('there are too few nodes');
    const order: number[] = [];
    await Promise.all(
      [
        [other, n + 1],
        [one, n],
      ].map(async ([client, sequence]) => {
        const answer = await this.#send(client as AppClient, name, session, sequence as number);
        order.push(sequence as number);
        if (answer.type === 'error') this.problems.push(`${name} #${sequence}: ${answer.message}`);
      }),
    );
    if (order[0] === n + 1) this.overtaken++;
  }

  #send(
    client: AppClient,
    name: string,
    session: number,
    sequence: number,
  ): Promise<SidecarFrame & { type: 'proposed' | 'error' }> {
    const id = this.#nextId++;
    const command = Buffer.from(JSON.stringify({ key: 'k', client: name, n: sequence }));
    client.send({ type: 'propose', id, command, session, sequence, ackBelow: Math.max(0, sequence - 2) });
    return Promise.race([
      client.next('proposed', (frame) => frame.id === id),
      client.next('error', (frame) => frame.id === id),
    ]);
  }
}

async function readOrder(client: AppClient): Promise<{ repeats: number; gaps: number }> {
  client.send({ type: 'propose', id: 1, command: Buffer.from('{"read":true}') });
  const { result } = await client.next('proposed', (frame) => frame.id === 1);
  return JSON.parse(Buffer.from(result ?? []).toString()) as { repeats: number; gaps: number };
}
