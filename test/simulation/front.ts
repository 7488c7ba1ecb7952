/**
 * What stands between clients and the core of one simulated node, for one life of its process: the real routing, hosted
 * as `sidecar/node/node.ts` hosts it.
 *
 * MUST: answer every request once, at the latest by the crash.
 */
import { type Refusal, refusal } from '../../shared/codes.ts';
import { type Entry, EntryKind } from '../../shared/entry.ts';
import type { Command, RoutingMessage } from '../../shared/messages.ts';
import { answerOf } from '../../sidecar/machine/answer.ts';
import type { ResultAt, SessionMachine } from '../../sidecar/machine/session-machine.ts';
import type { SessionTable } from '../../sidecar/machine/session-table.ts';
import { hasSessions, type Part } from '../../sidecar/node/intake.ts';
import { NodeSessions } from '../../sidecar/node/sessions.ts';
import type { Raft } from '../../sidecar/raft/raft.ts';
import type { Effect, Input } from '../../sidecar/raft/types.ts';
import {
  type ProposalOutcome,
  type RoutingPort,
  type Ticket,
  type TicketRequest,
  ticketOf,
} from '../../sidecar/routing/port.ts';
import { ProposalRouter } from '../../sidecar/routing/proposals.ts';
import { ReadRouter } from '../../sidecar/routing/reads.ts';
import { Violation } from './checker.ts';

const LOST_REPLY_MS = 300;
const ASK_READ_AGAIN_MS = 150;
const REFORWARDS = 4;
const PENDING_REQUESTS = 1000;
const PENDING_BYTES = 1_000_000;
/** Small, so that it is full now and then. */
const WINDOW = 64;
/** More than the requests of one life. */
const IDS_PER_LIFE = 0x100_0000;

/** The node around it. */
export interface FrontHost {
  readonly id: string;
  /** This node's monotonic clock, ms. */
  readonly clock: number;
  step(input: Input): readonly Effect[];
  send(message: RoutingMessage): void;
  /** Calls `Front.flush` soon, in an event of its own. */
  wake(): void;
  /** Does what a client asked for: now, or when the process goes on. */
  whenRunning(run: () => void): void;
  count(name: string): void;
}

/** What a client asks for. */
export type WriteRequest = Omit<TicketRequest, 'deadline' | 'session' | 'sequence'> &
  Partial<Pick<TicketRequest, 'session' | 'sequence'>>;

export interface LeaseReadRequest {
  /** The read index: what the app has when it is served may be newer, and hide that this one is too old. */
  readonly found: (index: number) => void;
  readonly done: (outcome: { readonly index: number } | Refusal) => void;
}

export class Front implements RoutingPort {
  readonly id: string;
  readonly group = '';
  readonly #host: FrontHost;
  readonly #core: Raft;
  readonly firstRequestId: number;
  readonly #proposals: ProposalRouter;
  readonly #reads: ReadRouter;
  readonly #readRefs = new Map<
    number,
    { readonly local: number } | { readonly from: string; readonly id: number }
  >();
  readonly #sessions: NodeSessions;
  /** The app's results, by index. */
  readonly #results = new Map<number, Uint8Array>();
  readonly #open = new Set<(lost: Refusal) => void>();
  #crashed = false;
  #nextRef = 1;
  #committed = 0;
  #applied = 0;

