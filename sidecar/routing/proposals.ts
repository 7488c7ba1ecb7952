/**
 * Takes every command a client gives to this node to whoever leads, and answers the client when *our own* log has it
 * committed (and, as a rule, our own app has applied it).
 *
 * The watch-point: a leader says where it put a command, (index, term). When our own commit index passes that index, the
 * entry there has the same term: it is ours; or another term: ours was surely lost, and may be forwarded again. Nothing
 * else makes forwarding again safe (a reply that never came may belong to a command that was taken), except a session:
 * its commands take effect once, however often they stand in the log.
 *
 * MUST: answer each ticket exactly once; forward again only what was surely not taken, surely lost, or in a session; bound
 * its queues and its hops.
 * Messages of this module must not be duplicated on the way (one TCP connection per direction sees to it).
 */
import { type DefiniteCode, type ErrorCode, isDefinite, type Refusal, refusal } from '../../shared/codes.ts';
import { EntryKind } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { ForwardProposed } from '../../shared/messages.ts';
import { type Answered, Forwards } from './forwards.ts';
import { Lanes } from './lanes.ts';
import type { ProposalOutcome, RoutingPort, Ticket } from './port.ts';
import { Tally } from './tally.ts';
import { Watched } from './watched.ts';

export interface ProposalLimits {
  readonly pendingRequests: number;
  /** Of their commands. One command is always taken. */
  readonly pendingBytes: number;
  /** Commands given to a leader and not committed. What waits beyond it is taken from all clients in turn. */
  readonly window: number;
  readonly windowBytes: number;
  readonly reforwards: number;
  /** How long a reply of a leader that lost its leadership is still awaited. */
  readonly lostReplyMs: number;
}

export class ProposalRouter {
  readonly #port: RoutingPort;
  readonly #limits: ProposalLimits;
  #leader = '';
  #term = 0;
  /** Refusals by supposed leaders that sent us on to the next one, since we heard of a leader by ourselves. */
  #hops = 0;
  /** Not given to any leader yet. */
  readonly #waiting = new Lanes();
  #underWay = 0;
  #underWayBytes = 0;
  readonly #forwards: Forwards;
  readonly #watched = new Watched();
  #pending = 0;
  #pendingBytes = 0;
  /** How proposals taken here ended, and how the leader answered those sent on to it. */
  readonly outcomes = new Tally();
  readonly forwards = new Tally();
  /** Commands that went out again: surely lost, or in a session. */
  reforwarded = 0;

  constructor(port: RoutingPort, limits: ProposalLimits) {
    this.#port = port;
    this.#limits = limits;
    this.#forwards = new Forwards(port.firstRequestId);
  }

  get pending(): number {
    return this.#pending;
  }

  /** Bytes of the commands that wait for an answer. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get leader(): string {
    return this.#leader;
  }

  /** Who leads, as far as this node knows; '' for nobody. */
  leaderIs(leader: string, term: number, now: number): void {
    if (leader === this.#leader && term === this.#term) return;
    this.#leader = leader;
    this.#term = term;
    this.#hops = 0;
    this.#forwards.leaderChanged(now + this.#limits.lostReplyMs);
  }

  /** Our connection to `peer` broke: what it had not answered may never be. */
  linkLost(peer: string, now: number): void {
    this.#forwards.linkLost(peer, now + this.#limits.lostReplyMs);
  }

  /** Takes a command; it leaves at the next `flush`. */
  take(ticket: Ticket): void {
    const problem = this.#refuseAtTheDoor(ticket);
    if (problem !== undefined) {
      this.outcomes.count(problem.code);
      ticket.done(problem);
      return;
    }
    this.#pending++;
    this.#pendingBytes += ticket.command.length;
    this.#waiting.push(ticket);
  }

  #refuseAtTheDoor({ expectedTerm }: Ticket): Refusal | undefined {
    const { pendingRequests, pendingBytes } = this.#limits;
    if (this.#pending >= pendingRequests || this.#pendingBytes >= pendingBytes) {
      return refusal('OVERLOADED', 'too many requests wait on this node', { retryAfterMs: 100 });
    }
    if (expectedTerm === undefined) return undefined;
    const leader = this.#leader === '' ? undefined : this.#leader;
    if (this.#leader !== this.#port.id) {
      return refusal('NOT_LEADER', `this node does not lead term ${expectedTerm}`, { leader });
    }
    if (this.#term === expectedTerm) return undefined;
    return refusal('TERM_CHANGED', `the term is ${this.#term}, not ${expectedTerm}`, { leader });
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
      if (tickets.length === 0) return;
      // What belongs to a session may have to wait for its predecessor: the leader's own go the same way as everybody's.
      if (this.#leader !== this.#port.id || tickets.some((ticket) => ticket.session !== 0)) {
        this.#forward(tickets, waitedSince);
      } else if (!this.#proposeHere(tickets, waitedSince)) return;
    }
  }

  /** As many as fit into the window and into one frame between sidecars. */
  #nextBatch(): Ticket[] {
    const { window, windowBytes } = this.#limits;
    const room = Math.min(window - this.#underWay, LIMITS.appendEntries);
    const bytes = Math.min(windowBytes - this.#underWayBytes, LIMITS.peerFrameBytes / 4);
    if (room <= 0 || bytes <= 0) return [];
    return this.#waiting.take(room, bytes);
  }

  #begins(ticket: Ticket): void {
    ticket.underWay = true;
    this.#underWay++;
    this.#underWayBytes += ticket.command.length;
  }

  /** It is committed, or not given to a leader any more. */
  #ends(ticket: Ticket): void {
    if (!ticket.underWay) return;
    ticket.underWay = false;
    this.#underWay--;
    this.#underWayBytes -= ticket.command.length;
  }

