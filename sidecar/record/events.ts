/**
 * The newest events of this process, numbered 1, 2, 3, … without a gap.
 *
 * MUST: keep at most `capacity` of them, and forget the oldest first; wake listeners without doing their work.
 * An event is complete when it is recorded and never changes.
 */
import { randomBytes } from 'node:crypto';
import type { RaftEvent } from '../../shared/events.ts';
import { LIMITS } from '../../shared/limits.ts';

export type EventFields = Omit<RaftEvent, 'seq'>;

export class EventLog {
  /** Names this run of the process: sequence numbers begin again in the next one. */
  readonly generation = randomBytes(8).toString('hex');
  readonly #capacity: number;
  readonly #ring: RaftEvent[] = [];
  readonly #listeners = new Set<() => void>();
  #last = 0;

  constructor(capacity: number = LIMITS.eventsKept) {
    this.#capacity = capacity;
  }

  /** Sequence of the oldest event kept; 1 while there is none. */
  get first(): number {
    return this.#last - this.#ring.length + 1;
  }

  /** Sequence of the newest event; 0 while there is none. */
  get last(): number {
    return this.#last;
  }

  /** True while somebody watches. */
  get watched(): boolean {
    return this.#listeners.size > 0;
  }

  record(fields: EventFields): void {
    const event: RaftEvent = { seq: ++this.#last, ...fields };
    if (this.#ring.length < this.#capacity) this.#ring.push(event);
    else this.#ring[(event.seq - 1) % this.#capacity] = event;
    for (const wake of this.#listeners) wake();
  }

  /** Events after `seq`, oldest first, at most `max`. Those that were forgotten are missing at the front. */
  since(seq: number, max: number = Number.POSITIVE_INFINITY): RaftEvent[] {
    const from = Math.max(seq + 1, this.first);
    const through = Math.min(this.#last, from + max - 1);
    const events: RaftEvent[] = [];
    for (let at = from; at <= through; at++) {
      events.push(this.#ring[(at - 1) % this.#capacity] as RaftEvent);
    }
    return events;
  }

  /** Calls `wake` at each new event until the returned function is called. `wake` must be cheap and must not throw. */
  listen(wake: () => void): () => void {
    this.#listeners.add(wake);
    return () => this.#listeners.delete(wake);
  }
}
