/**
 * The app beside this sidecar: who it is, how far it is, and its condition with a time and a reason.
 *
 * The condition is made of three things: what its connection shows (app/delivery.ts), whether it still catches up with what
 * was committed when it came, and how long the oldest committed entry has been waiting for it.
 *
 * MUST: tell of every change of the condition once; count every time that something was wrong, and remember the latest of
 * each kind, so that it can be seen after the app is well again.
 */
import {
  type AppCondition,
  type AppState,
  CONDITION_WORDS,
  isTrouble,
  stateOf,
} from '../../shared/app-conditions.ts';
import type { Refusal } from '../../shared/codes.ts';
import type { AppIncident, Lag } from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import { duration, entries } from '../../shared/wording.ts';
import type { AppNews, AppPosition } from '../app/host.ts';

/** What it is when something is told of it. */
export interface AppChange {
  readonly state: AppState;
  readonly condition: AppCondition;
  readonly reason: string;
  /** The entry that it is about, where it is about one. */
  readonly entry: number | undefined;
}

/** Conditions in which an app is turned away, by the code that it is told. */
const TURNED_AWAY: Readonly<Partial<Record<Refusal['code'], AppCondition>>> = {
  APP_AHEAD: 'AHEAD',
  APP_DIVERGED: 'DIVERGED',
  UNSUPPORTED: 'INCOMPATIBLE',
};

/** Why it is well again, by what it was before. */
const RECOVERED: Readonly<Partial<Record<AppCondition, string>>> = {
  RESTARTED_EMPTY: 'the app has applied all that was committed when it came',
  RESTARTED_WITH_STATE: 'the app has applied all that was committed when it came',
  LAGGING: 'the app keeps up again',
};

export class LocalApp {
  name = '';
  epoch = 0;
  applied = 0;
  /** The newest version of its commands that it knows. */
  knows = 0;
  condition: AppCondition = 'ABSENT';
  reason = 'no app has connected yet';
  /** Since when it is in this condition; wall clock, ms. */
  since = Date.now();
  entry: number | undefined;
  /** The same on the monotonic clock. */
  #sinceNow = performance.now();
  readonly #tell: (change: AppChange) => void;
  readonly #incidents = new Map<AppCondition, AppIncident>();
  /** What its connection showed last. */
  #shown: AppNews = { condition: 'ABSENT', reason: this.reason };
  /** How it came, and what was committed then: until it has that, it catches up. */
  #came: AppNews = { condition: 'RESTARTED_EMPTY', reason: '' };
  #catchUpTo = 0;
  /** How far it is behind; counts only when it was so twice in a row, since after a pause of ours its word is still unread. */
  #lag: Lag = { entries: 0, ms: 0 };
  #lagBefore: Lag = this.#lag;
  /** Nothing was said yet of the app that is connected. */
  #fresh = false;

  /** `tell`: something changed. */
  constructor(tell: (change: AppChange) => void) {
    this.#tell = tell;
  }

  get state(): AppState {
    return stateOf(this.condition);
  }

  /** Good enough for its node to lead. */
  get fit(): boolean {
    return this.condition === 'HEALTHY';
  }

  /** For how long it has applied nothing although it should, ms; 0 where it does. */
  stoppedMs(now: number): number {
    return this.state === 'STALLED' ? now - this.#sinceNow : 0;
  }

  get connected(): boolean {
    return this.state !== 'ABSENT';
  }