  constructor(host: FrontHost, core: Raft, life: number) {
    this.id = host.id;
    this.#host = host;
    this.#core = core;
    this.#sessions = new NodeSessions({
      append: (commands) => this.propose(commands),
      answer: (to, requestId, part) => this.#answer(to, requestId, part),
    });
    this.firstRequestId = life * IDS_PER_LIFE;
    const pendingRequests = PENDING_REQUESTS;
    const limits = {
      pendingRequests,
      pendingBytes: PENDING_BYTES,
      window: WINDOW,
      windowBytes: PENDING_BYTES,
      reforwards: REFORWARDS,
      lostReplyMs: LOST_REPLY_MS,
    };
    this.#proposals = new ProposalRouter(this, limits);
    this.#reads = new ReadRouter(this, { pendingRequests, askAgainMs: ASK_READ_AGAIN_MS });
  }

  // ---------------------------------------------------------------- from clients

  write(request: WriteRequest, timeoutMs: number): void {
    const done = this.#once((outcome: ProposalOutcome | Refusal) => {
      if ('index' in outcome && ticket.lost > 0) this.#host.count('command written after it was surely lost');
      request.done(outcome);
    });
    const deadline = this.#host.clock + timeoutMs;
    const ticket = ticketOf({ session: 0, sequence: 0, ...request, deadline, done });
    this.#proposals.take(ticket);
    this.#host.wake();
  }

  read(whenDone: (outcome: { readonly index: number } | Refusal) => void, timeoutMs: number): void {
    const deadline = this.#host.clock + timeoutMs;
    this.#reads.take({ index: undefined, deadline, done: this.#once(whenDone) });
    this.#host.wake();
  }

  /** The lease is judged when the process comes to it: after a pause that is long after the client asked. */
  leaseRead(request: LeaseReadRequest, timeoutMs: number): void {
    const deadline = this.#host.clock + timeoutMs;
    const done = this.#once(request.done);
    this.#host.whenRunning(() => {
      for (const effect of this.#host.step({ type: 'leaseRead', ref: 0 })) {
        if (effect.type === 'readReady') {
          request.found(effect.index);
          this.#reads.take({ index: effect.index, deadline, done });
        } else if (effect.type === 'readRefused') done(refusal('NOT_READY', effect.reason));
      }
    });
  }

  #once<T>(answer: (outcome: T | Refusal) => void): (outcome: T | Refusal) => void {
    let answered = false;
    const done = (outcome: T | Refusal): void => {
      // The step in which it crashed is still being left.
      if (this.#crashed) return;
      if (answered) throw new Violation('Answer once', `${this.id} answers a request a second time`);
      answered = true;
      this.#open.delete(done);
      answer(outcome);
    };
    this.#open.add(done);
    return done;
  }

  // ---------------------------------------------------------------- from the node

  crashed(): void {
    for (const lost of this.#open) lost(refusal('SHUTTING_DOWN', 'the node crashed'));
    this.#crashed = true;
  }

  roleChanged(leads: boolean): void {
    this.#sessions.roleChanged(leads, this.#core.log);
    this.learnLeader();
  }

  learnLeader(): void {
    this.#proposals.leaderIs(this.#core.leader, this.#core.term, this.#host.clock);
    this.#reads.leaderIs(this.#core.leader);
  }

  linkLost(peer: string): void {
    this.#proposals.linkLost(peer, this.#host.clock);
  }

  tick(wall: number): void {
    this.learnLeader();
    this.#sessions.keepHouse(this.#host.clock, wall, this.#core.log);
    this.#proposals.expire(this.#host.clock);
    this.#reads.expire(this.#host.clock);
    this.#host.wake();
  }

  flush(): void {
    this.#proposals.flush();
    this.#reads.flush(this.#host.clock);
  }

  committed(before: number, now: number): void {
    this.#committed = now;
    this.#proposals.committed(before, now);
  }

  /** An app stands where `table` does. */
  attached(table: SessionTable): void {
    this.#applied = table.position;
    this.#results.clear();
    this.#sessions.machine.startAt(table);
    this.#reads.appliedIs(table.position);
  }

  get machine(): SessionMachine {
    return this.#sessions.machine;
  }

  /** Decides what of a stretch of the committed log the app gets; `decided` hears of it before any client. */
  decide(
    entries: readonly Entry[],
    through: number,
    decided: (delivered: readonly Entry[]) => void,
  ): readonly Entry[] {
    const before = this.machine.ahead.position;
    const delivered = this.machine.decide(entries, through);
    decided(delivered);
    this.#proposals.decided(before, through);
    return delivered;
  }

  applied(now: number, results: readonly ResultAt[]): void {
    const before = this.#applied;
    this.#applied = now;
    for (const { index, result } of results) if (result !== undefined) this.#results.set(index, result);
    this.machine.applied(now, results);
    this.#proposals.applied(before, now);
    this.#reads.appliedIs(now);
    this.#host.wake();
  }

  /** The core answered a read; undefined: it does not lead. */
  readIndex(ref: number, index: number | undefined): void {
    const asked = this.#readRefs.get(ref);
    this.#readRefs.delete(ref);
    if (asked === undefined) return;
    if ('local' in asked) {
      this.#reads.localReadIndex(asked.local, index);
      return;
    }
    const { from: to, id } = asked;
    const refused = index === undefined ? 'NOT_LEADER' : '';
    const { id: from, group } = this;
    const { leader } = this.#core;
    this.#host.send({ type: 'ForwardReadIndex', group, from, to, id, index: index ?? 0, refused, leader });
  }

  // ---------------------------------------------------------------- from other nodes

  receive(message: RoutingMessage): void {
    switch (message.type) {
      case 'ForwardPropose':
        return this.#takeForwarded(message.from, message.id, message.commands);
      case 'ForwardRead': {
        const ref = this.#nextRef++;
        this.#readRefs.set(ref, { from: message.from, id: message.id });
        this.#host.step({ type: 'read', ref });
        return;
      }
      case 'ForwardProposed':
        this.#proposals.receiveProposed(message, this.#committed, this.machine.ahead.position, this.#applied);
        return this.#host.wake();
      case 'ForwardReadIndex':
        this.#reads.receiveReadIndex(message);
        return this.#host.wake();
    }
  }

  #takeForwarded(from: string, id: number, commands: readonly Command[]): void {
    if (this.#core.role === 'LEADER' && hasSessions(commands)) {
      this.#sessions.intake.take(from, id, commands, this.#host.clock);
      return;
    }
    const answer = this.propose(commands);
    const taken =
      'refused' in answer ? { firstIndex: 0, term: 0, refused: answer.refused } : { ...answer, refused: '' };
    this.#answer(from, id, { offset: 0, count: commands.length, ...taken });
  }

  #answer(to: string, id: number, part: Part): void {
    const { group, id: from } = this;
    this.send({ type: 'ForwardProposed', group, from, to, id, leader: this.#core.leader, ...part });
  }

  // ---------------------------------------------------------------- the port of routing

  send(message: RoutingMessage): void {
    if (message.to === this.id) this.receive(message);
    else this.#host.send(message);
  }

  propose(commands: readonly Command[]): ReturnType<RoutingPort['propose']> {
    const entries = commands.map(({ kind, command, session, sequence, ackBelow }) => ({
      kind: kind ?? EntryKind.COMMAND,
      command,
      session,
      sequence,
      ackBelow,
    }));
    for (const effect of this.#host.step({ type: 'propose', ref: 0, entries })) {
      if (effect.type === 'proposed') return { firstIndex: effect.firstIndex, term: effect.term };
      if (effect.type === 'proposalRefused')
        return { refused: effect.reason === 'OVERLOADED' ? 'OVERLOADED' : 'NOT_LEADER' };
    }
    return { refused: 'NOT_LEADER' };
  }

  requestReadIndex(id: number): void {
    const ref = this.#nextRef++;
    this.#readRefs.set(ref, { local: id });
    this.#host.step({ type: 'read', ref });
  }

  termAt(index: number): number | undefined {
    return this.#core.log.termAt(index);
  }

  outcomeOf(ticket: Ticket): ProposalOutcome | Refusal {
    return answerOf(this.machine, ticket, (index) => this.#results.get(index));
  }
}
