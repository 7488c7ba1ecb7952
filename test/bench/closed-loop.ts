/**
 * N closed-loop clients: each has one operation open, and starts the next when it ends.
 *
 * MUST: count as `etcd-load/main.go` does. Throughput is what ended well inside the window; latencies are
 * those and the ones still open when the window closed, so that a stall at the end is not forgotten.
 * MUST: be cheap (a few microseconds per operation at most), since it shares the machine with what it
 * measures. MAY: know nothing of sockets.
 */
import { writeFileSync } from 'node:fs';
import type { LoadLine, LoadPlan } from './protocol.ts';

/** Operations after an error wait so long, or a refusing server would be asked in a busy loop. */
const ERROR_PAUSE_MS = 10;
/** After the window: how long the open operations may take to end. Over it they count as UNANSWERED. */
const DRAIN_MS = 12_000;

/** Sends one operation of client `client`; must call `loop.sent` then, and `loop.ended` when answered. */
export type Submit = (client: number) => void;

export class ClosedLoop {
  readonly #plan: LoadPlan;
  readonly #submit: Submit;
  readonly #say: (line: LoadLine) => void;
  /** `performance.now()` at each client's last send. */
  readonly #sentAt: Float64Array;
  /** The same clock, where the plan has a pace: when each client's next operation is due. */
  readonly #dueAt: Float64Array;
  /** Milliseconds from one operation of a client to its next; 0 without a pace. */
  readonly #everyMs: number;
  #micros = new Float64Array(1 << 20);
  #samples = 0;
  #completed = 0;
  #submitted = 0;
  #open = 0;
  #phase: 'warming' | 'measuring' | 'draining' = 'warming';
  readonly #errors: Record<string, number> = {};
  #windowFrom = 0;
  #seconds = 0;
  #drained: () => void = () => undefined;

  constructor(plan: LoadPlan, submit: Submit, say: (line: LoadLine) => void) {
    this.#plan = plan;
    this.#submit = submit;
    this.#say = say;
    this.#sentAt = new Float64Array(plan.clients);
    this.#dueAt = new Float64Array(plan.clients);
    this.#everyMs = plan.perSecond ? (plan.clients * 1_000) / plan.perSecond : 0;
  }

  /** Runs the whole plan; resolves when the result has been said. */
  async run(): Promise<void> {
    const counted = this.#plan.operations > 0;
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    if (counted) this.#openWindow();
    const from = performance.now();
    for (let client = 0; client < this.#plan.clients; client++) {
      this.#dueAt[client] = from + (this.#everyMs * client) / this.#plan.clients;
      this.#inTime(client);
    }
    if (!counted) {
      await after(this.#plan.warmupMs);
      this.#openWindow();
      await after(this.#plan.measureMs);
      this.#closeWindow();
    }
    await (counted ? drained : Promise.race([drained, after(DRAIN_MS)]));
    if (counted) this.#closeWindow();
    if (this.#open > 0) this.#errors['UNANSWERED'] = this.#open;
    const samples = this.#micros.subarray(0, this.#samples);
    writeFileSync(this.#plan.samplesFile, Buffer.from(samples.buffer, 0, samples.byteLength));
    this.#say({ type: 'result', completed: this.#completed, seconds: this.#seconds, errors: this.#errors });
  }

  /** To be called just before the bytes of the operation are made. */
  sent(client: number): void {
    this.#sentAt[client] = performance.now();
  }

  /** The operation of `client` ended: well, or with an error code. */
  ended(client: number, error = ''): void {
    const took = performance.now() - (this.#sentAt[client] ?? 0);
    this.#open--;
    if (this.#phase !== 'warming') {
      if (error !== '') this.#errors[error] = (this.#errors[error] ?? 0) + 1;
      else this.#record(took * 1000);
    }
    if (error === '') this.#inTime(client);
    else setTimeout(() => this.#next(client), ERROR_PAUSE_MS);
  }

  #record(micros: number): void {
    if (this.#phase === 'measuring') this.#completed++;
    if (this.#samples === this.#micros.length) {
      const larger = new Float64Array(this.#micros.length * 2);
      larger.set(this.#micros);
      this.#micros = larger;
    }
    this.#micros[this.#samples++] = micros;
  }

  /** The next operation of `client`, when it is due. */
  #inTime(client: number): void {
    if (this.#everyMs === 0) {
      this.#next(client);
      return;
    }
    const now = performance.now();
    const dueAt = this.#dueAt[client] ?? now;
    this.#dueAt[client] = Math.max(dueAt, now) + this.#everyMs;
    if (dueAt <= now) this.#next(client);
    else setTimeout(() => this.#next(client), dueAt - now);
  }

  #next(client: number): void {
    const limit = this.#plan.operations;
    if (this.#phase === 'draining' || (limit > 0 && this.#submitted >= limit)) {
      if (this.#open === 0) this.#drained();
      return;
    }
    this.#submitted++;
    this.#open++;
    this.#submit(client);
  }

  #openWindow(): void {
    this.#say({ type: 'measuring' });
    this.#phase = 'measuring';
    this.#windowFrom = performance.now();
  }

  #closeWindow(): void {
    this.#phase = 'draining';
    this.#seconds = (performance.now() - this.#windowFrom) / 1000;
    this.#say({ type: 'measured' });
    if (this.#open === 0) this.#drained();
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
