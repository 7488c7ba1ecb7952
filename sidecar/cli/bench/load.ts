/**
 * A closed loop against a running cluster: so many clients, each with one command on its way, spread over the nodes; each next command
 * leaves when the one before is answered.
 *
 * MUST: count as done only what was acknowledged within the measured time, and every refusal by its code; need a bounded amount of
 * memory, however long it runs.
 */
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SidecarFrame } from '../../../shared/app-frames.ts';
import { LIMITS } from '../../../shared/limits.ts';
import type { Replica } from '../../gateway/replicas.ts';
import { Wire } from '../../gateway/wire.ts';

export interface LoadPlan {
  readonly clients: number;
  /** Before anything is measured, and then while it is. */
  readonly warmupMs: number;
  readonly measureMs: number;
  /** The command numbered 1, 2, 3, … */
  command(number: number): Uint8Array;
  /** Once a second: what was acknowledged in it. */
  progress(perSecond: number): void;
}

export interface LoadResult {
  readonly seconds: number;
  readonly completed: number;
  readonly perSecond: number;
  /** From the command to its answer, by nearest rank; milliseconds. 0 where nothing was acknowledged. */
  readonly latencyMs: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
  /** By code; LOST: the connection ended first. */
  readonly errors: Readonly<Record<string, number>>;
}

/** Between a refusal and the next try of that client, or a busy node would be asked in a busy loop. */
const REFUSED_MS = 10;

export class Load {
  readonly #plan: LoadPlan;
  readonly #latency = createHistogram();
  readonly #errors: Record<string, number> = {};
  readonly #connections: Connection[] = [];
  #numbers = 0;
  #completed = 0;
  #phase: 'WARMING' | 'MEASURING' | 'OVER' = 'WARMING';
  #gone: (reason: string) => void = () => undefined;
  /** Rejects when the last connection has ended. */
  readonly #deserted: Promise<never>;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#deserted = new Promise((_, reject) => {
      this.#gone = (reason) => reject(new Error(reason));
    });
    this.#deserted.catch(() => undefined);
  }

  /** Rejects with one sentence when no node takes commands any more. */
  async run(replicas: readonly Replica[]): Promise<LoadResult> {
    const { clients, warmupMs, measureMs } = this.#plan;
    const shares = replicas.map((_, at) =>
      Math.floor((clients + replicas.length - 1 - at) / replicas.length),
    );
    for (const [at, replica] of replicas.entries())
      this.#connections.push(this.#connect(replica, shares[at] ?? 0));
    const ticker = setInterval(() => this.#tick(), 1_000);
    // A load that ends early must not keep the process waiting for its end.
    const over = new AbortController();
    const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal: over.signal });
    try {
      await Promise.race([this.#deserted, pause(warmupMs)]);
      this.#phase = 'MEASURING';
      this.#completed = 0;
      const from = performance.now();
      await Promise.race([this.#deserted, pause(measureMs)]);
      this.#phase = 'OVER';
      return this.#result((performance.now() - from) / 1_000);
    } finally {
      this.#phase = 'OVER';
      clearInterval(ticker);
      over.abort();
      for (const connection of this.#connections) connection.leave();
    }
  }

  #result(seconds: number): LoadResult {
    const ms = (micros: number): number => (this.#completed === 0 ? 0 : micros / 1_000);
    const at = (percentile: number): number => ms(this.#latency.percentile(percentile));
    return {
      seconds,
      completed: this.#completed,
      perSecond: this.#completed / seconds,
      latencyMs: { p50: at(50), p90: at(90), p99: at(99), max: ms(this.#latency.max) },
      errors: this.#errors,
    };
  }

  #ticked = 0;
  #tick(): void {
    const { progress } = this.#plan;
    progress(Math.max(0, this.#completed - this.#ticked));
    this.#ticked = this.#completed;
  }

  #connect(replica: Replica, clients: number): Connection {
    return new Connection(replica, clients, {
      next: () => (this.#phase === 'OVER' ? undefined : this.#plan.command(++this.#numbers)),
      done: (ms) => {
        this.#completed++;
        if (this.#phase === 'MEASURING') this.#latency.record(Math.max(1, Math.round(ms * 1_000)));
      },
      failed: (code, count = 1) => {
        if (this.#phase !== 'OVER') this.#errors[code] = (this.#errors[code] ?? 0) + count;
      },
      ended: (reason) => {
        if (this.#connections.every((connection) => connection.over)) this.#gone(`${replica.id}: ${reason}`);
      },
    });
  }
}

interface LoadEvents {
  /** Undefined: no more. */
  next(): Uint8Array | undefined;
  done(ms: number): void;
  failed(code: string, count?: number): void;
  ended(reason: string): void;
}

/** The clients of one node, over one connection. */
class Connection {
  readonly #wire: Wire;
  readonly #clients: number;
  readonly #events: LoadEvents;
  /** When each command that is on its way left; by client. */
  readonly #sentAt = new Map<number, number>();
  over = false;

  constructor({ address, token }: Replica, clients: number, events: LoadEvents) {
    this.#clients = clients;
    this.#events = events;
    this.#wire = new Wire(address, LIMITS, {
      frame: (frame) => this.#frame(frame),
      drained: () => undefined,
      ended: (reason) => this.#ended(reason),
    });
    this.#wire.send({ type: 'hello', protocol: 1, app: 'outrigger bench', group: '', token });
    this.#wire.flush();
  }

  leave(): void {
    this.over = true;
    this.#wire.leave({ type: 'goodbye', reason: 'done' });
  }

  #frame(frame: SidecarFrame): void {
    if (frame.type === 'welcome') {
      this.#wire.greeted();
      for (let client = 1; client <= this.#clients; client++) this.#send(client);
      this.#wire.flush();
    } else if (frame.type === 'proposed') this.#answered(frame.id);
    else if (frame.type === 'error') {
      if (frame.id === undefined) this.#wire.end(`${frame.code}: ${frame.message}`);
      else this.#refused(frame.id, frame.code);
    }
  }

  #answered(client: number): void {
    const sentAt = this.#sentAt.get(client);
    if (sentAt === undefined) return;
    this.#events.done(performance.now() - sentAt);
    this.#send(client);
    // Once for all that is answered in this turn.
    queueMicrotask(() => this.#wire.flush());
  }

  #refused(client: number, code: string): void {
    this.#sentAt.delete(client);
    this.#events.failed(code);
    setTimeout(() => {
      this.#send(client);
      this.#wire.flush();
    }, REFUSED_MS);
  }

  #send(client: number): void {
    const command = this.over ? undefined : this.#events.next();
    if (command === undefined) {
      this.#sentAt.delete(client);
      return;
    }
    this.#sentAt.set(client, performance.now());
    this.#wire.send({ type: 'propose', id: client, command });
  }

  #ended(reason: string): void {
    if (this.over) return;
    this.over = true;
    if (this.#sentAt.size > 0) this.#events.failed('LOST', this.#sentAt.size);
    this.#events.ended(reason);
  }
}
