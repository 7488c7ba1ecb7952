/**
 * Which sessions the leader may propose to end: those of which it saw no sign for their whole time to live, on its own
 * monotonic clock, since it leads. So neither a jump of a wall clock nor a time without a leader ends a session.
 *
 * MUST: name a session only when cluster time says the same, or the entry would end nothing (session-table.ts).
 */
import type { SessionTable } from './session-table.ts';

interface Seen {
  readonly activeAt: number;
  readonly last: number;
  /** On the leader's monotonic clock, ms. */
  readonly since: number;
}

export class ExpiryWatch {
  #seen = new Map<number, Seen>();

  /** Another term of office begins: every session gets its whole time again. */
  reset(): void {
    this.#seen = new Map();
  }

  /** Looks at every session; returns those that are due, at most `max`. `clusterTime`: what an entry would carry now. */
  due(sessions: SessionTable, now: number, clusterTime: number, max: number): number[] {
    const due: number[] = [];
    const seen = new Map<number, Seen>();
    for (const { id, ttlMs, activeAt, last } of sessions.all()) {
      const before = this.#seen.get(id);
      const silent = before !== undefined && before.activeAt === activeAt && before.last === last;
      const since = silent ? before.since : now;
      seen.set(id, { activeAt, last, since });
      if (now - since >= ttlMs && clusterTime - activeAt >= ttlMs && due.length < max) due.push(id);
    }
    this.#seen = seen;
    return due;
  }
}