  /** False when our core does not take them now: they wait on. */
  #proposeHere(tickets: Ticket[], waitedSince: number): boolean {
    const answer = this.#port.propose(tickets);
    if ('refused' in answer) {
      if (answer.refused === 'NOT_LEADER') {
        this.#waiting.putBack(tickets);
        return false;
      }
      for (const ticket of tickets)
        this.#refuse(ticket, 'OVERLOADED', 'the leader has too much to commit', 50);
      return true;
    }
    for (const ticket of tickets) this.#begins(ticket);
    this.#watch({ tickets, waitedSince }, answer.firstIndex, answer.term);
    return true;
  }

  #forward(tickets: Ticket[], waitedSince: number): void {
    const { id: from, group } = this.#port;
    const to = this.#leader;
    const sendable: Ticket[] = [];
    for (const ticket of tickets) {
      const { expectedTerm } = ticket;
      if (expectedTerm === undefined || (to === from && expectedTerm === this.#term)) sendable.push(ticket);
      else this.#refuse(ticket, 'TERM_CHANGED', `this node no longer leads term ${expectedTerm}`);
    }
    if (sendable.length === 0) return;
    for (const ticket of sendable) this.#begins(ticket);
    const id = this.#forwards.open(to, sendable, waitedSince);
    this.#port.send({ type: 'ForwardPropose', group, from, to, id, commands: sendable });
  }

  /** The leader said where it put a batch or a part of one, or that it surely did not take it. */
  receiveProposed(m: ForwardProposed, commit: number, decided: number, applied: number): void {
    const answered = this.#forwards.answered(m);
    if (answered === undefined) return;
    const tickets = answered.tickets.filter((ticket) => ticket !== undefined);
    if (m.from !== this.#port.id)
      this.forwards.count(m.refused === '' ? 'OK' : (m.refused as DefiniteCode), tickets.length);
    if (m.refused === '') {
      this.#watch(answered, m.firstIndex, m.term);
      const before = m.firstIndex - 1;
      const last = before + answered.tickets.length;
      if (before < commit) this.committed(before, Math.min(commit, last));
      if (before < decided) this.decided(before, Math.min(decided, last));
      if (before < applied) this.applied(before, Math.min(applied, last));
      return;
    }
    if (m.refused !== 'NOT_LEADER') {
      for (const ticket of tickets) this.#refusedByLeader(ticket, m.refused as DefiniteCode);
      return;
    }
    // Surely not taken. If we still think that it leads, we ask whom it names, or wait to learn better.
    if (this.#leader === m.from) {
      this.#hops++;
      const elsewhere = m.leader !== m.from && this.#hops <= LIMITS.forwardHops;
      this.#leader = elsewhere ? m.leader : '';
    }
    for (const ticket of tickets) this.#ends(ticket);
    this.#waiting.putBack(tickets);
  }

  #refusedByLeader(ticket: Ticket, code: DefiniteCode): void {
    if (code === 'SEQUENCE_GAP') {
      const { session, sequence } = ticket;
      this.#refuse(
        ticket,
        code,
        `command ${sequence} of session ${session} came, and the one before it did not`,
      );
    } else this.#refuse(ticket, code, 'the leader refused the command', 50);
  }

  #watch({ tickets, waitedSince }: Answered, firstIndex: number, term: number): void {
    this.#port.placed?.(firstIndex, firstIndex + tickets.length - 1, waitedSince);
    let index = firstIndex;
    for (const ticket of tickets) {
      if (ticket !== undefined) this.#watched.add(ticket, index, term);
      index++;
    }
  }

  /** Our own commit index went from `before` to `now`. */
  committed(before: number, now: number): void {
    this.#watched.visit(before, now, (ticket) => {
      this.#ends(ticket);
      const term = this.#port.termAt(ticket.index);
      if (term === undefined) this.#forgotten(ticket);
      else if (term !== ticket.term) this.#surelyLost(ticket);
      else if (answeredWhen(ticket) === 'COMMITTED') this.#answer(ticket);
    });
  }

  /** What our own log does to the sessions is decided through `now` (before it is applied): ≤ commit. */
  decided(before: number, now: number): void {
    this.#watched.visit(before, now, (ticket) => {
      if (answeredWhen(ticket) === 'DECIDED') this.#answer(ticket);
    });
  }

  /** Our own app went from applied index `before` to `now`; both are ≤ what is decided. */
  applied(before: number, now: number): void {
    this.#watched.visit(before, now, (ticket) => this.#answer(ticket));
  }

  /** Another entry is committed where ours was: it may go out again. */
  #surelyLost(ticket: Ticket): void {
    this.#watched.remove(ticket);
    if (ticket.expectedTerm === undefined) this.#again(ticket);
    else this.#refuse(ticket, 'TERM_CHANGED', `term ${ticket.term} ended before the command was committed`);
  }

  /** The log begins behind its place by now, so nobody can say whose entry stood there. */
  #forgotten(ticket: Ticket): void {
    this.#watched.remove(ticket);
    ticket.unsure = true;
    if (isRepeatable(ticket)) this.#again(ticket);
    else this.#refuse(ticket, 'LEADER_LOST', 'a snapshot took the place of the log where the command stood');
  }

  #again(ticket: Ticket): void {
    ticket.lost++;
    if (ticket.lost > this.#limits.reforwards) {
      this.#refuse(ticket, 'OVERLOADED', 'no leader stayed long enough to commit the command', 1000);
      return;
    }
    this.reforwarded++;
    this.#ends(ticket);
    this.#waiting.push(ticket);
  }

  #settled(ticket: Ticket): void {
    this.#ends(ticket);
    this.#pending--;
    this.#pendingBytes -= ticket.command.length;
  }

  #answer(ticket: Ticket): void {
    this.#watched.remove(ticket);
    const outcome: ProposalOutcome | Refusal = this.#port.outcomeOf(ticket);
    if ('code' in outcome) {
      this.#refuse(ticket, outcome.code, outcome.message, outcome.retryAfterMs);
      return;
    }
    this.#settled(ticket);
    this.outcomes.count('OK');
    ticket.done(outcome);
  }

  #refuse(ticket: Ticket, code: ErrorCode, message: string, retryAfterMs?: number): void {
    this.#settled(ticket);
    // What a later try was refused says nothing of the one before it.
    const honest = ticket.unsure && isDefinite(code) ? 'LEADER_LOST' : code;
    this.outcomes.count(honest);
    const leader = this.#leader === '' ? undefined : this.#leader;
    ticket.done(refusal(honest, message, { leader, retryAfterMs }));
  }

  /** Gives up what waited too long. Call now and then. */
  expire(now: number): void {
    const late = (ticket: Ticket): boolean => ticket.deadline <= now;
    for (const ticket of this.#waiting.remove(late))
      this.#timeOut(ticket, 'no leader took the command in time');
    this.#forwards.expire(
      now,
      (ticket) => this.#replyLost(ticket, late(ticket)),
      (ticket) => {
        this.forwards.count('TIMEOUT');
        this.#timeOut(ticket, 'the leader did not say whether it took the command');
      },
    );
    for (const watched of this.#watched.all()) {
      if (!late(watched)) continue;
      this.#watched.remove(watched);
      this.#timeOut(watched, 'the command is in the log, but was not applied here in time');
    }
  }

  /** Nobody knows whether the leader took it. In a session that does not matter: it takes effect once. */
  #replyLost(ticket: Ticket, late: boolean): void {
    this.forwards.count('LEADER_LOST');
    ticket.unsure = true;
    if (!late && isRepeatable(ticket)) this.#again(ticket);
    else this.#refuse(ticket, 'LEADER_LOST', 'the leader did not say whether it took the command');
  }

  #timeOut(ticket: Ticket, message: string): void {
    this.#refuse(ticket, 'TIMEOUT', message);
  }

  /** Answers everything that waits; the process stops. */
  close(): void {
    const open = [...this.#waiting.all(), ...this.#forwards.drain(), ...this.#watched.all()];
    this.#waiting.clear();
    this.#watched.clear();
    for (const ticket of open) this.#refuse(ticket, 'SHUTTING_DOWN', 'this sidecar is stopping');
  }
}

/** May it stand in the log twice? */
function isRepeatable({ session, expectedTerm }: Ticket): boolean {
  return session !== 0 && expectedTerm === undefined;
}

/** What the answer waits for. Whether a command of a session is a duplicate is known when it is decided. */
function answeredWhen({ kind, session, wait }: Ticket): 'COMMITTED' | 'DECIDED' | 'APPLIED' {
  if (kind === EntryKind.SKIP || kind === EntryKind.APP_VERSION) return 'COMMITTED';
  if (kind !== undefined && kind !== EntryKind.COMMAND) return 'DECIDED';
  if (wait === 'APPLIED') return 'APPLIED';
  return session === 0 ? 'COMMITTED' : 'DECIDED';
}
