/**
 * Refusals of whoever dials us, in the log: a peer that is refused dials again and again.
 *
 * MUST: say each reason once for each address, and again after LIMITS.tlsRefusalMs; keep at most LIMITS.tlsRefusals in mind.
 */
import type { Socket } from 'node:net';
import { LIMITS } from '../../shared/limits.ts';
import type { Log } from './sockets.ts';

export class RefusalLog {
  readonly #log: Log;
  readonly #said = new Map<string, number>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** `peer`: what it says it is called, '' where it said nothing. */
  say(socket: Socket, peer: string, code: string, reason: string): void {
    const from = socket.remoteAddress ?? '';
    const key = `${from} ${peer} ${reason}`;
    const now = performance.now();
    if (now - (this.#said.get(key) ?? Number.NEGATIVE_INFINITY) < LIMITS.tlsRefusalMs) return;
    if (this.#said.size >= LIMITS.tlsRefusals) this.#said.clear();
    this.#said.set(key, now);
    this.#log('warn', 'peer refused', { ...(peer === '' ? {} : { peer }), from, code, reason });
  }
}
