/**
 * Takes every command a client gives to this node to whoever leads, and answers the client when *our own* log has it
 * committed (and, as a rule, our own app has applied it).
 *
 * The watch-point: a leader says where it put a command, (index, term). When our own commit index passes that index, the
 * entry there has the same term: it is ours; or another term: ours was surely lost, and may be forwarded again. Nothing
 * else makes forwarding again safe: a reply that never came may belong to a command that was taken.
 *
 * MUST: answer each ticket exactly once; forward again only what was surely not taken or surely lost; bound its queues.
 * Messages of this module must not be duplicated on the way (one TCP connection per direction sees to it).
 */
import { type DefiniteCode, type Refusal, refusal } from '../../shared/codes.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { ForwardProposed } from '../../shared/messages.ts';
import type { RoutingPort, Ticket } from './port.ts';
import { Tally } from './tally.ts';

interface Forwarded {
  readonly to: string;
  readonly tickets: readonly Ticket[];
  /** Since when the oldest of them waited. */
  readonly waitedSince: number;
  /** Set once that leader is no longer the leader we know: the reply is awaited until then. */
  giveUpAt: number;
}

export interface ProposalLimits {
  readonly pendingRequests: number;
  readonly reforwards: number;
  /** How long a reply of a leader that lost its leadership is still awaited. */
  readonly lostReplyMs: number;
}

export class ProposalRouter {
  readonly #port: RoutingPort;
  readonly #limits: ProposalLimits;
  #leader = '';
  #term = 0;
  #nextId: number;
  /** Not given to any leader yet, in the order taken. */
  #waiting: Ticket[] = [];
  /** Given to a leader that did not say yet where it put them. */
  readonly #forwarded = new Map<number, Forwarded>();
  /** In a leader's log, watched in ours. Tickets at one index differ in term. */
  readonly #watched = new Map<number, Ticket | Ticket[]>();
  #pending = 0;
  /** How proposals taken here ended, and how the leader answered those sent on to it. */
  readonly outcomes = new Tally();
  readonly forwards = new Tally();
  /** Commands that were surely lost and went out again. */
  reforwarded = 0;

  constructor(port: RoutingPort, limits: ProposalLimits) {
    this.#port = port;
    this.#limits = limits;
    this.#nextId = port.firstRequestId;
  }

  get pending(): number {
    return this.#pending;
  }

  get leader(): string {
    return this.#leader;
  }

