/**
 * Finds a read index for LINEARIZABLE reads (asking our own core when we lead, the leader otherwise) and holds every read
 * until our own app has applied that far.
 *
 * MUST: ask after the read came, with a fresh number at each try (an old answer must never serve a newer question,
 * etcd#20418); share one question among all reads that wait; bound its queues. Reads change nothing, so asking again is
 * always safe.
 */
import { type Refusal, refusal } from '../../shared/codes.ts';
import type { ForwardReadIndex } from '../../shared/messages.ts';
import type { RoutingPort } from './port.ts';

export interface ReadTicket {
  /** undefined: a read index must be found first. */
  index: number | undefined;
  readonly deadline: number;
  /** Called exactly once. */
  readonly done: (outcome: { readonly index: number } | Refusal) => void;
}

interface Question {
  readonly id: number;
  readonly to: string;
  readonly askAgainAt: number;
  readonly tickets: readonly ReadTicket[];
}

export class ReadRouter {
  readonly #port: RoutingPort;
  readonly #limit: number;
  readonly #askAgainMs: number;
  #leader = '';
  #nextId: number;
  /** Wait for the next question. */
  #asking: ReadTicket[] = [];
  #question: Question | undefined;
  /** Have their index and wait for the app. */
  #waiting: ReadTicket[] = [];
  #lowestWaiting = Number.POSITIVE_INFINITY;
  #applied = 0;

  constructor(port: RoutingPort, limits: { pendingRequests: number; askAgainMs: number }) {
    this.#port = port;
    this.#limit = limits.pendingRequests;
    this.#askAgainMs = limits.askAgainMs;
    this.#nextId = port.firstRequestId;
  }

  get pending(): number {
    return this.#asking.length + this.#waiting.length + (this.#question?.tickets.length ?? 0);
  }

  leaderIs(leader: string): void {
    if (leader === this.#leader) return;
    this.#leader = leader;
    this.#dropQuestion();
  }

  take(ticket: ReadTicket): void {
    if (this.pending >= this.#limit) {
      ticket.done(refusal('OVERLOADED', 'too many reads wait on this node', { retryAfterMs: 100 }));
    } else if (ticket.index === undefined) {
      this.#asking.push(ticket);
    } else {
      this.#waitForApp(ticket, ticket.index);
    }
  }

  /** How many reads wait to be asked for. */
  get unasked(): number {
    return this.#asking.length;
  }

  /** Asks for everything that waits, if no question is out. Call once per turn of the loop. */
  flush(now: number): void {
    if (this.#question !== undefined || this.#asking.length === 0 || this.#leader === '') return;
    const id = this.#nextId++;
    this.#question = { id, to: this.#leader, askAgainAt: now + this.#askAgainMs, tickets: this.#asking };
    this.#asking = [];
    const { id: from, group } = this.#port;
    if (this.#leader === from) this.#port.requestReadIndex(id);
    else this.#port.send({ type: 'ForwardRead', group, from, to: this.#leader, id });
  }

  /** Our own core answered question `id`; undefined: it does not lead. */
  localReadIndex(id: number, index: number | undefined): void {
    this.#answered(id, this.#port.id, index);
  }

  receiveReadIndex(m: ForwardReadIndex): void {
    this.#answered(m.id, m.from, m.refused === '' ? m.index : undefined);
  }

  #answered(id: number, from: string, index: number | undefined): void {
    const question = this.#question;
    if (question === undefined || question.id !== id || question.to !== from) return;
    if (index === undefined) {
      // It does not lead (any more). We wait for news of the leader, or for `askAgainAt`.
      return;
    }
    this.#question = undefined;
    for (const ticket of question.tickets) this.#waitForApp(ticket, index);
  }

  #waitForApp(ticket: ReadTicket, index: number): void {
    if (index <= this.#applied) {
      ticket.done({ index: Math.max(index, this.#applied) });
      return;
    }
    ticket.index = index;
    this.#waiting.push(ticket);
    if (index < this.#lowestWaiting) this.#lowestWaiting = index;
  }

  /** Our own app has applied through `index` (it may go back when an app starts afresh). */
  appliedIs(index: number): void {
    this.#applied = index;
    if (index < this.#lowestWaiting) return;
    const ready = this.#waiting.filter((ticket) => (ticket.index ?? 0) <= index);
    this.#waiting = this.#waiting.filter((ticket) => (ticket.index ?? 0) > index);
    this.#lowestWaiting = this.#waiting.reduce(
      (low, t) => Math.min(low, t.index ?? low),
      Number.POSITIVE_INFINITY,
    );
    for (const ticket of ready) ticket.done({ index });
  }

  #dropQuestion(): void {
    if (this.#question === undefined) return;
    this.#asking = [...this.#question.tickets, ...this.#asking];
    this.#question = undefined;
  }

  /** Asks again what got no answer, gives up what waited too long. Call now and then. */
  expire(now: number): void {
    if (this.#question !== undefined && this.#question.askAgainAt <= now) this.#dropQuestion();
    const late = (ticket: ReadTicket): boolean => ticket.deadline <= now;
    const expired = [...this.#asking, ...this.#waiting].filter(late);
    if (expired.length === 0) return;
    this.#asking = this.#asking.filter((ticket) => !late(ticket));
    this.#waiting = this.#waiting.filter((ticket) => !late(ticket));
    for (const ticket of expired) {
      const found = ticket.index !== undefined;
      ticket.done(
        refusal(
          'TIMEOUT',
          found ? 'the app did not apply that far in time' : 'no leader confirmed the read in time',
        ),
      );
    }
  }

  close(): void {
    this.#dropQuestion();
    const open = [...this.#asking, ...this.#waiting];
    this.#asking = [];
    this.#waiting = [];
    for (const ticket of open) ticket.done(refusal('SHUTTING_DOWN', 'this sidecar is stopping'));
  }
}
