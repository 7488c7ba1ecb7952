/**
 * Takes what clients ask to a replica, and what it answers back: the leader's replica where it is known and in reach.
 *
 * MUST: answer each ticket exactly once (unless its client is gone); keep no more at a replica than its window; leave it to
 * `fate.ts` whether a request may be tried again.
 * MUST NOT: bound what comes in; the clients do (`client.ts`).
 */
import type { ErrorFrame, PressureLevel } from '../../shared/app-frames.ts';
import { type ErrorCode, type Refusal, refusal } from '../../shared/codes.ts';
import type { LIMITS } from '../../shared/limits.ts';
import { type Answer, refusalOf } from './answer.ts';
import { afterError, afterLoss, type Fate, nobodyElse, outOfTime } from './fate.ts';
import { type Leader, leaderOf, type View } from './leadership.ts';
import type { Replica } from './replicas.ts';
import { type Ask, LANES, type Lane, type Ticket } from './ticket.ts';
import { type Line, Turns } from './turns.ts';
import { Upstream, type UpstreamLimits } from './upstream.ts';

export type DispatcherLimits = UpstreamLimits & {
  readonly [Name in keyof Pick<
    typeof LIMITS,
    'gatewayHoldMs' | 'gatewayOverdueMs' | 'gatewayReplicas' | 'gatewayRetryMaxMs' | 'gatewayRetryMinMs'
  >]: number;
};

export interface DispatcherEvents {
  /** Another replica leads, or none does. */
  leader(now: Leader, cause: string): void;
  sessionExpired(session: number): void;
  /** A request ended; `ms` since it came. */
  ended(ticket: Ticket, outcome: 'OK' | ErrorCode, ms: number): void;
  log(level: 'info' | 'warn', message: string, fields: object): void;
}

export interface DispatcherOptions {
  readonly cluster: string;
  readonly gateway: string;
  readonly limits: DispatcherLimits;
  readonly events: DispatcherEvents;
  readonly random: () => number;
}

