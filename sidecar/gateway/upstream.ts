/**
 * One replica as the gateway sees it: its one connection, dialled again for as long as the gateway runs, and the requests that
 * are on their way there.
 *
 * MUST: send nothing before the replica's welcome, and never more at once than it allows; hand back every request that was on
 * its way when the connection ends.
 * MUST NOT: decide what becomes of a request.
 *
 *   WAITING ──timer──▶ CONNECTING ──welcome──▶ OPEN ──goodbye──▶ LEAVING
 *      ▲                  │ │                    │                  │
 *      ├───── failed ─────┘ └─refused─▶ REFUSED ──timer──▶ CONNECTING
 *      └───── lost ──────────────────────────────┴──────────────────┘
 */
import type { ErrorFrame, PressureLevel, SidecarFrame, WelcomeFrame } from '../../shared/app-frames.ts';
import type { LIMITS } from '../../shared/limits.ts';
import { type Answer, isAnswer } from './answer.ts';
import type { View } from './leadership.ts';
import type { Replica } from './replicas.ts';
import type { Ticket } from './ticket.ts';
import { Window } from './window.ts';
import { Wire, type WireLimits } from './wire.ts';

export type UpstreamLimits = WireLimits & {
  readonly [Name in keyof Pick<
    typeof LIMITS,
    | 'gatewayAvoidMs'
    | 'gatewayRedialMaxMs'
    | 'gatewayRedialMinMs'
    | 'gatewayRefusedMs'
    | 'gatewayUpstreamBytes'
    | 'gatewayWindowFirst'
    | 'gatewayWindowMin'
    | 'gatewayWindowProbeMs'
  >]: number;
};

export const UPSTREAM_STATES = ['WAITING', 'CONNECTING', 'OPEN', 'LEAVING', 'REFUSED'] as const;
export type UpstreamState = (typeof UPSTREAM_STATES)[number];

export interface UpstreamEvents {
  /** What it says of who leads, its pressure, or whether it can be used is another now; `cause` as in `roleChanged`. */
  changed(cause: string): void;
  answered(upstream: Upstream, ticket: Ticket, answer: Answer | ErrorFrame): void;
  /** The connection ended with these requests on their way, in the order sent. */
  lost(upstream: Upstream, tickets: readonly Ticket[]): void;
  /** It may have room for more. */
  room(): void;
  sessionExpired(session: number): void;
  log(level: 'info' | 'warn', message: string, fields: object): void;
}

export interface UpstreamOptions {
  readonly cluster: string;
  /** The name this gateway gives itself. */
  readonly gateway: string;
  readonly replica: Replica;
  readonly limits: UpstreamLimits;
  readonly events: UpstreamEvents;
  /** In 0 … 1. */
  readonly random: () => number;
}