  /** Who leads, as far as this node knows; '' for nobody. */
  leaderIs(leader: string, term: number, now: number): void {
    if (leader === this.#leader && term === this.#term) return;
    this.#leader = leader;
    this.#term = term;
    for (const forwarded of this.#forwarded.values()) {
      if (forwarded.giveUpAt === Number.POSITIVE_INFINITY)
        forwarded.giveUpAt = now + this.#limits.lostReplyMs;
    }
  }

  /** Our connection to `peer` broke: what it had not answered may never be. */
  linkLost(peer: string, now: number): void {
    for (const forwarded of this.#forwarded.values()) {
      if (forwarded.to !== peer) continue;
      forwarded.giveUpAt = Math.min(forwarded.giveUpAt, now + this.#limits.lostReplyMs);
    }
  }

  /** Takes a command; it leaves at the next `flush`. */
  take(ticket: Ticket): void {
    if (this.#pending >= this.#limits.pendingRequests) {
      this.outcomes.count('OVERLOADED');
      ticket.done(refusal('OVERLOADED', 'too many requests wait on this node', { retryAfterMs: 100 }));
      return;
    }
    if (ticket.expectedTerm !== undefined) {
      const problem = this.#unexpectedTerm(ticket.expectedTerm);
      if (problem !== undefined) {
        this.outcomes.count(problem.code);
        ticket.done(problem);
        return;
      }
    }
    this.#pending++;
    this.#waiting.push(ticket);
  }

  #unexpectedTerm(expected: number): Refusal | undefined {
    const leader = this.#leader === '' ? undefined : this.#leader;
    if (this.#leader !== this.#port.id) {
      return refusal('NOT_LEADER', `this node does not lead term ${expected}`, { leader });
    }
    if (this.#term === expected) return undefined;
    return refusal('TERM_CHANGED', `the term is ${this.#term}, not ${expected}`, { leader });
  }

  /** How many commands wait to be given to a leader. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Gives everything that waits to the leader in one batch, if one is known. Call once per turn of the loop.
   * `waitedSince`: when the first of what waits was taken; only handed on to the port's `placed`.
   */
  flush(waitedSince = 0): void {
    while (this.#waiting.length > 0 && this.#leader !== '') {
      const tickets = this.#nextBatch();
      if (this.#leader === this.#port.id) {
        if (!this.#proposeHere(tickets, waitedSince)) return;
      } else {
        this.#forward(tickets, waitedSince);
      }
    }
  }

  /** As many as fit into one frame between sidecars. */
  #nextBatch(): Ticket[] {
    let bytes = 0;
    let count = 0;
    for (const ticket of this.#waiting) {
      bytes += ticket.command.length + 32;
      if (count > 0 && (bytes > LIMITS.peerFrameBytes / 4 || count >= LIMITS.appendEntries)) break;
      count++;
    }
    if (count === this.#waiting.length) {
      const all = this.#waiting;
      this.#waiting = [];
      return all;
    }
    return this.#waiting.splice(0, count);
  }

  /** False when our core does not take them now: they wait on. */
  #proposeHere(tickets: Ticket[], waitedSince: number): boolean {
    const answer = this.#port.propose(tickets);
    if ('refused' in answer) {
      if (answer.refused === 'NOT_LEADER') {
        this.#waiting = [...tickets, ...this.#waiting];
        return false;
      }
      for (const ticket of tickets)
        this.#refuse(ticket, 'OVERLOADED', 'the leader has too much to commit', 50);
      return true;
    }
    this.#watch(tickets, answer.firstIndex, answer.term, waitedSince);
    return true;
  }

  #forward(tickets: Ticket[], waitedSince: number): void {
    const sendable: Ticket[] = [];
    for (const ticket of tickets) {
      if (ticket.expectedTerm !== undefined) {
        this.#refuse(ticket, 'TERM_CHANGED', `this node no longer leads term ${ticket.expectedTerm}`);
      } else {
        sendable.push(ticket);
      }
    }
    if (sendable.length === 0) return;
    const id = this.#nextId++;
    const giveUpAt = Number.POSITIVE_INFINITY;
    this.#forwarded.set(id, { to: this.#leader, tickets: sendable, waitedSince, giveUpAt });
    const { id: from, group } = this.#port;
    this.#port.send({ type: 'ForwardPropose', group, from, to: this.#leader, id, commands: sendable });
  }

  /** The leader said where it put a batch, or that it surely did not take it. */
  receiveProposed(m: ForwardProposed, commit: number, applied: number): void {
    const forwarded = this.#forwarded.get(m.id);
    if (forwarded === undefined || forwarded.to !== m.from) return;
    this.#forwarded.delete(m.id);
    this.forwards.count(m.refused === '' ? 'OK' : (m.refused as DefiniteCode), forwarded.tickets.length);
    if (m.refused === '') {
      this.#watch(forwarded.tickets, m.firstIndex, m.term, forwarded.waitedSince);
      if (m.firstIndex <= commit) {
        this.committed(m.firstIndex - 1, Math.min(commit, m.firstIndex + forwarded.tickets.length - 1));
      }
      if (m.firstIndex <= applied) {
        this.applied(m.firstIndex - 1, Math.min(applied, m.firstIndex + forwarded.tickets.length - 1));
      }
      return;
    }
    if (m.refused !== 'NOT_LEADER') {
      for (const t of forwarded.tickets)
        this.#refuse(t, m.refused as DefiniteCode, 'the leader refused the command', 50);
      return;
    }
    // Surely not taken. If we still think that it leads, we wait to learn better.
    if (this.#leader === m.from) this.#leader = m.leader === m.from ? '' : m.leader;
    this.#waiting = [...forwarded.tickets, ...this.#waiting];
  }

  #watch(tickets: readonly Ticket[], firstIndex: number, term: number, waitedSince: number): void {
    this.#port.placed?.(firstIndex, firstIndex + tickets.length - 1, waitedSince);
    let index = firstIndex;
    for (const ticket of tickets) {
      ticket.index = index;
      ticket.term = term;
      const other = this.#watched.get(index);
      if (other === undefined) this.#watched.set(index, ticket);
      else this.#watched.set(index, Array.isArray(other) ? [...other, ticket] : [other, ticket]);
      index++;
    }
  }

