/**
 * The open requests of one connection: admission, ids, and the answers of the node.
 *
 * MUST: answer every request exactly once while the connection lives, and none afterwards.
 * MUST NOT: keep time; the node behind the socket does.
 */
import type { ProposeFrame, ReadFrame, SidecarFrame } from '../../shared/app-frames.ts';
import { type Refusal, refusal } from '../../shared/codes.ts';
import type { AppLimits } from './context.ts';
import type { AppHost, ProposeResult } from './host.ts';

export class Requests {
  readonly #host: AppHost;
  readonly #limits: AppLimits;
  readonly #send: (frame: SidecarFrame, bytes?: number) => void;
  readonly #idle: () => void;
  readonly #open = new Set<number>();

  /** `idle` is called whenever the last open request was answered. */
  constructor(
    host: AppHost,
    limits: AppLimits,
    send: (frame: SidecarFrame, bytes?: number) => void,
    idle: () => void,
  ) {
    this.#host = host;
    this.#limits = limits;
    this.#send = send;
    this.#idle = idle;
  }

  get open(): number {
    return this.#open.size;
  }

  /** Forgets every open request: their answers have nowhere to go. */
  drop(): void {
    this.#open.clear();
  }

  refuse(reason: Refusal, id: number | undefined): void {
    const { code, definite, message, leader, retryAfterMs } = reason;
    this.#send({ type: 'error', id, code, definite, message, leader, retryAfterMs });
  }

  propose(frame: ProposeFrame): void {
    const { id, command } = frame;
    const { commandBytes } = this.#limits;
    if (command.length > commandBytes) {
      return this.refuse(
        refusal('TOO_LARGE', `the command has ${command.length} bytes, over the limit of ${commandBytes}`),
        id,
      );
    }
    if (!this.#admit(id)) return;
    const request = {
      command,
      session: frame.session ?? 0,
      sequence: frame.sequence ?? 0,
      expectedTerm: frame.expectedTerm,
      wait: frame.wait ?? 'APPLIED',
      timeoutMs: this.#timeout(frame.timeoutMs),
    } as const;
    this.#host.propose(request, (outcome) => this.#proposed(id, outcome));
  }

  read(frame: ReadFrame): void {
    const { id, index } = frame;
    const consistency = frame.consistency ?? 'LINEARIZABLE';
    if (consistency === 'AT_LEAST' && index === undefined) {
      return this.refuse(refusal('BAD_REQUEST', 'a read with AT_LEAST needs an index'), id);
    }
    if (!this.#admit(id)) return;
    const request = { consistency, index, timeoutMs: this.#timeout(frame.timeoutMs) };
    this.#host.read(request, (outcome) => {
      if (!this.#open.delete(id)) return;
      if ('code' in outcome) this.refuse(outcome, id);
      else this.#send({ type: 'readReady', id, index: outcome.index });
      if (this.#open.size === 0) this.#idle();
    });
  }

  #proposed(id: number, outcome: ProposeResult | Refusal): void {
    if (!this.#open.delete(id)) return;
    if ('code' in outcome) this.refuse(outcome, id);
    else {
      const { index, term, result, duplicate } = outcome;
      this.#send({ type: 'proposed', id, index, term, result, duplicate }, result?.length);
    }
    if (this.#open.size === 0) this.#idle();
  }

  /** Opens `id`, or answers why not. */
  #admit(id: number): boolean {
    if (this.#open.has(id)) {
      this.refuse(refusal('BAD_REQUEST', `request ${id} is already open on this connection`), id);
      return false;
    }
    const { requestsPerConnection, overloadedRetryMs } = this.#limits;
    if (this.#open.size >= requestsPerConnection) {
      const message = `this connection has ${requestsPerConnection} open requests, which is the limit`;
      this.refuse(refusal('OVERLOADED', message, { retryAfterMs: overloadedRetryMs }), id);
      return false;
    }
    this.#open.add(id);
    return true;
  }

  #timeout(asked: number | undefined): number {
    if (asked === undefined) return this.#limits.requestMs;
    return Math.max(1, Math.min(asked, this.#limits.requestMsMax));
  }
}
