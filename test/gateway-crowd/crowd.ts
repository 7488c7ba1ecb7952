/**
 * The crowd, as a process of its own: connects everybody, then asks until it is told to stop (`go` and `stop` on standard
 * input), and says what came of it in lines of JSON.
 */
import { createInterface } from 'node:readline';
import { ProposeWriter } from '../bench/frames.ts';
import { KEYS } from '../bench/protocol.ts';
import { CrowdClient } from './crowd-client.ts';

export interface CrowdPlan {
  readonly socket: string;
  readonly clients: number;
  readonly flooders: number;
  readonly depth: number;
  /** Of those that do not flood, all together. */
  readonly perSecond: number;
  readonly valueBytes: number;
}

export interface CrowdResult {
  readonly seconds: number;
  /** Good answers, in all and to those that do not flood. */
  readonly good: number;
  readonly quietGood: number;
  readonly quietAsked: number;
  /** Answers that were not good, by code. */
  readonly codes: Readonly<Record<string, number>>;
  readonly unanswered: number;
  /** Connections that ended by themselves. */
  readonly lost: number;
}

export type CrowdLine =
  | { readonly type: 'connected'; readonly ms: number }
  | ({ readonly type: 'result' } & CrowdResult);

/** So many connect at once: no more than the gateway's backlog takes. */
const CONNECTING = 500;
const TICK_MS = 10;
/** After `stop`: how long open requests may take. Over it they count as unanswered. */
const DRAIN_MS = 15_000;

class Crowd {
  readonly #plan: CrowdPlan;
  #flooders: CrowdClient[] = [];
  #quiet: CrowdClient[] = [];
  readonly #floods = new Set<CrowdClient>();
  #running = false;
  #good = 0;
  #quietGood = 0;
  #quietAsked = 0;
  #lost = 0;
  readonly #codes: Record<string, number> = {};

  constructor(plan: CrowdPlan) {
    this.#plan = plan;
  }

  async connect(): Promise<void> {
    const writer = new ProposeWriter(KEYS, this.#plan.valueBytes);
    const all: CrowdClient[] = [];
    while (all.length < this.#plan.clients) {
      const more = Math.min(CONNECTING, this.#plan.clients - all.length);
      const open = Array.from({ length: more }, () => CrowdClient.open(this.#plan.socket, writer, this));
      all.push(...(await Promise.all(open)));
    }
    this.#flooders = all.slice(0, this.#plan.flooders);
    this.#quiet = all.slice(this.#plan.flooders);
    for (const client of this.#flooders) this.#floods.add(client);
  }

  answered(client: CrowdClient, _id: number, code: string): void {
    const floods = this.#floods.has(client);
    if (code !== '') this.#codes[code] = (this.#codes[code] ?? 0) + 1;
    else {
      this.#good++;
      if (!floods) this.#quietGood++;
    }
    if (floods && this.#running) client.propose(true);
  }

  closed(): void {
    this.#lost++;
  }

  /** Asks until `stopped` resolves; then waits for what is open. */
  async run(stopped: Promise<void>): Promise<CrowdResult> {
    const from = performance.now();
    this.#running = true;
    for (const client of this.#flooders)
      for (let i = 0; i < this.#plan.depth; i++) client.propose(i + 1 < this.#plan.depth);
    let next = 0;
    const timer = setInterval(() => {
      const due = ((performance.now() - from) / 1000) * this.#plan.perSecond;
      for (; this.#quietAsked < due && this.#quiet.length > 0; next = (next + 1) % this.#quiet.length) {
        this.#quiet[next]?.propose();
        this.#quietAsked++;
      }
    }, TICK_MS);
    await stopped;
    clearInterval(timer);
    this.#running = false;
    const seconds = (performance.now() - from) / 1000;
    const deadline = performance.now() + DRAIN_MS;
    while (this.#open() > 0 && performance.now() < deadline) await after(20);
    const unanswered = this.#open();
    const { ['']: _, ...codes } = this.#codes;
    return {
      ...{ seconds, codes, unanswered },
      good: this.#good,
      quietGood: this.#quietGood,
      quietAsked: this.#quietAsked,
      lost: this.#lost,
    };
  }

  #open(): number {
    let open = 0;
    for (const client of this.#flooders) open += client.open;
    for (const client of this.#quiet) open += client.open;
    return open;
  }
}

/** Runs until it has said its result. */
export async function runCrowd(plan: CrowdPlan): Promise<void> {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const told = async (): Promise<void> => {
    const { done } = await lines.next();
    if (done === true) process.exit(1);
  };
  const say = (line: CrowdLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  const crowd = new Crowd(plan);
  const from = performance.now();
  await crowd.connect();
  say({ type: 'connected', ms: performance.now() - from });
  await told();
  say({ type: 'result', ...(await crowd.run(told())) });
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