export class Upstream {
  readonly #options: UpstreamOptions;
  #replica: Replica;
  #state: UpstreamState = 'WAITING';
  #reason = 'not dialled yet';
  #downSince = performance.now();
  #view: View | undefined;
  #pressure: PressureLevel = 'OK';
  #wire: Wire | undefined;
  #window: Window | undefined;
  /** Requests it has, by our id, in the order sent. */
  readonly #inFlight = new Map<number, Ticket>();
  #nextId = 1;
  /** The window kept a request from being sent since the last answer. */
  #full = false;
  #timer: NodeJS.Timeout | undefined;
  /** Attempts since a connection last held; sets the pause. */
  #attempts = 0;
  #openedAt = 0;
  #avoidUntil = Number.NEGATIVE_INFINITY;
  #avoidReason = '';
  #loggedReason = '';
  #closed = false;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#replica = options.replica;
  }

  get id(): string {
    return this.#replica.id;
  }
  /** Its HTTP base URL, where known. */
  get http(): string | undefined {
    return this.#replica.http;
  }
  get state(): UpstreamState {
    return this.#state;
  }
  /** Why it is not OPEN, or is passed over; '' where neither. */
  get reason(): string {
    if (this.#state !== 'OPEN') return this.#reason;
    return performance.now() < this.#avoidUntil ? this.#avoidReason : '';
  }
  /** Since when it is not OPEN. */
  get downSince(): number {
    return this.#downSince;
  }
  /** What it says of who leads; undefined while it is not connected. */
  get view(): View | undefined {
    return this.#view;
  }
  get pressure(): PressureLevel {
    return this.#pressure;
  }
  get inFlight(): number {
    return this.#inFlight.size;
  }
  get window(): number {
    return this.#window?.size ?? 0;
  }
  /** Bytes written and not taken. */
  get backlog(): number {
    return this.#wire?.backlog ?? 0;
  }
  get tickets(): Iterable<Ticket> {
    return this.#inFlight.values();
  }

  /** May it be given requests now? Whether there is room for one is another question. */
  usable(now: number): boolean {
    return this.#state === 'OPEN' && now >= this.#avoidUntil;
  }

  hasRoom(): boolean {
    if (this.#inFlight.size < this.window) return this.backlog < this.#options.limits.gatewayUpstreamBytes;
    this.#full = true;
    return false;
  }

  /** It cannot serve for reasons of its own: it is passed over for a while. */
  avoid(now: number, reason: string): void {
    this.#avoidUntil = now + this.#options.limits.gatewayAvoidMs;
    this.#avoidReason = reason;
  }

  /** Another one leads now: if it says nothing soon, it is taken for dead. */
  suspect(): void {
    if (this.#state === 'OPEN') this.#wire?.suspect();
  }

  /** Sends at the next `flush`. Ask `usable` and `hasRoom` before. */
  send(ticket: Ticket, now: number): void {
    const id = this.#nextId++;
    ticket.state = 'SENT';
    ticket.sentAt = now;
    ticket.tries++;
    this.#inFlight.set(id, ticket);
    this.#wire?.send(ticket.frame(id, Math.max(1, Math.ceil(ticket.deadline - now))));
  }

  /** Everything sent since the last time leaves in one write. */
  flush(): void {
    this.#wire?.flush();
  }

  start(): void {
    this.#dial();
  }

  /** It may be reached elsewhere now: the next attempt goes there. */
  moved(replica: Replica): void {
    const before = this.#replica;
    this.#replica = replica;
    const same =
      JSON.stringify([before.address, before.token]) === JSON.stringify([replica.address, replica.token]);
    if (!same && this.#wire === undefined) this.#dial();
  }

  /** Ends the connection: what was on its way is lost. It is dialled again. */
  cut(reason: string): void {
    this.#wire?.end(reason);
  }

  /** Says goodbye and dials no more. What is on its way comes back as lost. */
  close(reason: string): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#wire?.leave(...(this.#state === 'OPEN' ? [{ type: 'goodbye', reason } as const] : []));
    this.#ended('WAITING', reason);
  }

  // -------------------------------------------------------------- the connection

  #dial(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#state = 'CONNECTING';
    this.#reason = 'connecting';
    const { limits, events, gateway } = this.#options;
    const wire = new Wire(this.#replica.address, limits, {
      frame: (frame) => this.#frame(frame),
      drained: () => events.room(),
      ended: (reason) => this.#ended('WAITING', reason),
    });
    this.#wire = wire;
    wire.send({
      type: 'hello',
      protocol: 1,
      app: `gateway ${gateway}`,
      group: '',
      token: this.#replica.token,
    });
    wire.flush();
  }

  #frame(frame: SidecarFrame): void {
    if (this.#state === 'CONNECTING') return this.#greeting(frame);
    if (isAnswer(frame)) return this.#answer(frame.id, frame);
    const { events } = this.#options;
    switch (frame.type) {
      case 'error':
        if (frame.id !== undefined) this.#answer(frame.id, frame);
        else this.#leave(`${frame.code}: ${frame.message}`);
        return;
      case 'roleChanged':
        this.#view = { role: frame.role, term: frame.term, leader: frame.leader };
        return events.changed(frame.cause);
      case 'pressure':
        this.#pressure = frame.level;
        if (frame.level !== 'OK') this.#window?.tooMuch(performance.now());
        return events.changed('');
      case 'sessionExpired':
        return events.sessionExpired(frame.session);
      case 'goodbye':
        return this.#leave(`it said goodbye: ${frame.reason ?? ''}`);
      default:
        this.cut(`it sent ${frame.type}, which is not for a plain client`);
    }
  }

  #greeting(frame: SidecarFrame): void {
    if (frame.type === 'error') return this.#refused(`${frame.code}: ${frame.message}`);
    if (frame.type !== 'welcome') return this.cut(`it sent ${frame.type} in place of its welcome`);
    const { cluster } = this.#options;
    if (frame.cluster === cluster && frame.node === this.id) return this.#welcomed(frame);
    this.#refused(`${frame.node} of ${frame.cluster} answers where ${this.id} of ${cluster} was expected`);
  }

  #refused(reason: string): void {
    this.#wire?.leave();
    this.#ended('REFUSED', reason);
  }

  #welcomed(welcome: WelcomeFrame): void {
    const { limits, events } = this.#options;
    const now = performance.now();
    this.#wire?.greeted();
    this.#state = 'OPEN';
    this.#reason = '';
    this.#loggedReason = '';
    this.#openedAt = now;
    this.#avoidUntil = Number.NEGATIVE_INFINITY;
    this.#view = { role: welcome.role, term: welcome.term, leader: welcome.leader };
    this.#pressure = 'OK';
    const max = Math.max(1, welcome.limits.inFlight);
    const { gatewayWindowFirst: first, gatewayWindowMin, gatewayWindowProbeMs: probeMs } = limits;
    this.#window = new Window({ first, min: Math.min(gatewayWindowMin, max), max, probeMs }, now);
    events.log('info', 'connected to a replica', { replica: this.id });
    events.changed('LEADER_ELECTED');
  }

  #answer(id: number, answer: Answer | ErrorFrame): void {
    const ticket = this.#inFlight.get(id);
    // None of ours: then the replica is wrong, and nothing hangs on it.
    if (ticket === undefined) return;
    this.#inFlight.delete(id);
    const now = performance.now();
    if (answer.type === 'proposed') this.#window?.answered(now - ticket.sentAt, this.#full, now);
    else if (answer.type === 'error' && answer.code === 'OVERLOADED') this.#window?.tooMuch(now);
    this.#full = false;
    const { events } = this.#options;
    // Its client may be gone, or was told that its time is over.
    if (ticket.state === 'SENT') events.answered(this, ticket, answer);
    events.room();
  }

  /** Nothing new is given to it; what it has it may still answer. */
  #leave(reason: string): void {
    if (this.#state !== 'OPEN') return;
    this.#state = 'LEAVING';
    this.#reason = reason;
    this.#downSince = performance.now();
    this.#options.events.changed('');
  }

  #ended(outcome: 'WAITING' | 'REFUSED', reason: string): void {
    const was = this.#state;
    const wasUp = was === 'OPEN' || was === 'LEAVING';
    this.#wire = undefined;
    this.#window = undefined;
    this.#view = undefined;
    this.#pressure = 'OK';
    this.#state = outcome;
    if (was !== 'LEAVING') this.#reason = reason;
    if (was === 'OPEN') this.#downSince = performance.now();
    if (!this.#closed) this.#redialLater(outcome, wasUp);
    const tickets = [...this.#inFlight.values()].filter((ticket) => ticket.state === 'SENT');
    this.#inFlight.clear();
    const { events } = this.#options;
    if (tickets.length > 0) events.lost(this, tickets);
    if (wasUp) events.changed('');
  }

  /** Half of the pause is random, so that gateways which lost a replica together do not return together. */
  #redialLater(outcome: 'WAITING' | 'REFUSED', wasUp: boolean): void {
    const { gatewayRedialMinMs, gatewayRedialMaxMs, gatewayRefusedMs } = this.#options.limits;
    // Only a connection that held for a while earns short pauses again.
    if (wasUp && performance.now() - this.#openedAt > gatewayRedialMaxMs) this.#attempts = 0;
    const doubled = gatewayRedialMinMs * 2 ** this.#attempts;
    if (doubled < gatewayRedialMaxMs) this.#attempts++;
    const full = outcome === 'REFUSED' ? gatewayRefusedMs : Math.min(doubled, gatewayRedialMaxMs);
    this.#timer = setTimeout(() => this.#dial(), full * (0.5 + this.#options.random() / 2));
    // One that stays away for the same reason is logged once, not at every attempt.
    if (this.#reason === this.#loggedReason) return;
    this.#loggedReason = this.#reason;
    const what = outcome === 'REFUSED' ? 'a replica refused us' : 'a replica is not connected';
    this.#options.events.log('warn', what, { replica: this.id, reason: this.#reason });
  }
}
