/**
 * Gets requests to a node and their answers back: what waits, what is on the way, and what is tried again.
 *
 * MUST: try again only what is safe to try again: what was surely not done, and what changes nothing (or is of a session,
 * whose Session decides). End every call exactly once, at its deadline at the latest. Stay within its limits.
 */
import type { Place } from './address.ts';
import { backoffMs } from './backoff.ts';
import { definite, indefinite, OutriggerError } from './errors.ts';
import type { Answer, News, Pressure } from './frames.ts';
import type { ClientLimits } from './limits.ts';
import type { Link, Outcome } from './link.ts';
import { Route } from './route.ts';

export interface Call {
  /** Undefined: only waits for a connection. */
  readonly request: string | undefined;
  /** The request's fields, with so much time left for it. */
  readonly fields: (timeoutMs: number) => Readonly<Record<string, unknown>>;
  /** A proposal without a session: it changes something, and nobody could tell that it was done twice. */
  readonly once: boolean;
  readonly timeoutMs: number | undefined;
  readonly bytes: number;
  /** Called exactly once, with the node that answered. */
  readonly done: (outcome: Outcome, node: string) => void;
}

/** Where proposals wait for their turn: those without a session, and those of each session. */
export interface Source {
  /** Does it wait for a connection? */
  waits(): boolean;
  /** Sends its next proposal, if there is one for now. */
  sendNext(link: Link): boolean;
  /** A node says that this session expired. */
  expired(session: number): void;
  /** No more of this client: ends everything. */
  closed(why: OutriggerError): void;
}

interface Waiting {
  readonly call: Call;
  readonly deadline: number;
  readonly timer: NodeJS.Timeout;
  tries: number;
  /** The definite refusal of the last try. */
  refused: OutriggerError | undefined;
  /** Where it is on its way. */
  on: { readonly link: Link; readonly id: number } | undefined;
  ended: boolean;
}

export class Dispatcher {
  readonly limits: ClientLimits;
  readonly #route: Route;
  /** Every call that has not ended, and what may be sent of them. */
  readonly #calls = new Set<Waiting>();
  #proposals: Waiting[] = [];
  #others: Waiting[] = [];
  /** Whoever sent goes to the end. */
  readonly #sources = new Set<Source>();
  #count = 0;
  #bytes = 0;
  /** The largest command that the last node we met takes. */
  #commandBytes = Number.POSITIVE_INFINITY;
  #pressure: Pressure = 'OK';
  /** Runs while the node says STOP; then it has said so for too long. */
  #stopTimer: NodeJS.Timeout | undefined;
  #stoppedLong = false;
  /** Failures in a row that the node answered with. */
  #setbacks = 0;
  #pumping = false;
  #closed: OutriggerError | undefined;
  leader: string | undefined;
  highestIndex = 0;

