/**
 * Tickets whose commands stand in some leader's log, by index: watched until our own log passes there.
 *
 * MUST: keep tickets of one index apart; they differ in term, and one of them at most is right.
 */
import type { Ticket } from './port.ts';

export class Watched {
  readonly #byIndex = new Map<number, Ticket | Ticket[]>();

  get size(): number {
    return this.#byIndex.size;
  }

  add(ticket: Ticket, index: number, term: number): void {
    ticket.index = index;
    ticket.term = term;
    const other = this.#byIndex.get(index);
    if (other === undefined) this.#byIndex.set(index, ticket);
    else this.#byIndex.set(index, Array.isArray(other) ? [...other, ticket] : [other, ticket]);
  }

  remove(ticket: Ticket): void {
    const watched = this.#byIndex.get(ticket.index);
    const rest = Array.isArray(watched) ? watched.filter((other) => other !== ticket) : [];
    if (rest.length > 0) this.#byIndex.set(ticket.index, rest);
    else this.#byIndex.delete(ticket.index);
  }

  /** Calls `visit` for every ticket in (before, now]; it may remove the ticket it is given. */
  visit(before: number, now: number, visit: (ticket: Ticket) => void): void {
    if (this.#byIndex.size === 0) return;
    // Whichever is shorter: a node that starts learns of a long log at once.
    if (now - before > this.#byIndex.size) {
      for (const ticket of this.all()) if (ticket.index > before && ticket.index <= now) visit(ticket);
      return;
    }
    for (let index = before + 1; index <= now; index++) {
      const watched = this.#byIndex.get(index);
      if (watched === undefined) continue;
      if (!Array.isArray(watched)) visit(watched);
      else for (const ticket of watched) visit(ticket);
    }
  }

  all(): Ticket[] {
    return [...this.#byIndex.values()].flat();
  }

  clear(): void {
    this.#byIndex.clear();
  }
}
