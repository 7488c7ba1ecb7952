/**
 * The sessions of the cluster as of one index of the log (dissertation §6.3), and the version of the app's commands there: a
 * pure function of the entries up to it.
 *
 * MUST: depend on nothing but those entries. Time is cluster time, as entries carry it. Every limit counts the same
 * on every node. MUST be given every entry in order (those without a session may be passed over by `passTo`).
 * MAY: forget where an old command took effect, never *that* it did: `last` only grows.
 */
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import { clippedTtl } from '../../shared/session-ttl.ts';
import { decodeAppVersion } from '../../shared/wire/app-version-entry.ts';
import { decodeSessionExpire, decodeSessionOpen } from '../../shared/wire/session-entries.ts';
import type { Place, Verdict } from './verdict.ts';

export interface Session {
  /** Index of the entry that opened it. */
  readonly id: number;
  readonly ttlMs: number;
  /** Cluster time of its newest entry, ms. */
  activeAt: number;
  /** The highest sequence that took effect; every lower one did too. */
  last: number;
  /** The client has the answers of everything below. */
  ackBelow: number;
  /** Where the newest commands took effect, by sequence, ascending. */
  readonly places: Map<number, Place>;
}

export interface SessionLimits {
  readonly sessions: number;
  readonly sessionPlaces: number;
}

const APPLY: Verdict = { kind: 'APPLY' };
const UNKNOWN: Verdict = { kind: 'UNKNOWN' };
const FULL: Verdict = { kind: 'FULL' };
const KEPT: Verdict = { kind: 'KEPT' };
const CLOSED: Verdict = { kind: 'CLOSED' };

const VERSION: Verdict = { kind: 'VERSION' };

const OWN_KINDS: ReadonlySet<EntryKind> = new Set([
  EntryKind.SESSION_OPEN,
  EntryKind.SESSION_KEEP,
  EntryKind.SESSION_CLOSE,
  EntryKind.SESSION_EXPIRE,
  EntryKind.APP_VERSION,
]);

/** Does the entry concern the table at all? Most do not. */
export function concernsSessions(entry: Pick<Entry, 'kind' | 'session'>): boolean {
  return entry.kind === EntryKind.COMMAND ? entry.session !== 0 : OWN_KINDS.has(entry.kind);
}

export class SessionTable {
  readonly #limits: SessionLimits;
  readonly #sessions = new Map<number, Session>();
  #position = 0;
  #appVersion = 0;

  constructor(limits: SessionLimits = LIMITS) {
    this.#limits = limits;
  }

  /** The table as it was elsewhere, or before. */
  static of(
    as: { position: number; appVersion: number; sessions: Iterable<Session> },
    limits: SessionLimits = LIMITS,
  ): SessionTable {
    const table = new SessionTable(limits);
    table.#position = as.position;
    table.#appVersion = as.appVersion;
    for (const session of as.sessions) table.#sessions.set(session.id, session);
    return table;
  }

  /** Index of the last entry taken in. */
  get position(): number {
    return this.#position;
  }

  /** The version of the commands after `position`. */
  get appVersion(): number {
    return this.#appVersion;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get(id: number): Readonly<Session> | undefined {
    return this.#sessions.get(id);
  }

  all(): IterableIterator<Readonly<Session>> {
    return this.#sessions.values();
  }

  /** A table of its own with the same sessions. */
  clone(): SessionTable {
    const copy = new SessionTable(this.#limits);
    copy.#position = this.#position;
    copy.#appVersion = this.#appVersion;
    for (const [id, session] of this.#sessions)
      copy.#sessions.set(id, { ...session, places: new Map(session.places) });
    return copy;
  }

  /** Everything through `index` was looked at; what came since `position` does not concern sessions. */
  passTo(index: number): void {
    if (index > this.#position) this.#position = index;
  }

  /** Takes in one entry and says what it does. */
  apply(entry: Entry): Verdict {
    if (entry.index <= this.#position)
      throw new RangeError(`entry ${entry.index} comes again: the sessions are at ${this.#position}`);
    this.#position = entry.index;
    switch (entry.kind) {
      case EntryKind.COMMAND:
        return entry.session === 0 ? APPLY : this.#command(entry);
      case EntryKind.SESSION_OPEN:
        return this.#open(entry);
      case EntryKind.SESSION_KEEP:
        return this.#touch(entry) === undefined ? UNKNOWN : KEPT;
      case EntryKind.SESSION_CLOSE:
        return this.#sessions.delete(entry.session) ? CLOSED : UNKNOWN;
      case EntryKind.SESSION_EXPIRE:
        return this.#expire(entry);
      case EntryKind.APP_VERSION:
        // It only rises: an app that was let go on is never asked to forget.
        this.#appVersion = Math.max(this.#appVersion, decodeAppVersion(entry.command).version);
        return VERSION;
      default:
        throw new RangeError(`entry ${entry.index} does not concern sessions`);
    }
  }

  #open(entry: Entry): Verdict {
    if (this.#sessions.size >= this.#limits.sessions) return FULL;
    const id = entry.index;
    const ttlMs = clippedTtl(decodeSessionOpen(entry.command));
    this.#sessions.set(id, { id, ttlMs, activeAt: entry.time, last: 0, ackBelow: 0, places: new Map() });
    return { kind: 'OPENED', session: id };
  }

  #touch(entry: Entry): Session | undefined {
    const session = this.#sessions.get(entry.session);
    if (session !== undefined) session.activeAt = entry.time;
    return session;
  }

  #command(entry: Entry): Verdict {
    const session = this.#touch(entry);
    if (session === undefined) return UNKNOWN;
    const { sequence, index, term } = entry;
    if (sequence <= session.last) return { kind: 'DUPLICATE', place: session.places.get(sequence) };
    if (sequence !== session.last + 1) return { kind: 'GAP', expected: session.last + 1 };
    session.last = sequence;
    session.places.set(sequence, { index, term });
    this.#forget(session, entry.ackBelow ?? 0);
    return APPLY;
  }

  #forget(session: Session, ackBelow: number): void {
    session.ackBelow = Math.max(session.ackBelow, Math.min(ackBelow, session.last));
    for (const sequence of session.places.keys()) {
      const tooMany = session.places.size > this.#limits.sessionPlaces;
      if (sequence >= session.ackBelow && !tooMany) return;
      session.places.delete(sequence);
    }
  }

  /** Whoever wrote the entry thought that these are silent; what the log says before it counts. */
  #expire(entry: Entry): Verdict {
    const sessions: number[] = [];
    for (const id of decodeSessionExpire(entry.command)) {
      const session = this.#sessions.get(id);
      if (session === undefined || entry.time - session.activeAt < session.ttlMs) continue;
      this.#sessions.delete(id);
      sessions.push(id);
    }
    return { kind: 'EXPIRED', sessions };
  }
}
