/**
 * What waits to be given to a leader: each client in a lane of its own, served in turn, so that whoever asks now and then
 * does not wait for all that somebody else has asked before.
 *
 * MUST: keep the order of each lane; serve one of every lane before a second one of any. Plain data; pure.
 */
import type { Ticket } from './port.ts';

interface Queue {
  tickets: Ticket[];
  /** Those before it were taken. */
  head: number;
}

/** A ticket weighs its command and a little more. */
const TICKET_BYTES = 32;

export class Lanes {
  /** Put back: they were taken before all others. */
  #front: Ticket[] = [];
  /** By client. The first one in the map is the next to be served. */
  readonly #queues = new Map<object | undefined, Queue>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(ticket: Ticket): void {
    const queue = this.#queues.get(ticket.lane);
    if (queue === undefined) this.#queues.set(ticket.lane, { tickets: [ticket], head: 0 });
    else queue.tickets.push(ticket);
    this.#length++;
  }

  /** Before everything else, in this order. */
  putBack(tickets: readonly Ticket[]): void {
    this.#front = [...tickets, ...this.#front];
    this.#length += tickets.length;
  }

  /** Takes those whose turn it is: so many, and of so many bytes, but one where there is one. */
  take(most: number, mostBytes: number): Ticket[] {
    const taken: Ticket[] = [];
    let bytes = 0;
    for (let next = this.#next(); next !== undefined && taken.length < most; next = this.#next()) {
      bytes += next.command.length + TICKET_BYTES;
      if (taken.length > 0 && bytes > mostBytes) break;
      taken.push(next);
      this.#drop();
    }
    return taken;
  }

  #next(): Ticket | undefined {
    if (this.#front.length > 0) return this.#front[0];
    for (const { tickets, head } of this.#queues.values()) return tickets[head];
    return undefined;
  }

  /** Takes out what `#next` gave; its lane goes to the end. */
  #drop(): void {
    this.#length--;
    if (this.#front.length > 0) {
      this.#front.shift();
      return;
    }
    for (const [lane, queue] of this.#queues) {
      queue.head++;
      const done = queue.head === queue.tickets.length;
      if (!done) trim(queue);
      if (!done && this.#queues.size === 1) return;
      this.#queues.delete(lane);
      if (!done) this.#queues.set(lane, queue);
      return;
    }
  }

  /** Takes out those of which `test` is true. */
  remove(test: (ticket: Ticket) => boolean): Ticket[] {
    const all = this.all();
    const removed = all.filter(test);
    if (removed.length === 0) return removed;
    this.#front = this.#front.filter((ticket) => !test(ticket));
    for (const [lane, queue] of this.#queues) {
      const tickets = queue.tickets.slice(queue.head).filter((ticket) => !test(ticket));
      if (tickets.length === 0) this.#queues.delete(lane);
      else this.#queues.set(lane, { tickets, head: 0 });
    }
    this.#length -= removed.length;
    return removed;
  }

  /** Everything, lane by lane. */
  all(): Ticket[] {
    return [
      ...this.#front,
      ...[...this.#queues.values()].flatMap(({ tickets, head }) => tickets.slice(head)),
    ];
  }

  clear(): void {
    this.#front = [];
    this.#queues.clear();
    this.#length = 0;
  }
}

/** Lets go what was taken, once that is half of it. */
function trim(queue: Queue): void {
  if (queue.head * 2 < queue.tickets.length) return;
  queue.tickets = queue.tickets.slice(queue.head);
  queue.head = 0;
}
