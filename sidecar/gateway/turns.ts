/**
 * Whose turn it is: clients are served one request at a time in turn, and one that had nothing waiting goes first, so that
 * whoever asks now and then does not wait for those who always ask (deficit round robin with a list of new flows, as in
 * fq_codel, RFC 8290).
 *
 * MUST: give every client with something waiting its turn in each round; keep each client's own order; cost the same however
 * many clients there are. Plain data; no I/O, no clock.
 */
import { Fifo } from './fifo.ts';
import type { Ticket } from './ticket.ts';

/** A request costs one, and one more for each so many bytes of its command. */
const COST_BYTES = 4096;

/** The requests of one client that wait, oldest first, and its place among the clients. */
export class Line {
  readonly tickets = new Fifo<Ticket>();
  /** What it may still take in this round. Below zero it has had more than its share, and sits rounds out. */
  credit = 0;
  list: LineList | undefined;
  before: Line | undefined;
  after: Line | undefined;
}

/** Lines in order; one can be taken out wherever it is. */
class LineList {
  first: Line | undefined;
  #last: Line | undefined;

  push(line: Line): void {
    line.list?.remove(line);
    line.list = this;
    line.before = this.#last;
    if (this.#last === undefined) this.first = line;
    else this.#last.after = line;
    this.#last = line;
  }

  remove(line: Line): void {
    if (line.before === undefined) this.first = line.after;
    else line.before.after = line.after;
    if (line.after === undefined) this.#last = line.before;
    else line.after.before = line.before;
    line.list = undefined;
    line.before = undefined;
    line.after = undefined;
  }
}

export class Turns {
  /** Had nothing waiting before; served first. */
  readonly #fresh = new LineList();
  readonly #old = new LineList();
  /** Their first ticket must not be sent yet. */
  readonly #later = new LineList();
  #waiting = 0;

  /** Tickets that wait in all lines. */
  get waiting(): number {
    return this.#waiting;
  }

  /** At the end of its client's line. */
  add(ticket: Ticket): void {
    ticket.line.tickets.push(ticket);
    this.#entered(ticket.line);
  }

  /** Where it was before it was sent: before all that came after it. */
  addAgain(ticket: Ticket): void {
    ticket.line.tickets.insert(ticket, (other) => other.number > ticket.number);
    this.#entered(ticket.line);
  }

  /** The ticket whose turn it is, taken out of its line; undefined when none may be sent now. */
  next(now: number): Ticket | undefined {
    for (;;) {
      const line = this.#fresh.first ?? this.#old.first;
      if (line === undefined) return undefined;
      if (line.credit <= 0) {
        line.credit += 1;
        this.#old.push(line);
        continue;
      }
      const ticket = line.tickets.first;
      if (ticket === undefined) {
        // One that was new is kept for a round, or it would be new again at once and always go first.
        if (line.list === this.#fresh) this.#old.push(line);
        else this.#old.remove(line);
        continue;
      }
      if (ticket.notBefore > now) {
        this.#later.push(line);
        continue;
      }
      line.tickets.shift();
      this.#waiting--;
      line.credit -= 1 + Math.floor(ticket.bytes / COST_BYTES);
      return ticket;
    }
  }

  /** When the earliest of those that must not be sent yet may be; undefined when there are none. */
  get nextDue(): number | undefined {
    let due: number | undefined;
    for (let line = this.#later.first; line !== undefined; line = line.after) {
      const notBefore = line.tickets.first?.notBefore ?? 0;
      if (due === undefined || notBefore < due) due = notBefore;
    }
    return due;
  }

  /** Clients whose first ticket had to wait are looked at again. */
  lookAgain(): void {
    for (let line = this.#later.first; line !== undefined; line = this.#later.first) this.#old.push(line);
  }

  /** Takes what is done out of a line. */
  sweep(line: Line): void {
    const before = line.tickets.length;
    line.tickets.filter((ticket) => ticket.state !== 'DONE');
    this.#waiting -= before - line.tickets.length;
  }

  /** Its client is gone: forgets the line and all in it. */
  forget(line: Line): void {
    this.#waiting -= line.tickets.length;
    line.tickets.clear();
    line.list?.remove(line);
  }

  #entered(line: Line): void {
    this.#waiting++;
    if (line.list !== undefined) return;
    line.credit = 1;
    this.#fresh.push(line);
  }
}
