/**
 * Delivery of the committed log to one state machine: in order, each index once per epoch, within the window
 * the app named.
 *
 * MUST: never have more delivered and unapplied than the window (a single entry larger than the window goes
 * alone); have one pull of the log in flight, so that order holds even when the disk answers; believe no
 * position the app cannot have.
 * MAY: take entries that are no commands as applied as soon as every command before them is: there is nothing
 * to apply.
 *
 * A position that cannot be (applied or failed beyond what was delivered) ends the connection with an error:
 * an app that is wrong about where it stands must say hello again, where its position is checked.
 */

import type { AppCondition } from '../../shared/app-conditions.ts';
import type {
  AppliedFrame,
  ApplyFailedFrame,
  ResultField,
  ResumeFrame,
  SidecarFrame,
} from '../../shared/app-frames.ts';
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { hashToBytes } from '../../shared/wire/record.ts';
import type { AppLimits } from './context.ts';
import type { AppHost, AppliedResult, AppNews, Delivery as LogStretch } from './host.ts';
import { InFlight, weigh } from './in-flight.ts';
import { LagWatch } from './lag-watch.ts';
import { stateHashRefusal } from './state-hash.ts';

/** Where deliveries go. */
export interface DeliverySink {
  send(frame: SidecarFrame, bytes: number): void;
  /** Bytes waiting to be read by the app. */
  readonly backlog: number;
  /** Something can be delivered once this turn ends. */
  wake(): void;
  fault(error: Error): void;
}

export interface Window {
  readonly entries: number;
  readonly bytes: number;
}

/** Where a state machine begins, and the newest version of its commands that it knows. */
export interface Beginning {
  readonly epoch: number;
  readonly after: number;
  readonly knows: number;
}

/** Why a frame of the app was refused; one sentence. A lie about positions ends the connection. */
export interface Refused {
  readonly message: string;
  readonly fatal: boolean;
}

/** How a connection ended: the app was wrong about its position, or about its state; left in order, or the connection just broke. */
export interface DeliveryEnd {
  readonly how: 'LIED' | 'DIVERGED' | 'LEFT' | 'BROKE';
  /** One sentence. */
  readonly reason: string;
  /** The entry it is about, where it is about one. */
  readonly entry?: number | undefined;
}

/** An app's text in a sentence of ours is cut to this. */
const APP_TEXT_CHARS = 300;
/** A pull waits until this part of the window is free: many tiny deliveries would cost more than they bring. */
const SMALLEST_PULL = 64;

export class Delivery {
  readonly epoch: number;
  readonly #host: AppHost;
  readonly #sink: DeliverySink;
  readonly #limits: AppLimits;
  readonly #window: Window;
  readonly #watch: LagWatch;
  readonly #inFlight = new InFlight();
  /** Everything through this index was sent. */
  #delivered: number;
  /** What the app acknowledged, and what therefore is applied: that, and what follows and is no command. */
  #acknowledged: number;
  #applied: number;
  /** A stretch that was pulled and does not fit into the window yet. */
  #next: { readonly stretch: LogStretch; readonly bytes: number; readonly version: number } | undefined;
  #pulling = false;
  /** False when the last pull found nothing and no commit was announced since. */
  #mayHaveMore = true;
  /** Counts resumes: a pull that was asked for before is thrown away. */
  #course = 0;
  #condition: AppCondition = 'HEALTHY';
  /** After `applyFailed`, until `resume`: the index. */
  #failedAt: number | undefined;
  /** The log goes on in a version of the commands that this app does not know: it gets nothing more. */
  #outdated = false;
  readonly #knows: number;
  #stopped = false;
  /** Delivery waits for the app to read what was sent. */
  #sinkFull = false;
  /** How often it was seen to have read something, and how often when it was last looked at for being late. */
  #drains = 0;
  #drainsWhenSlow = 0;

