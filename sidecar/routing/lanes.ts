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
    const takes = (ticket: Ticket): boolean => {
      bytes += ticket.command.length + TICKET_BYTES;
      if (taken.length >= most || (taken.length > 0 && bytes > mostBytes)) return false;
      taken.push(ticket);
      return true;
    };
    const front = this.#front.findIndex((ticket) => !takes(ticket));
    this.#front = front === -1 ? [] : this.#front.slice(front);
    if (this.#front.length === 0) this.#takeInTurn(takes);
    this.#length -= taken.length;
    return taken;
  }

  /** Until `takes` says no. A lane that was served goes to the end of the map, where this loop comes to it again. */
  #takeInTurn(takes: (ticket: Ticket) => boolean): void {
    for (const [lane, queue] of this.#queues) {
      let more: boolean;
      do {
        more = takes(queue.tickets[queue.head] as Ticket);
        if (more) queue.head++;
      } while (more && this.#queues.size === 1 && queue.head < queue.tickets.length);
      trim(queue);
      if (queue.head === queue.tickets.length) this.#queues.delete(lane);
      else if (more && this.#queues.size > 1) {
        this.#queues.delete(lane);
        this.#queues.set(lane, queue);
      }
      if (!more) return;
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