  constructor(places: readonly Place[], app: string, limits: ClientLimits) {
    this.limits = limits;
    this.#sources.add({
      waits: () => false,
      sendNext: (link) => this.#sendFirst(link, this.#proposals),
      expired: () => undefined,
      closed: () => undefined,
    });
    this.#route = new Route(places, app, limits, {
      pump: () => this.pump(),
      connected: (link) => this.#connected(link),
      news: (item) => this.#heard(item),
      unwelcome: (why) => this.#failWaiting(why),
    });
  }

  get node(): string | undefined {
    return this.#route.link?.welcome?.node;
  }

  /** What a call that was never sent fails with. */
  notSent(): OutriggerError {
    const why =
      this.#route.link === undefined
        ? (this.#route.lastError?.message ?? 'no node was reached')
        : this.#pressure === 'STOP'
          ? 'the node says STOP'
          : 'too much else was on its way';
    return definite('NOT_SENT', `the request was not sent in time: ${why}`);
  }

  // -------------------------------------------------------------- admission

  /** Counts a call that begins, or says why it may not. `release` when it ends. */
  admit(bytes: number): OutriggerError | undefined {
    if (this.#closed !== undefined) return this.#closed;
    if (bytes > this.#commandBytes)
      return definite(
        'TOO_LARGE',
        `the command has ${bytes} bytes, over the node's limit of ${this.#commandBytes}`,
      );
    const { calls, callsBytes } = this.limits;
    if (this.#count >= calls) return definite('OVERLOADED', `this client has ${calls} open calls, its limit`);
    if (this.#bytes + bytes > callsBytes && this.#count > 0)
      return definite('OVERLOADED', `the open calls of this client have ${callsBytes} bytes, its limit`);
    this.#count += 1;
    this.#bytes += bytes;
    return undefined;
  }

  release(bytes: number): void {
    this.#count -= 1;
    this.#bytes -= bytes;
  }

  /** How long a call may take for which so much was asked. */
  callMs(asked: number | undefined): number {
    const { callMs, callMaxMs } = this.limits;
    return Math.min(Math.max(asked ?? callMs, 1), callMaxMs);
  }

  submit(call: Call): void {
    const no = this.admit(call.bytes);
    if (no !== undefined) return call.done(no, '');
    const ms = this.callMs(call.timeoutMs);
    const waiting: Waiting = {
      call,
      deadline: performance.now() + ms,
      timer: setTimeout(() => this.#late(waiting), ms),
      tries: 0,
      refused: undefined,
      on: undefined,
      ended: false,
    };
    this.#calls.add(waiting);
    this.#queue(waiting);
  }

  #queue(waiting: Waiting): void {
    if (waiting.ended) return;
    if (waiting.call.once) this.#proposals.push(waiting);
    else this.#others.push(waiting);
    this.pump();
  }

  addSource(source: Source): void {
    this.#sources.add(source);
  }

  removeSource(source: Source): void {
    this.#sources.delete(source);
  }

  // -------------------------------------------------------------- sending

  /** Sends what may be sent, soon. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      if (this.#closed === undefined) this.#run();
    });
  }

  #wanted(): boolean {
    if (this.#proposals.length > 0 || this.#others.length > 0) return true;
    return [...this.#sources].some((source) => source.waits());
  }

  #run(): void {
    const { link } = this.#route;
    if (link === undefined) {
      if (this.#wanted()) this.#route.want();
      return;
    }
    while (this.#has(link, 'OK') && this.#sendFirst(link, this.#others));
    if (this.#stoppedLong && this.#wanted()) this.#moveOn(link);
    // In turn, so that neither a session nor the rest can keep the others out.
    for (let sent = true; sent; ) {
      sent = false;
      for (const source of [...this.#sources]) {
        if (!this.#has(link, this.#pressure)) return;
        if (!source.sendNext(link)) continue;
        sent = true;
        if (this.#sources.delete(source)) this.#sources.add(source);
      }
    }
  }

  /** Is there room for one more request at this pressure? */
  #has(link: Link, pressure: Pressure): boolean {
    if (link.choked || link !== this.#route.link || pressure === 'STOP') return false;
    const { inFlight, slowDown } = this.limits;
    const most = Math.min(inFlight, link.welcome?.inFlight || inFlight);
    return link.open < (pressure === 'OK' ? most : Math.max(1, Math.floor(most / slowDown)));
  }

  #sendFirst(link: Link, queue: Waiting[]): boolean {
    const waiting = queue.shift();
    if (waiting === undefined) return false;
    const { request, once, fields } = waiting.call;
    if (request === undefined) {
      this.#end(waiting, { name: 'pong', id: 0 });
      return true;
    }
    const leftMs = Math.max(1, Math.ceil(waiting.deadline - performance.now()));
    const { tryMs, tryGraceMs } = this.limits;
    const timeoutMs = once ? leftMs : Math.min(leftMs, tryMs);
    waiting.tries += 1;
    const id = link.request(
      request,
      fields(timeoutMs),
      once ? undefined : timeoutMs + tryGraceMs,
      (outcome) => this.#answered(waiting, link, outcome),
    );
    waiting.on = { link, id };
    return true;
  }

  // -------------------------------------------------------------- answers

  #answered(waiting: Waiting, link: Link, outcome: Outcome): void {
    waiting.on = undefined;
    if (!(outcome instanceof OutriggerError)) {
      this.succeeded(link, outcome);
      return this.#end(waiting, outcome, link.welcome?.node);
    }
    const pauseMs = this.failed(link, outcome, waiting.tries);
    const again = outcome.definite ? isPassing(outcome) : !waiting.call.once;
    if (!again) return this.#end(waiting, outcome, link.welcome?.node);
    waiting.refused = outcome;
    // It would not be tried again in time: better to say so now.
    if (performance.now() + pauseMs >= waiting.deadline) return this.#end(waiting, outcome);
    setTimeout(() => this.#queue(waiting), pauseMs).unref();
  }

  /** A good answer: the node can, and it tells how far it is. */
  succeeded(link: Link, answer: Answer): void {
    this.#setbacks = 0;
    if (link === this.#route.link) this.#route.isGood();
    if ('index' in answer) this.highestIndex = Math.max(this.highestIndex, answer.index);
  }

  /** What an error says of the node: it may be left. Returns after how many ms the request may be tried again, the `tries`th time. */
  failed(link: Link, error: OutriggerError, tries: number): number {
    if (error.leader !== undefined) this.leader = error.leader;
    if (link !== this.#route.link) return 0;
    switch (error.code) {
      case 'CONNECTION_LOST':
        return 0;
      case 'SHUTTING_DOWN':
        this.#route.leave(link);
        return 0;
      case 'APP_ABSENT':
      case 'NO_SPACE':
        if (this.#moveOn(link)) return 0;
        break;
      case 'OVERLOADED':
      case 'TIMEOUT':
      case 'LEADER_LOST':
      case 'INTERNAL':
        this.#setbacks += 1;
        if (this.#setbacks >= this.limits.failuresToMove) this.#moveOn(link);
    }
    const { retryAfterMs } = error;
    if (retryAfterMs === undefined) return backoffMs(tries, this.limits);
    return Math.min(Math.max(retryAfterMs, 1), this.limits.retryAfterMaxMs);
  }

  /** Leaves the node if there is another. */
  #moveOn(link: Link): boolean {
    if (this.#route.isOnlyPlace) return false;
    this.#setbacks = 0;
    this.#route.leave(link);
    return true;
  }

  #late(waiting: Waiting): void {
    const { on, call, refused } = waiting;
    on?.link.forget(on.id);
    if (on !== undefined) {
      return this.#end(waiting, indefinite('TIMEOUT', `no answer within ${this.callMs(call.timeoutMs)} ms`));
    }
    this.#proposals = this.#proposals.filter((other) => other !== waiting);
    this.#others = this.#others.filter((other) => other !== waiting);
    this.#end(waiting, refused ?? this.notSent());
  }

  #end(waiting: Waiting, outcome: Outcome, node = ''): void {
    if (waiting.ended) return;
    waiting.ended = true;
    clearTimeout(waiting.timer);
    this.#calls.delete(waiting);
    this.release(waiting.call.bytes);
    waiting.call.done(outcome, node);
  }

  // -------------------------------------------------------------- news

  #connected({ welcome }: Link): void {
    if (welcome?.leader !== undefined) this.leader = welcome.leader;
    this.#commandBytes = welcome?.commandBytes || Number.POSITIVE_INFINITY;
    this.#setbacks = 0;
    this.#pressureIs('OK');
  }

  #heard(news: News): void {
    if (news.name === 'roleChanged') this.leader = news.leader;
    if (news.name === 'pressure') this.#pressureIs(news.level);
    if (news.name === 'sessionExpired') for (const source of [...this.#sources]) source.expired(news.session);
  }

  #pressureIs(level: Pressure): void {
    this.#pressure = level;
    clearTimeout(this.#stopTimer);
    this.#stoppedLong = false;
    if (level === 'STOP') {
      this.#stopTimer = setTimeout(() => {
        this.#stoppedLong = true;
        this.pump();
      }, this.limits.stopMs).unref();
    }
    this.pump();
  }

  // -------------------------------------------------------------- the end

  /** No node lets us in: what has not been sent will not be. */
  #failWaiting(why: OutriggerError): void {
    for (const waiting of [...this.#calls]) {
      if (waiting.on === undefined) this.#end(waiting, why);
    }
    this.#proposals = [];
    this.#others = [];
  }

  close(): void {
    if (this.#closed !== undefined) return;
    this.#closed = definite('CLOSED', 'the client was closed');
    clearTimeout(this.#stopTimer);
    for (const waiting of [...this.#calls]) {
      const sent = waiting.on !== undefined;
      this.#end(waiting, sent ? indefinite('CLOSED', 'the client was closed') : this.#closed);
    }
    for (const source of [...this.#sources]) source.closed(this.#closed);
    this.#sources.clear();
    this.#route.close(this.#closed);
  }
}

/** Surely not done, and worth another try by itself. */
export function isPassing({ code, retryAfterMs }: OutriggerError): boolean {
  return code === 'OVERLOADED' || code === 'APP_ABSENT' || code === 'NO_SPACE' || retryAfterMs !== undefined;
}
