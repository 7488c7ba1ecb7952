/**
 * One connection to one node: hello, then requests with a number each, until it is lost or left.
 *
 * MUST: end every request exactly once, with its answer or an error; say `ended` exactly once, after the last request; call
 * it lost only after the node was given the chance to answer a ping.
 */
import { connect, type Socket } from 'node:net';
import type { Place } from './address.ts';
import { definite, indefinite, type OutriggerError } from './errors.ts';
import {
  type Answer,
  BrokenFraming,
  type Incoming,
  line,
  type News,
  Reader,
  type Welcome,
} from './frames.ts';
import type { ClientLimits } from './limits.ts';

export interface LinkEvents {
  welcomed(link: Link): void;
  news(link: Link, news: News): void;
  /** The node will take nothing more here; what it has is still answered. */
  goodbye(link: Link, reason: string): void;
  /** There is room again for what waits, or one request less on the way. */
  room(): void;
  ended(link: Link, why: OutriggerError): void;
}

export type Outcome = Answer | OutriggerError;

interface Open {
  readonly done: (outcome: Outcome) => void;
  readonly giveUp: NodeJS.Timeout | undefined;
}

export class Link {
  readonly place: Place;
  /** There from the welcome on. */
  welcome: Welcome | undefined;
  readonly #limits: ClientLimits;
  readonly #events: LinkEvents;
  readonly #socket: Socket;
  readonly #reader: Reader;
  readonly #open = new Map<number, Open>();
  readonly #dialTimer: NodeJS.Timeout;
  #lastId = 0;
  #heardAt = 0;
  #watch: NodeJS.Timeout | undefined;
  #left = false;
  /** Why it ends; the first reason stays. */
  #why: OutriggerError | undefined;
  #isEnded = false;

  constructor(place: Place, app: string, limits: ClientLimits, events: LinkEvents) {
    this.place = place;
    this.#limits = limits;
    this.#events = events;
    this.#reader = new Reader(limits.frameBytes);
    this.#socket = connect(place.to);
    this.#socket.on('data', (chunk) => this.#take(chunk));
    this.#socket.on('drain', () => events.room());
    this.#socket.on('error', (error) => this.#because(this.#lost(error.message)));
    this.#socket.on('close', () => this.#end());
    const token = place.token === undefined ? {} : { token: place.token };
    this.#socket.write(line('hello', { protocol: 1, app, group: '', ...token }));
    this.#dialTimer = setTimeout(
      () => this.close(definite('NOT_SENT', `${place.name} did not welcome us within ${limits.dialMs} ms`)),
      limits.dialMs,
    );
  }

  /** Requests on the way. */
  get open(): number {
    return this.#open.size;
  }

  /** The node does not take bytes as fast as we have them, or not any more. */
  get choked(): boolean {
    return this.#socket.destroyed || this.#socket.writableLength > this.#limits.outputBytes;
  }

  /** Sends a request. After `giveUpMs` without an answer it fails as an indefinite TIMEOUT. Returns its number, for `forget`. */
  request(
    name: string,
    fields: Readonly<Record<string, unknown>>,
    giveUpMs: number | undefined,
    done: (outcome: Outcome) => void,
  ): number {
    const id = this.#nextId();
    if (this.#open.size === 0) this.#heardAt = performance.now();
    this.#watch ??= this.#lookLater();
    const giveUp =
      giveUpMs === undefined
        ? undefined
        : setTimeout(
            () => this.#finish(id, indefinite('TIMEOUT', `${this.place.name} did not answer in time`)),
            giveUpMs,
          );
    this.#open.set(id, { done, giveUp });
    this.#socket.write(line(name, { id, ...fields }));
    return id;
  }

  /** Whoever waited for this request does not any more. */
  forget(id: number): void {
    clearTimeout(this.#open.get(id)?.giveUp);
    this.#open.delete(id);
    this.#endWhenDone();
  }

  /** Nothing more is sent here: ends as soon as the open requests are answered. */
  leave(): void {
    this.#left = true;
    this.#endWhenDone();
  }

  close(why: OutriggerError): void {
    this.#because(why);
    this.#socket.destroy();
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  #because(why: OutriggerError): void {
    this.#why ??= why;
  }

  #take(chunk: Buffer): void {
    this.#heardAt = performance.now();
    try {
      for (const frame of this.#reader.take(chunk)) {
        this.#frame(frame);
        if (this.#socket.destroyed) return;
      }
    } catch (error) {
      if (!(error instanceof BrokenFraming)) throw error;
      this.close(this.#lost(error.message));
    }
  }

  #frame(frame: Incoming): void {
    switch (frame.name) {
      case 'welcome':
        if (this.welcome !== undefined || this.#isEnded) return;
        clearTimeout(this.#dialTimer);
        this.welcome = frame;
        return this.#events.welcomed(this);
      case 'error':
        // Without a number it says why the connection ends.
        if (frame.id === undefined) return this.#because(frame.error);
        return this.#finish(frame.id, frame.error);
      case 'goodbye':
        this.#because(this.#lost(`it said goodbye: ${frame.reason}`));
        return this.#events.goodbye(this, frame.reason);
      case 'roleChanged':
      case 'pressure':
      case 'sessionExpired':
        return this.#events.news(this, frame);
      default:
        return this.#finish(frame.id, frame);
    }
  }

  #finish(id: number, outcome: Outcome): void {
    const request = this.#open.get(id);
    if (request === undefined) return;
    this.#open.delete(id);
    clearTimeout(request.giveUp);
    request.done(outcome);
    this.#events.room();
    this.#endWhenDone();
  }

  #endWhenDone(): void {
    if (!this.#left || this.#open.size > 0) return;
    this.#because(this.#lost('we left it'));
    // Nothing is awaited from it any more, so neither is its end.
    if (this.#socket.writable) this.#socket.write(line('goodbye', {}));
    this.#socket.destroySoon();
  }

  // -------------------------------------------------------------- signs of life

  /** After a pause of our own the node's answers may lie unread: read first, then judge. */
  #lookLater(): NodeJS.Timeout {
    const { pingMs, silentMs } = this.#limits;
    return setTimeout(() => setImmediate(() => this.#look()), Math.min(pingMs, silentMs)).unref();
  }

  #look(): void {
    this.#watch = undefined;
    if (this.#isEnded || this.#open.size === 0) return;
    const silentMs = performance.now() - this.#heardAt;
    if (silentMs >= this.#limits.silentMs) {
      return this.close(this.#lost(`it said nothing for ${Math.round(silentMs)} ms`));
    }
    if (silentMs >= this.#limits.pingMs) this.#socket.write(line('ping', { id: this.#nextId() }));
    this.#watch = this.#lookLater();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#dialTimer);
    clearTimeout(this.#watch);
    const why = this.#why ?? this.#lost('it closed the connection');
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const { done, giveUp } of open) {
      clearTimeout(giveUp);
      done(indefinite('CONNECTION_LOST', why.message));
    }
    this.#events.ended(this, why);
  }

  #lost(why: string): OutriggerError {
    const { name } = this.place;
    const text =
      this.welcome === undefined ? `${name} cannot be reached` : `the connection to ${name} was lost`;
    return indefinite('CONNECTION_LOST', `${text}: ${why}`);
  }
}