  /** Our own commit index went from `before` to `now`. */
  committed(before: number, now: number): void {
    if (this.#watched.size === 0) return;
    for (let index = before + 1; index <= now; index++) {
      const watched = this.#watched.get(index);
      if (watched === undefined) continue;
      if (!Array.isArray(watched)) this.#settle(watched, index);
      else for (const ticket of watched) this.#settle(ticket, index);
    }
  }

  #settle(ticket: Ticket, index: number): void {
    if (this.#port.termAt(index) === ticket.term) {
      if (ticket.wait === 'COMMITTED') this.#answer(ticket, undefined);
      return;
    }
    this.#unwatch(ticket);
    if (ticket.expectedTerm !== undefined) {
      this.#refuse(ticket, 'TERM_CHANGED', `term ${ticket.term} ended before the command was committed`);
      return;
    }
    // Another entry is committed where ours was: ours is surely lost, so it may go out again.
    ticket.lost++;
    if (ticket.lost > this.#limits.reforwards) {
      this.#refuse(ticket, 'OVERLOADED', 'no leader stayed long enough to commit the command', 1000);
      return;
    }
    this.reforwarded++;
    this.#waiting.push(ticket);
  }

  /** Our own app went from applied index `before` to `now`; both are ≤ commit. */
  applied(before: number, now: number): void {
    if (this.#watched.size === 0) return;
    for (let index = before + 1; index <= now; index++) {
      const watched = this.#watched.get(index);
      if (watched === undefined) continue;
      const result = this.#port.resultAt(index);
      if (!Array.isArray(watched)) this.#answer(watched, result);
      else for (const ticket of watched) this.#answer(ticket, result);
    }
  }

  #answer(ticket: Ticket, result: Uint8Array | undefined): void {
    this.#unwatch(ticket);
    this.#pending--;
    this.outcomes.count('OK');
    const { index, term } = ticket;
    ticket.done(result === undefined ? { index, term } : { index, term, result });
  }

  #unwatch(ticket: Ticket): void {
    const watched = this.#watched.get(ticket.index);
    const rest = Array.isArray(watched) ? watched.filter((other) => other !== ticket) : [];
    if (rest.length > 0) this.#watched.set(ticket.index, rest);
    else this.#watched.delete(ticket.index);
  }

  #refuse(ticket: Ticket, code: Parameters<typeof refusal>[0], message: string, retryAfterMs?: number): void {
    this.#pending--;
    this.outcomes.count(code);
    const leader = this.#leader === '' ? undefined : this.#leader;
    ticket.done(refusal(code, message, { leader, retryAfterMs }));
  }

  /** Gives up what waited too long. Call now and then. */
  expire(now: number): void {
    const late = (ticket: Ticket): boolean => ticket.deadline <= now;
    if (this.#waiting.some(late)) {
      const expired = this.#waiting.filter(late);
      this.#waiting = this.#waiting.filter((ticket) => !late(ticket));
      for (const ticket of expired) this.#timeOut(ticket, 'no leader took the command in time');
    }
    for (const [id, { tickets, giveUpAt }] of this.#forwarded) {
      const lost = giveUpAt <= now;
      if (!lost && !tickets.some(late)) continue;
      // Answered together: whoever forgets a batch can no longer learn where the rest of it went.
      this.#forwarded.delete(id);
      const code = lost ? 'LEADER_LOST' : 'TIMEOUT';
      this.forwards.count(code, tickets.length);
      for (const ticket of tickets)
        this.#refuse(ticket, code, 'the leader did not say whether it took the command');
    }
    for (const watched of [...this.#watched.values()].flat()) {
      if (!late(watched)) continue;
      this.#unwatch(watched);
      this.#timeOut(watched, 'the command is in the log, but was not applied here in time');
    }
  }

  #timeOut(ticket: Ticket, message: string): void {
    this.#refuse(ticket, 'TIMEOUT', message);
  }

  /** Answers everything that waits; the process stops. */
  close(): void {
    const open = [
      ...this.#waiting,
      ...[...this.#forwarded.values()].flatMap((f) => f.tickets),
      ...[...this.#watched.values()].flat(),
    ];
    this.#waiting = [];
    this.#forwarded.clear();
    this.#watched.clear();
    for (const ticket of open) this.#refuse(ticket, 'SHUTTING_DOWN', 'this sidecar is stopping');
  }
}