/** How often everything is looked over for what waited too long. */
const TICK_MS = 50;
/** A replica keeps the time of a request itself; we tell its client so long after. */
const GRACE_MS = 100;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #upstreams = new Map<string, Upstream>();
  readonly #turns: Readonly<Record<Lane, Turns>> = { LEADER: new Turns(), ANY: new Turns() };
  /** Everything that is not DONE. */
  readonly #open = new Set<Ticket>();
  #bytes = 0;
  #tickets = 0;
  #leader: Leader = { term: 0, leader: undefined };
  /** The highest index that a replica told. */
  #index = 0;
  #pumping = false;
  readonly #ticker: NodeJS.Timeout;
  /** Requests that were tried again, and those given to a replica that is not the leader's. */
  retries = 0;
  detours = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#ticker = setInterval(() => this.#tick(performance.now()), TICK_MS);
    this.#ticker.unref();
  }

  get leader(): Leader {
    return this.#leader;
  }
  get index(): number {
    return this.#index;
  }
  /** Requests that have no answer yet, and the bytes of their commands. */
  get open(): number {
    return this.#open.size;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get waiting(): number {
    return this.#turns.LEADER.waiting + this.#turns.ANY.waiting;
  }
  /** In order of their ids. */
  get upstreams(): readonly Upstream[] {
    return [...this.#upstreams.values()];
  }
  /** The leader's replica, where it can be used now. */
  get leaderUpstream(): Upstream | undefined {
    const upstream = this.#upstreams.get(this.#leader.leader ?? '');
    return upstream?.usable(performance.now()) === true ? upstream : undefined;
  }
  /** What the leader's replica asks of its clients. */
  get pressure(): PressureLevel {
    return this.#upstreams.get(this.#leader.leader ?? '')?.pressure ?? 'OK';
  }

  /** Dials those that are new. One that is not named any more stays: it may only be restarting. */
  know(replicas: readonly Replica[]): void {
    for (const replica of replicas) {
      const known = this.#upstreams.get(replica.id);
      if (known !== undefined) known.moved(replica);
      else if (this.#upstreams.size < this.#options.limits.gatewayReplicas) this.#add(replica);
    }
  }

  #add(replica: Replica): void {
    const upstream = this.#connectTo(replica);
    const all = [...this.#upstreams.values(), upstream].sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#upstreams.clear();
    for (const one of all) this.#upstreams.set(one.id, one);
    upstream.start();
  }

  /** It leaves at the end of this turn of the event loop, when it is its turn. */
  take(ask: Ask, line: Line): Ticket {
    const now = performance.now();
    const ticket: Ticket = {
      ...ask,
      number: ++this.#tickets,
      line,
      arrived: now,
      deadline: now + ask.timeoutMs,
      state: 'WAITING',
      unsure: false,
      tries: 0,
      notBefore: 0,
      sentAt: 0,
      refusedBy: [],
    };
    this.#open.add(ticket);
    this.#bytes += ticket.bytes;
    this.#turns[ticket.lane].add(ticket);
    this.pumpSoon();
    return ticket;
  }

  /** The client of these is gone. What waits is not sent any more; what was sent may happen, and nobody is told. */
  forget(tickets: Iterable<Ticket>, lines: Readonly<Record<Lane, Line>>): void {
    for (const ticket of tickets) this.#close(ticket);
    for (const lane of LANES) this.#turns[lane].forget(lines[lane]);
  }

  /** Ends every request, and every connection. */
  stop(): void {
    clearInterval(this.#ticker);
    for (const ticket of [...this.#open]) {
      const surely = ticket.state === 'WAITING' && !ticket.unsure;
      const message = 'this gateway is stopping';
      const why = surely
        ? refusal('OVERLOADED', `${message}, and the request was sent to no replica`, { retryAfterMs: 1_000 })
        : refusal('SHUTTING_DOWN', `${message}: whether a replica took the request is not known`);
      this.#settle(ticket, why);
    }
    for (const upstream of this.#upstreams.values()) upstream.close('the gateway is stopping');
  }

  // -------------------------------------------------------------- towards the replicas

  pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(this.#pump);
  }

  readonly #pump = (): void => {
    this.#pumping = false;
    const now = performance.now();
    // One of each lane in turn, so that neither waits for the end of the other.
    for (let sent = true; sent; ) {
      sent = false;
      for (const lane of LANES) if (this.#sendOne(lane, now)) sent = true;
    }
    for (const upstream of this.#upstreams.values()) upstream.flush();
  };

  #sendOne(lane: Lane, now: number): boolean {
    const turns = this.#turns[lane];
    if (turns.waiting === 0) return false;
    const target = this.#target(lane, now);
    if (target === undefined || !target.hasRoom()) return false;
    const ticket = turns.next(now);
    if (ticket === undefined) return false;
    const to = ticket.refusedBy.includes(target.id) ? this.#other(ticket, now) : target;
    if (to?.hasRoom() !== true) {
      ticket.notBefore = now + this.#options.limits.gatewayRetryMinMs;
      turns.addAgain(ticket);
      return true;
    }
    if (ticket.tries > 0) this.retries++;
    if (to.id !== this.#leader.leader) this.detours++;
    to.send(ticket, now);
    return true;
  }

  /** The replica that requests of this lane go to now; undefined while they must wait for one. */
  #target(lane: Lane, now: number): Upstream | undefined {
    const { leader } = this.#leader;
    const leading = leader === undefined ? undefined : this.#upstreams.get(leader);
    if (leading?.usable(now) === true) {
      return lane === 'LEADER' && leading.pressure === 'STOP' ? undefined : leading;
    }
    if (lane === 'ANY') return this.#anyUsable(now);
    if (leader === undefined) return undefined;
    // Others may still take a dead leader for alive, and what they send on to it is lost: first see whether they learn better.
    const gone = leading !== undefined && leading.state !== 'OPEN';
    if (gone && now - leading.downSince < this.#options.limits.gatewayHoldMs) return undefined;
    return this.#anyUsable(now);
  }

  #anyUsable(now: number, not: readonly string[] = []): Upstream | undefined {
    for (const upstream of this.#upstreams.values()) {
      if (upstream.usable(now) && !not.includes(upstream.id)) return upstream;
    }
    return undefined;
  }

  /** A replica that has not refused it. With an expected term only the leader's counts: others forward nothing of that kind. */
  #other(ticket: Ticket, now: number): Upstream | undefined {
    const leading = this.#upstreams.get(this.#leader.leader ?? '');
    if (leading?.usable(now) === true && !ticket.refusedBy.includes(leading.id)) return leading;
    return ticket.leaderOnly ? undefined : this.#anyUsable(now, ticket.refusedBy);
  }

  // -------------------------------------------------------------- from the replicas

  #connectTo(replica: Replica): Upstream {
    const { cluster, gateway, limits, random, events } = this.#options;
    return new Upstream({
      cluster,
      gateway,
      replica,
      limits,
      random,
      events: {
        changed: (cause) => this.#changed(cause),
        answered: (upstream, ticket, answer) => this.#answered(upstream, ticket, answer),
        lost: (upstream, tickets) => this.#lost(upstream, tickets),
        room: () => this.pumpSoon(),
        sessionExpired: (session) => events.sessionExpired(session),
        log: events.log,
      },
    });
  }

  #changed(cause: string): void {
    const views = new Map<string, View>();
    for (const { id, view } of this.#upstreams.values()) if (view !== undefined) views.set(id, view);
    const before = this.#leader;
    const now = leaderOf(views);
    // Old news, or none: as long as not all are heard, what we knew last may be true still.
    const old = now.term < before.term && views.size < this.#upstreams.size;
    if (!old && (now.term !== before.term || now.leader !== before.leader)) {
      this.#leader = now;
      if (before.leader !== now.leader) this.#upstreams.get(before.leader ?? '')?.suspect();
      this.#options.events.leader(now, cause === '' ? 'LEADER_ELECTED' : cause);
    }
    this.pumpSoon();
  }

  #answered(upstream: Upstream, ticket: Ticket, answer: Answer | ErrorFrame): void {
    if (answer.type !== 'error') {
      if ('index' in answer && answer.index > this.#index) this.#index = answer.index;
      this.#settle(ticket, answer);
      return;
    }
    const error = refusalOf(answer);
    const fate = afterError(ticket, upstream.id, error);
    if (!('again' in fate) || fate.again === 'LATER') return this.#meet(ticket, fate);
    const now = performance.now();
    if (error.code !== 'NOT_LEADER') upstream.avoid(now, `${error.code}: ${error.message}`);
    ticket.refusedBy = [...ticket.refusedBy, upstream.id];
    const other = this.#other(ticket, now);
    if (other === undefined) this.#meet(ticket, nobodyElse(ticket, error));
    else this.#tryAgain(ticket, now);
  }

  #lost(upstream: Upstream, tickets: readonly Ticket[]): void {
    for (const ticket of tickets) this.#meet(ticket, afterLoss(ticket, upstream.id));
  }

  #meet(ticket: Ticket, fate: Fate): void {
    if ('answer' in fate) return this.#settle(ticket, fate.answer);
    const { gatewayRetryMinMs, gatewayRetryMaxMs } = this.#options.limits;
    ticket.unsure ||= fate.unsure;
    ticket.refusedBy = [];
    const pause = Math.min(gatewayRetryMaxMs, gatewayRetryMinMs * 2 ** (ticket.tries - 1));
    this.#tryAgain(ticket, performance.now() + Math.max(pause, fate.retryAfterMs ?? 0));
  }

  #tryAgain(ticket: Ticket, notBefore: number): void {
    ticket.state = 'WAITING';
    ticket.notBefore = notBefore;
    this.#turns[ticket.lane].addAgain(ticket);
    this.pumpSoon();
  }

  #settle(ticket: Ticket, outcome: Answer | Refusal): void {
    this.#close(ticket);
    const code = 'code' in outcome ? outcome.code : 'OK';
    this.#options.events.ended(ticket, code, performance.now() - ticket.arrived);
    ticket.done(outcome);
  }

  #close(ticket: Ticket): void {
    if (!this.#open.delete(ticket)) return;
    ticket.state = 'DONE';
    this.#bytes -= ticket.bytes;
  }

  // -------------------------------------------------------------- time

  #tick(now: number): void {
    this.#expire(now);
    for (const upstream of this.#upstreams.values()) this.#cutOverdue(upstream, now);
    for (const lane of LANES) {
      const due = this.#turns[lane].nextDue;
      if (due !== undefined && due <= now) this.#turns[lane].lookAgain();
    }
    if (this.waiting > 0) this.pumpSoon();
  }

  #expire(now: number): void {
    const swept = new Set<Ticket>();
    for (const ticket of this.#open) {
      if (ticket.deadline > now) continue;
      if (ticket.state === 'WAITING') {
        swept.add(ticket);
        this.#settle(ticket, outOfTime(ticket, this.#whyWaiting(ticket, now)));
      } else if (ticket.deadline + GRACE_MS <= now) {
        this.#settle(ticket, refusal('TIMEOUT', 'the replica did not answer in time'));
      }
    }
    for (const { lane, line } of swept) this.#turns[lane].sweep(line);
  }

  #whyWaiting(ticket: Ticket, now: number): string {
    if (this.#anyUsable(now) === undefined) return 'no replica was in reach in time';
    if (this.#target(ticket.lane, now) !== undefined) return 'the request did not get its turn in time';
    return this.pressure === 'STOP' ? 'the leader took nothing more in time' : 'no leader was known in time';
  }

  /** A replica that leaves a request open for long after its time has lost it, and its window a place. */
  #cutOverdue(upstream: Upstream, now: number): void {
    for (const { deadline } of upstream.tickets) {
      if (now < deadline + this.#options.limits.gatewayOverdueMs) continue;
      upstream.cut('it left a request unanswered');
      return;
    }
  }
}
