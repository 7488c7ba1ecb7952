/**
 * Batches that were given to a leader which did not say yet where all of it stands.
 *
 * MUST: hand out each ticket once: with the leader's answer, or when it is given up.
 */
import type { ForwardProposed } from '../../shared/messages.ts';
import type { Ticket } from './port.ts';

export interface Batch {
  readonly to: string;
  /** Since when the oldest of them waited. */
  readonly waitedSince: number;
  /** By their place in the batch; undefined once answered. */
  readonly tickets: (Ticket | undefined)[];
  /** How many are not answered. */
  open: number;
  /** Set once that leader is no longer the leader we know: the reply is awaited until then. */
  giveUpAt: number;
}

/** Tickets of a batch that one answer is about, in order; those given up before are undefined. */
export interface Answered {
  readonly tickets: readonly (Ticket | undefined)[];
  readonly waitedSince: number;
}

export class Forwards {
  readonly #batches = new Map<number, Batch>();
  #nextId: number;

  constructor(firstId: number) {
    this.#nextId = firstId;
  }

  /** Remembers a batch and returns its number. */
  open(to: string, tickets: readonly Ticket[], waitedSince: number): number {
    const id = this.#nextId++;
    const giveUpAt = Number.POSITIVE_INFINITY;
    this.#batches.set(id, { to, waitedSince, tickets: [...tickets], open: tickets.length, giveUpAt });
    return id;
  }

  /** What an answer is about; undefined where nobody waits for it. */
  answered(m: ForwardProposed): Answered | undefined {
    const batch = this.#batches.get(m.id);
    if (batch === undefined || batch.to !== m.from) return undefined;
    const end = m.count === 0 ? batch.tickets.length : Math.min(m.offset + m.count, batch.tickets.length);
    const tickets: (Ticket | undefined)[] = [];
    for (let at = m.offset; at < end; at++) tickets.push(this.#take(m.id, batch, at));
    return { tickets, waitedSince: batch.waitedSince };
  }

  #take(id: number, batch: Batch, at: number): Ticket | undefined {
    const ticket = batch.tickets[at];
    if (ticket === undefined) return undefined;
    batch.tickets[at] = undefined;
    batch.open--;
    if (batch.open === 0) this.#batches.delete(id);
    return ticket;
  }

  /** Answers of whoever led before are awaited until `giveUpAt` at the longest. */
  leaderChanged(giveUpAt: number): void {
    for (const batch of this.#batches.values()) {
      if (batch.giveUpAt === Number.POSITIVE_INFINITY) batch.giveUpAt = giveUpAt;
    }
  }

  /** The connection to `peer` broke. */
  linkLost(peer: string, giveUpAt: number): void {
    for (const batch of this.#batches.values()) {
      if (batch.to === peer) batch.giveUpAt = Math.min(batch.giveUpAt, giveUpAt);
    }
  }

  /** Calls `lost` for every ticket of a batch that is given up at `now`, and `late` for every other one past its deadline. */
  expire(now: number, lost: (ticket: Ticket) => void, late: (ticket: Ticket) => void): void {
    for (const [id, batch] of this.#batches) {
      const gone = batch.giveUpAt <= now;
      batch.tickets.forEach((ticket, at) => {
        if (ticket === undefined || (!gone && ticket.deadline > now)) return;
        this.#take(id, batch, at);
        if (gone) lost(ticket);
        else late(ticket);
      });
    }
  }

  /** Takes everything out. */
  drain(): Ticket[] {
    const tickets = [...this.#batches.values()].flatMap((batch) => batch.tickets);
    this.#batches.clear();
    return tickets.filter((ticket) => ticket !== undefined);
  }
}
