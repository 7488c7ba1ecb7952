/**
 * A session: each of its commands takes effect once, in the order in which they were proposed, however often it has to be
 * sent and whichever node takes it.
 *
 * MUST: send a command again only under its own number; hold the command and the number of a call that ended Indefinite, so
 * that it is settled before anything later is; say SessionLost when nobody can know any more.
 */
import { type Dispatcher, isPassing, type Source } from './dispatcher.ts';
import { definite, indefinite, OutriggerError, SessionLost } from './errors.ts';
import { base64, type Wait } from './frames.ts';
import type { Link, Outcome } from './link.ts';
import { bytesOf, type Command, type Proposed, type ProposeOptions, proposedOf } from './shapes.ts';
import { SessionWindow, type Slot } from './window.ts';

interface Item {
  readonly command: Uint8Array;
  readonly wait: Wait;
  readonly deadline: number;
  timer: NodeJS.Timeout | undefined;
  /** Undefined once its caller was told something. */
  tell: ((outcome: Proposed | OutriggerError) => void) | undefined;
  /** The definite refusal of the last try, and when that was sent. */
  refused: OutriggerError | undefined;
  sentAt: number;
}

export class Session {
  readonly id: number;
  readonly ttlMs: number;
  readonly #dispatcher: Dispatcher;
  readonly #source: Source;
  readonly #window: SessionWindow<Item>;
  /** Calls that wait. What is held for nobody is sent again only together with them. */
  #callers = 0;
  #paused = false;
  /** Pauses since the last answer. */
  #setbacks = 0;
  /** When the newest request was sent that the cluster answered: from then on it lives for its time. */
  #usedAt = performance.now();
  #keepTimer: NodeJS.Timeout | undefined;
  /** Why nothing more is taken. */
  #end: OutriggerError | undefined;
  /** Nothing of it counts any more, answers that still come included. */
  #gone = false;
  #whenIdle: (() => void)[] = [];

  /** For `Client.session`. */
  constructor(id: number, ttlMs: number, dispatcher: Dispatcher) {
    this.id = id;
    this.ttlMs = ttlMs;
    this.#dispatcher = dispatcher;
    this.#window = new SessionWindow(dispatcher.limits.sessionInFlight);
    this.#source = {
      waits: () => this.#callers > 0 && !this.#paused,
      sendNext: (link) => this.#sendNext(link),
      expired: (session) => {
        if (session === id) this.#lost(`session ${id} expired`);
      },
      closed: (why) => this.#closed(why),
    };
    dispatcher.addSource(this.#source);
    this.#keepAfter(ttlMs / dispatcher.limits.keepsPerTtl);
  }

