/**
 * The sidecar's own replicated state of one node, beside its app: two session tables, which apply the same entries.
 *
 * `ahead` stands where the log was decided for delivery; `table` stands at the app's applied index, so that it belongs to
 * the app's state there (a snapshot of both is one state, peers.md E.3). Between the two lies what is delivered and not
 * acknowledged.
 *
 * MUST: decide each entry before the app gets it, in log order; advance `table` by the app's acknowledgements alone.
 * MUST stay bounded: what lies between the two tables is what the app's window holds, and verdicts are the newest only.
 */
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import { Replies, type Reply, type ReplyLimits } from './replies.ts';
import { concernsSessions, type SessionLimits, SessionTable } from './session-table.ts';
import { isDelivered, type Verdict } from './verdict.ts';

export interface MachineLimits extends SessionLimits, ReplyLimits {
  readonly sessionVerdicts: number;
}

/** A result of the app, as it comes with an acknowledgement: ascending by index. */
export interface ResultAt {
  readonly index: number;
  readonly result?: Uint8Array | undefined;
}

export class SessionMachine {
  readonly #limits: MachineLimits;
  #table: SessionTable;
  #ahead: SessionTable;
  /** Entries of sessions in (table, ahead], oldest first. */
  #between: Entry[] = [];
  readonly #verdicts = new Map<number, Verdict>();
  readonly #replies: Replies;
  /** Ended by the last decisions, until somebody takes them. */
  #expired: number[] = [];

  constructor(limits: MachineLimits = LIMITS) {
    this.#limits = limits;
    this.#table = new SessionTable(limits);
    this.#ahead = new SessionTable(limits);
    this.#replies = new Replies(limits);
  }

  /** The sessions at the app's applied index. */
  get table(): SessionTable {
    return this.#table;
  }

  /** The sessions where the log was decided last. */
  get ahead(): SessionTable {
    return this.#ahead;
  }

  /** What this node knows of the app's answers. */
  get replies(): Replies {
    return this.#replies;
  }

  get replyBytes(): number {
    return this.#replies.bytes;
  }

  // ---------------------------------------------------------------- delivery

  /** A new app stands at `table.position`: decisions go on from there. */
  startAt(table: SessionTable): void {
    this.#table = table;
    this.rewind();
  }

  /** What was decided and not acknowledged is decided again (the app resumed). */
  rewind(): void {
    this.#ahead = this.#table.clone();
    this.#between = [];
  }

  /**
   * Decides a stretch of the committed log that continues where the last one ended. Returns the entries the app gets: the
   * same array where it gets them all.
   */
  decide(entries: readonly Entry[], through: number): readonly Entry[] {
    if (entries.every(isPlainCommand)) {
      this.#ahead.passTo(through);
      return entries;
    }
    const delivered = entries.filter((entry) => this.#decideOne(entry));
    this.#ahead.passTo(through);
    return delivered;
  }

  #decideOne(entry: Entry): boolean {
    if (!concernsSessions(entry)) return entry.kind === EntryKind.COMMAND;
    const verdict = this.#ahead.apply(entry);
    this.#between.push(entry);
    this.#remember(entry.index, verdict);
    if (verdict.kind === 'EXPIRED') this.#expired.push(...verdict.sessions);
    return isDelivered(verdict);
  }

  /** The sessions that expired since the last call. */
  takeExpired(): readonly number[] {
    if (this.#expired.length === 0) return this.#expired;
    const expired = this.#expired;
    this.#expired = [];
    return expired;
  }

  #remember(index: number, verdict: Verdict): void {
    this.#verdicts.delete(index);
    this.#verdicts.set(index, verdict);
    if (this.#verdicts.size <= this.#limits.sessionVerdicts) return;
    const [oldest] = this.#verdicts.keys();
    if (oldest !== undefined) this.#verdicts.delete(oldest);
  }

  // ---------------------------------------------------------------- acknowledgement

  /** The app has applied everything through `through`; `results` ascend by index. */
  applied(through: number, results: readonly ResultAt[]): void {
    let at = 0;
    let done = 0;
    for (const entry of this.#between) {
      if (entry.index > through) break;
      done++;
      const verdict = this.#table.apply(entry);
      if (verdict.kind === 'APPLY') {
        while (at < results.length && (results[at] as ResultAt).index < entry.index) at++;
        const result = results[at]?.index === entry.index ? results[at]?.result : undefined;
        this.#replies.add(entry.session, entry.sequence, result, entry.ackBelow ?? 0);
      } else this.#endReplies(entry, verdict);
    }
    if (done > 0) this.#between.splice(0, done);
    this.#table.passTo(through);
  }

  #endReplies(entry: Entry, verdict: Verdict): void {
    if (verdict.kind === 'CLOSED') this.#replies.end(entry.session);
    if (verdict.kind === 'EXPIRED') for (const session of verdict.sessions) this.#replies.end(session);
  }

  // ---------------------------------------------------------------- answers

  /** What was decided of the entry at `index`; undefined where it is not decided yet, or forgotten. */
  verdictAt(index: number): Verdict | undefined {
    return this.#verdicts.get(index);
  }

  /** The app's reply to a command of a session, where this node still has it. */
  replyOf(session: number, sequence: number): Reply | undefined {
    return this.#replies.get(session, sequence);
  }
}

function isPlainCommand(entry: Entry): boolean {
  return entry.kind === EntryKind.COMMAND && entry.session === 0;
}