  /** The latest of each kind of trouble. */
  get incidents(): readonly AppIncident[] {
    return [...this.#incidents.values()];
  }

  get incidentCounts(): ReadonlyMap<AppCondition, number> {
    return new Map([...this.#incidents].map(([condition, { count }]) => [condition, count]));
  }

  /** An app was let in. `committed`: what the log holds for it now. */
  attached({ app, appliedIndex, version }: AppPosition, committed: number): void {
    const before = this.connected ? `${this.name || 'an app'} (epoch ${this.epoch})` : undefined;
    this.epoch++;
    if (before !== undefined) {
      this.#happened('SUPERSEDED', `${app || 'an app'} said hello while ${before} was connected`, undefined);
    }
    this.name = app;
    this.applied = appliedIndex;
    this.knows = version;
    this.#catchUpTo = committed;
    this.trails({ entries: 0, ms: 0 });
    this.#fresh = true;
    const rest = Math.max(0, committed - appliedIndex);
    this.#came =
      appliedIndex === 0
        ? {
            condition: 'RESTARTED_EMPTY',
            reason: `the app came without state: it is given the log from entry 1, ${entries(rest)}`,
          }
        : {
            condition: 'RESTARTED_WITH_STATE',
            reason: `the app came with its state as of entry ${appliedIndex}: it is given what it lacks, ${entries(rest)}`,
          };
    if (rest > 0 || appliedIndex > 0) this.#become(this.#came);
  }

  /** Its connection shows something. */
  news(news: AppNews): void {
    this.#shown = news;
    this.#look();
  }

  /** It has applied everything through `index`. */
  advanced(index: number): void {
    const before = this.applied;
    this.applied = index;
    if (before < this.#catchUpTo && index >= this.#catchUpTo) this.#look();
  }

  /** How far it is behind what is committed here. Call now and then. */
  trails(lag: Lag): void {
    this.#lagBefore = this.#lag;
    this.#lag = lag;
    this.#look();
  }

  /** An app was not let in. */
  turnedAway({ code, message }: Refusal, index: number): void {
    const condition = TURNED_AWAY[code];
    if (condition === undefined) return;
    if (this.connected) this.#happened(condition, message, index);
    else {
      this.#shown = { condition, reason: message, index };
      this.#become(this.#shown, true);
    }
  }

  /** An app that shows nothing wrong may still catch up, or be behind. */
  #look(): void {
    const { condition } = this.#shown;
    if (condition !== 'HEALTHY') return this.#become(this.#shown);
    if (this.applied < this.#catchUpTo) return this.#become(this.#came);
    const ms = Math.min(this.#lag.ms, this.#lagBefore.ms);
    // Once it is called slow, it must be well again before it is called well.
    const limit = this.condition === 'LAGGING' ? LIMITS.appBehindMs / 2 : LIMITS.appBehindMs;
    if (ms <= limit) return this.#becomeHealthy();
    const reason = `the app applies more slowly than entries are committed: it is ${entries(this.#lag.entries)} behind, for ${duration(ms)}`;
    this.#become({ condition: 'LAGGING', reason, index: this.applied + 1 });
  }

  #becomeHealthy(): void {
    const reason = RECOVERED[this.condition] ?? this.#shown.reason;
    this.#become({ condition: 'HEALTHY', reason });
  }

  /** `again`: the same once more is another incident. */
  #become({ condition, reason, index }: AppNews, again = false): void {
    const same = condition === this.condition && !this.#fresh;
    if (same && !again) return;
    this.#fresh = false;
    if (!same) {
      this.since = Date.now();
      this.#sinceNow = performance.now();
    }
    this.condition = condition;
    this.reason = reason;
    this.entry = index;
    if (isTrouble(condition)) this.#count(condition, reason, index);
    if (!same) this.#say(condition);
  }

  /** Something happened that is not the condition of the app that is connected. */
  #happened(condition: AppCondition, reason: string, entry: number | undefined): void {
    this.#count(condition, reason, entry);
    this.#tell({ state: this.state, condition, reason, entry });
  }

  #say(condition: AppCondition): void {
    const reason = this.reason || `the app ${CONDITION_WORDS[condition]}`;
    this.#tell({ state: this.state, condition, reason, entry: this.entry });
  }

  #count(condition: AppCondition, reason: string, entry: number | undefined): void {
    const count = (this.#incidents.get(condition)?.count ?? 0) + 1;
    this.#incidents.set(condition, { condition, count, at: Date.now(), reason, entry: entry ?? null });
  }
}