  /**
   * Proposes the next command of the session, and returns what it did. It is tried again, at any node, until it is answered
   * or the time is over. Throws Definite (it did not and will not happen), Indefinite (nobody knows yet: the session holds it,
   * and it takes effect before whatever is proposed next) or SessionLost.
   */
  propose(command: Command, { timeoutMs, wait = 'APPLIED' }: ProposeOptions = {}): Promise<Proposed> {
    const bytes = bytesOf(command);
    const ms = this.#dispatcher.callMs(timeoutMs);
    return new Promise((resolve, reject) => {
      const no = this.#end ?? this.#dispatcher.admit(bytes.length);
      if (no !== undefined) return reject(no);
      const slot = this.#window.add({
        command: bytes,
        wait,
        deadline: performance.now() + ms,
        timer: undefined,
        tell: (outcome) => (outcome instanceof OutriggerError ? reject(outcome) : resolve(outcome)),
        refused: undefined,
        sentAt: 0,
      });
      slot.item.timer = setTimeout(() => this.#late(slot, ms), ms);
      this.#callers += 1;
      this.#dispatcher.pump();
    });
  }

  /**
   * Ends the session, after the calls that wait. What it held for calls that ended Indefinite stays unknown. Throws when no
   * node could be told in time: then it ends when its time to live is over.
   */
  async close({ timeoutMs }: { readonly timeoutMs?: number } = {}): Promise<void> {
    if (this.#end !== undefined) return;
    this.#end = definite('CLOSED', `session ${this.id} was closed`);
    clearTimeout(this.#keepTimer);
    if (this.#callers > 0) await new Promise<void>((idle) => this.#whenIdle.push(idle));
    if (this.#gone) return;
    try {
      await this.#ask('closeSession', timeoutMs);
    } finally {
      this.#drop();
    }
  }

  // -------------------------------------------------------------- sending

  #sendNext(link: Link): boolean {
    const slot = this.#source.waits() ? this.#window.next() : undefined;
    if (slot === undefined) return false;
    const { item } = slot;
    const { tryMs, tryGraceMs } = this.#dispatcher.limits;
    const now = performance.now();
    const leftMs = item.tell === undefined ? tryMs : Math.ceil(item.deadline - now);
    const timeoutMs = Math.max(1, Math.min(tryMs, leftMs));
    item.sentAt = now;
    this.#window.sent(slot);
    const fields = {
      command: base64(item.command),
      session: this.id,
      sequence: slot.sequence,
      ackBelow: this.#window.ackBelow,
      ...(item.wait === 'APPLIED' ? {} : { wait: item.wait }),
      timeoutMs,
    };
    link.request('propose', fields, timeoutMs + tryGraceMs, (outcome) => this.#answered(slot, link, outcome));
    return true;
  }

  /** Sends nothing for a while; one pause for all that fail together. */
  #pause(ms: number): void {
    if (this.#paused || ms <= 0) return;
    this.#setbacks += 1;
    this.#paused = true;
    setTimeout(() => {
      this.#paused = false;
      this.#dispatcher.pump();
    }, ms).unref();
  }

  // -------------------------------------------------------------- answers

  #answered(slot: Slot<Item>, link: Link, outcome: Outcome): void {
    if (this.#gone) return;
    if (outcome instanceof OutriggerError) {
      // It has its place in the log and in the session, and no app was given it: that is an answer.
      if (outcome.code === 'SKIPPED') this.#settled(slot, outcome);
      else this.#failed(slot, link, outcome);
    } else if (outcome.name === 'proposed') {
      this.#dispatcher.succeeded(link, outcome);
      this.#settled(slot, proposedOf(outcome, link.welcome?.node ?? ''));
    } else this.#failed(slot, link, indefinite('INTERNAL', `the node answered propose with ${outcome.name}`));
    this.#dispatcher.pump();
  }

  #settled(slot: Slot<Item>, outcome: Proposed | OutriggerError): void {
    const { item } = slot;
    this.#setbacks = 0;
    this.#usedAt = Math.max(this.#usedAt, item.sentAt);
    this.#window.answered(slot);
    this.#dispatcher.release(item.command.length);
    this.#tell(item, outcome);
  }

  #failed(slot: Slot<Item>, link: Link, error: OutriggerError): void {
    const { item } = slot;
    const pauseMs = this.#dispatcher.failed(link, error, this.#setbacks + 1);
    if (error.definite) item.refused = error;
    if (error.code === 'SESSION_UNKNOWN') return this.#lost(error.message, slot);
    if (error.code === 'SEQUENCE_GAP') {
      this.#window.refused(slot, 'GAP');
      // As a rule it waits for the one before it; without one it would come back at once.
      if (this.#window.next() === slot) this.#pause(pauseMs);
    } else if (!error.definite || isPassing(error) || slot.maybe) {
      this.#window.refused(slot, error.definite ? 'DEFINITE' : 'INDEFINITE');
      this.#pause(pauseMs);
      // What would not be tried again in time is better said now, where its number is free.
      const inTime = item.tell === undefined || performance.now() + pauseMs < item.deadline;
      if (!inTime && this.#window.withdraw(slot)) this.#refused(item, error);
    } else {
      this.#window.void(slot);
      this.#refused(item, error);
    }
    if (this.#window.isStuck)
      this.#lost(`a command of session ${this.id} was refused for good, and a later one may have been taken`);
  }

  #late(slot: Slot<Item>, ms: number): void {
    const { item } = slot;
    if (this.#window.withdraw(slot)) return this.#refused(item, item.refused ?? this.#dispatcher.notSent());
    const message = `command ${slot.sequence} of session ${this.id} was not answered within ${ms} ms; the session holds it`;
    this.#tell(item, indefinite('TIMEOUT', message));
  }

  /** It surely did not happen, and will not. */
  #refused(item: Item, error: OutriggerError): void {
    this.#dispatcher.release(item.command.length);
    this.#tell(item, error);
  }

  #tell(item: Item, outcome: Proposed | OutriggerError): void {
    const { tell } = item;
    if (tell === undefined) return;
    clearTimeout(item.timer);
    item.tell = undefined;
    this.#callers -= 1;
    tell(outcome);
    if (this.#callers === 0) for (const idle of this.#whenIdle.splice(0)) idle();
  }

  // -------------------------------------------------------------- the end

  /** The session is gone. `refused`: the command by which we learned it; that try of it was not taken. */
  #lost(why: string, refused?: Slot<Item>): void {
    if (this.#gone) return;
    const error = (sure: boolean): SessionLost =>
      new SessionLost({
        code: 'SESSION_UNKNOWN',
        definite: sure,
        message: `${why}; ${sure ? 'this command was not taken' : 'whether this command took effect is unknown'}`,
      });
    this.#end = error(true);
    for (const slot of this.#window.unsettled) {
      this.#tell(slot.item, error(!slot.maybe && (slot === refused || slot.state === 'READY')));
    }
    this.#drop();
  }

  /** The client is closed. */
  #closed(why: OutriggerError): void {
    this.#end ??= why;
    for (const { item, state, maybe } of this.#window.unsettled) {
      this.#tell(item, state === 'OPEN' || maybe ? indefinite(why.code, why.message) : why);
    }
    this.#drop();
  }

  #drop(): void {
    if (this.#gone) return;
    this.#gone = true;
    clearTimeout(this.#keepTimer);
    this.#dispatcher.removeSource(this.#source);
    for (const { item } of this.#window.unsettled) this.#dispatcher.release(item.command.length);
  }

  // -------------------------------------------------------------- keeping it alive

  #keepAfter(ms: number): void {
    this.#keepTimer = setTimeout(() => this.#keep(), Math.max(ms, 1)).unref();
  }

  #keep(): void {
    const everyMs = this.ttlMs / this.#dispatcher.limits.keepsPerTtl;
    const now = performance.now();
    const idleMs = now - this.#usedAt;
    if (idleMs < everyMs) return this.#keepAfter(everyMs - idleMs);
    const again = (ms: number): void => {
      if (this.#end === undefined) this.#keepAfter(ms);
    };
    this.#ask('keepSession', this.ttlMs - everyMs).then(
      () => {
        this.#usedAt = Math.max(this.#usedAt, now);
        again(everyMs);
      },
      // No node could be told in time. Whether it lives nobody knows; a node will say so.
      () => again(everyMs / 2),
    );
  }

  /** Resolves also when the session turns out to be gone: then it is lost. */
  #ask(request: 'keepSession' | 'closeSession', timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#dispatcher.submit({
        request,
        fields: () => ({ session: this.id }),
        once: false,
        timeoutMs,
        bytes: 0,
        done: (outcome) => {
          if (!(outcome instanceof OutriggerError)) return resolve();
          if (outcome.code !== 'SESSION_UNKNOWN') return reject(outcome);
          if (request === 'keepSession') this.#lost(outcome.message);
          resolve();
        },
      });
    });
  }
}