  constructor(
    host: AppHost,
    sink: DeliverySink,
    limits: AppLimits,
    window: Window,
    { epoch, after, knows }: Beginning,
  ) {
    this.#host = host;
    this.#sink = sink;
    this.#limits = limits;
    this.#window = window;
    this.epoch = epoch;
    this.#knows = knows;
    this.#delivered = after;
    this.#acknowledged = after;
    this.#applied = after;
    this.#watch = new LagWatch(limits, (state, waitedMs) => this.#late(state, waitedMs));
  }

  get delivered(): number {
    return this.#delivered;
  }

  /** The entry that the app could not apply, while it stands there. */
  get failedAt(): number | undefined {
    return this.#failedAt;
  }

  get applied(): number {
    return this.#applied;
  }

  get inFlight(): Window {
    return { entries: this.#inFlight.entries, bytes: this.#inFlight.bytes };
  }

  /** The commit index advanced. Cheap; may be called often. */
  committed(): void {
    this.#mayHaveMore = true;
    if (!this.#pulling && !this.#stopped) this.#sink.wake();
  }

  /** Delivers what is committed and fits. Called at the end of a turn. */
  pump(): void {
    while (!this.#stopped && !this.#stands && !this.#pulling && this.#sinkHasRoom()) {
      if (this.#next !== undefined) {
        const { stretch, bytes, version } = this.#next;
        if (!this.#fits(stretch, bytes)) return;
        this.#next = undefined;
        this.#deliver(stretch, bytes, version);
      } else if (this.#mayHaveMore && this.#windowHasRoom()) this.#pull();
      else return;
    }
  }

  /** Nothing is delivered before the app said something, or another one came. */
  get #stands(): boolean {
    return this.#failedAt !== undefined || this.#outdated;
  }

  /** The app has read something. */
  drained(): void {
    this.#drains += 1;
    if (!this.#sinkFull) return;
    this.#sinkFull = false;
    this.#sink.wake();
  }

  /** Takes an acknowledgement. Returns why not, if not. */
  acknowledge(frame: AppliedFrame): Refused | undefined {
    const { through } = frame;
    if (through > this.#delivered) {
      return lie(`applied.through is ${through}, but only entries through ${this.#delivered} were delivered`);
    }
    for (const result of frame.results) {
      if (result.index > through) {
        return lie(`applied has a result for ${result.index}, which is after its through ${through}`);
      }
    }
    const no = stateHashRefusal(frame, this.#limits);
    if (no?.fatal === true) return no;
    const before = this.#acknowledged;
    if (through < before) return undefined;
    this.#acknowledged = through;
    this.#inFlight.applied(through);
    this.#watch.sign(this.#inFlight.entries > 0);
    if (frame.durableThrough !== undefined) {
      if (frame.durableThrough > through) return lie(notDurable(frame.durableThrough, through));
      this.#host.durableThrough(this.epoch, frame.durableThrough);
    }
    if (!this.#stands) this.#report('HEALTHY', 'the app applies what it is given');
    this.#advance(this.#results(frame.results, before));
    if (no === undefined && frame.stateHash !== undefined) {
      this.#host.stateHash(this.epoch, frame.stateHash.index, frame.stateHash.hash);
    }
    this.#sink.wake();
    return no;
  }

  /** The app could not apply an entry: delivery stops until `resume` or a new hello. */
  fail(frame: ApplyFailedFrame): Refused | undefined {
    if (frame.index <= this.#acknowledged || frame.index > this.#delivered) {
      return lie(
        `applyFailed.index is ${frame.index}, but what is delivered and not applied is ${this.#acknowledged + 1} to ${this.#delivered}`,
      );
    }
    this.#failedAt = frame.index;
    const text = `${frame.code}: ${frame.message}`.slice(0, APP_TEXT_CHARS);
    this.#condition = 'FAILED';
    const reason = `the app failed to apply entry ${frame.index} (${text})`;
    this.#host.appNews(this.epoch, { condition: 'FAILED', reason, index: frame.index });
    return undefined;
  }

  /** Delivers again from `from`. Entries that were on their way before this arrive twice; the app drops those. */
  resume(frame: ResumeFrame): Refused | undefined {
    const { from } = frame;
    if (this.#failedAt === undefined) return refused('resume is only for after applyFailed');
    if (from <= this.#acknowledged || from > this.#applied + 1) {
      return refused(`resume.from is ${from}, but the app has applied through ${this.#applied}`);
    }
    this.#failedAt = undefined;
    this.#course += 1;
    // What lies between `from` and what is applied is no command that takes effect.
    this.#delivered = this.#applied;
    this.#host.resumed(this.epoch);
    this.#inFlight.clear();
    this.#next = undefined;
    this.#mayHaveMore = true;
    this.#watch.sign(false);
    this.#report('HEALTHY', `the app resumed from entry ${from}`);
    this.#sink.wake();
    return undefined;
  }

  /** Tells the node that this state machine is in. */
  started(): void {
    const version = this.#host.versionFor(this.epoch);
    if (version > this.#knows) this.#outgrown(version, this.#delivered + 1);
    else this.#host.appNews(this.epoch, { condition: 'HEALTHY', reason: 'the app said hello' });
    this.#sink.wake();
  }

  /** Ends delivery; `end` undefined when another one took over, which the node knows already. */
  stop(end: DeliveryEnd | undefined): void {
    if (this.#stopped) return;
    const news = end === undefined ? undefined : this.#lastNews(end);
    this.#stopped = true;
    this.#watch.stop();
    this.#inFlight.clear();
    this.#next = undefined;
    if (news !== undefined) this.#host.appNews(this.epoch, news);
  }

  /** An app that goes without a word, in the middle of a batch, has crashed as far as anybody can tell. */
  #lastNews({ how, reason, entry }: DeliveryEnd): AppNews {
    if (how === 'LIED' || how === 'DIVERGED') return { condition: how, reason, index: entry };
    const index = this.#inFlight.firstIndex;
    if (how === 'LEFT' || index === undefined) return { condition: 'ABSENT', reason };
    return {
      condition: 'CRASHED',
      reason: `${reason}, while entries ${index} to ${this.#delivered} were given to it and not acknowledged`,
      index,
    };
  }

  /** Output waiting in this process is bounded by one delivery, so that entries never choke the requests. */
  #sinkHasRoom(): boolean {
    this.#sinkFull = this.#sink.backlog >= this.#limits.deliveryBytes;
    return !this.#sinkFull;
  }

  #windowHasRoom(): boolean {
    const { entries, bytes } = this.#window;
    return (
      this.#inFlight.entries + Math.max(1, Math.floor(entries / SMALLEST_PULL)) <= entries &&
      this.#inFlight.bytes + Math.floor(bytes / SMALLEST_PULL) <= bytes
    );
  }

  #fits(stretch: LogStretch, bytes: number): boolean {
    if (this.#inFlight.entries === 0 || stretch.entries.length === 0) return true;
    return (
      this.#inFlight.entries + stretch.entries.length <= this.#window.entries &&
      this.#inFlight.bytes + bytes <= this.#window.bytes
    );
  }

  #pull(): void {
    this.#mayHaveMore = false;
    const answer = this.#host.committedAfter(
      this.#delivered,
      Math.min(this.#window.entries - this.#inFlight.entries, this.#limits.deliveryEntries),
      Math.max(1, Math.min(this.#window.bytes - this.#inFlight.bytes, this.#limits.deliveryBytes)),
    );
    if (!(answer instanceof Promise)) return this.#pulled(answer);
    this.#pulling = true;
    const course = this.#course;
    answer.then(
      (stretch) => {
        this.#pulling = false;
        if (course === this.#course) this.#pulled(stretch);
        this.#sink.wake();
      },
      (error: unknown) => {
        // Storage errors are never retried: the pull stays open for good and the node decides.
        this.#sink.fault(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #pulled(stretch: LogStretch | undefined): void {
    if (stretch === undefined || this.#stopped) return;
    if (stretch.through <= this.#delivered) {
      throw new RangeError(
        `the log after ${this.#delivered} was asked for, and its end came as ${stretch.through}`,
      );
    }
    this.#mayHaveMore = true;
    const version = this.#host.versionFor(this.epoch);
    const first =
      version > this.#knows ? stretch.entries.find(({ kind }) => kind === EntryKind.COMMAND) : undefined;
    if (first !== undefined) return this.#outgrown(version, first.index);
    const entries = this.#host.decide(this.epoch, stretch);
    this.#next = { stretch: { ...stretch, entries }, bytes: weigh(entries), version };
  }

  /** It would do with the command at `index` what older versions did, and have another state than those that know better. */
  #outgrown(version: number, index: number): void {
    this.#outdated = true;
    const reason = `from entry ${index} on commands are of version ${version}, and the app knows ${this.#knows} at most`;
    this.#report('OUTDATED', reason, index);
    this.#sink.send({ type: 'error', code: 'UNSUPPORTED', definite: true, message: reason }, reason.length);
  }

  #deliver(stretch: LogStretch, bytes: number, version: number): void {
    this.#delivered = stretch.through;
    this.#sink.send(
      {
        type: 'entries',
        through: stretch.through,
        hash: hashToBytes(stretch.hash),
        entries: stretch.entries.map(toField),
        version: version === 0 ? undefined : version,
      },
      bytes,
    );
    this.#host.delivered(this.epoch, stretch.through);
    this.#inFlight.add(stretch.entries, bytes);
    if (this.#inFlight.entries > 0) this.#watch.waiting();
    else this.#advance([]);
  }

  /** Moves what is applied up to the entry before the oldest command that is not. */
  #advance(results: readonly AppliedResult[]): void {
    const first = this.#inFlight.firstIndex;
    const applied = first === undefined ? this.#delivered : first - 1;
    if (applied === this.#applied && results.length === 0) return;
    this.#applied = applied;
    this.#host.applied(this.epoch, applied, results);
  }

  /** Results that are new, each within the limit. */
  #results(results: readonly ResultField[], after: number): readonly AppliedResult[] {
    const limit = this.#limits.resultBytes;
    if (
      results.every(({ index, result }) => index > after && (result === undefined || result.length <= limit))
    ) {
      return results as readonly AppliedResult[];
    }
    return results
      .filter(({ index }) => index > after)
      .map((field) =>
        field.result !== undefined && field.result.length > limit
          ? {
              index: field.index,
              error: `the app's result of ${field.result.length} bytes is over the limit of ${limit}`,
            }
          : (field as AppliedResult),
      );
  }

  #late(state: 'LAGGING' | 'STALLED', waitedMs: number): void {
    if (this.#stands) return;
    const index = this.#inFlight.firstIndex;
    const ms = Math.round(waitedMs);
    const unread = this.#sink.backlog;
    const readsNothing = unread > 0 && this.#drains === this.#drainsWhenSlow;
    this.#drainsWhenSlow = this.#drains;
    if (state === 'STALLED' && readsNothing) {
      this.#report(
        'NOT_READING',
        `the app reads nothing: ${unread} bytes have waited for it for ${ms} ms`,
        index,
      );
      return;
    }
    this.#report(
      state,
      `the app was given entry ${index} and gave no sign of applying it for ${ms} ms`,
      index,
    );
  }

  #report(condition: AppCondition, reason: string, index?: number): void {
    if (this.#condition === condition || this.#stopped) return;
    this.#condition = condition;
    this.#host.appNews(this.epoch, { condition, reason, index });
  }
}

function toField(entry: Entry) {
  return {
    index: entry.index,
    term: entry.term,
    time: entry.time,
    command: entry.command,
    session: entry.session === 0 ? undefined : entry.session,
    sequence: entry.session === 0 ? undefined : entry.sequence,
  };
}

function notDurable(durable: number, through: number): string {
  return `applied.durableThrough is ${durable}, which is after its through ${through}`;
}

function refused(message: string): Refused {
  return { message, fatal: false };
}

function lie(message: string): Refused {
  return { message, fatal: true };
}
