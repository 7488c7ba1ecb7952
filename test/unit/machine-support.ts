/** Logs with sessions for the tests of the machine. */
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { encodeAppVersion } from '../../shared/wire/app-version-entry.ts';
import { encodeSessionExpire, encodeSessionOpen } from '../../shared/wire/session-entries.ts';
import type { SessionTable } from '../../sidecar/machine/session-table.ts';
import type { Verdict } from '../../sidecar/machine/verdict.ts';

/** Small enough to be reached. */
export const SMALL = {
  sessions: 3,
  sessionPlaces: 4,
  sessionReplies: 3,
  sessionReplyBytes: 100,
  sessionRepliesBytes: 1_000,
  sessionVerdicts: 8,
};

/** A log that grows, one entry at a time; its clock is set by the test. */
export class LogMaker {
  time = 1_000_000;
  term = 1;
  readonly entries: Entry[] = [];

  #add(more: Partial<Entry>): Entry {
    const entry: Entry = {
      index: this.entries.length + 1,
      term: this.term,
      kind: EntryKind.COMMAND,
      time: this.time,
      session: 0,
      sequence: 0,
      command: new Uint8Array(0),
      ...more,
    };
    this.entries.push(entry);
    return entry;
  }

  noop(): Entry {
    return this.#add({ kind: EntryKind.NOOP });
  }
  plain(): Entry {
    return this.#add({});
  }
  command(session: number, sequence: number, ackBelow?: number): Entry {
    return this.#add({ session, sequence, ...(ackBelow === undefined ? {} : { ackBelow }) });
  }
  open(ttlMs = 0): Entry {
    return this.#add({ kind: EntryKind.SESSION_OPEN, command: encodeSessionOpen(ttlMs) });
  }
  keep(session: number): Entry {
    return this.#add({ kind: EntryKind.SESSION_KEEP, session });
  }
  close(session: number): Entry {
    return this.#add({ kind: EntryKind.SESSION_CLOSE, session });
  }
  appVersion(version: number): Entry {
    return this.#add({ kind: EntryKind.APP_VERSION, command: encodeAppVersion({ version, reason: 'new' }) });
  }
  expire(...sessions: number[]): Entry {
    return this.#add({ kind: EntryKind.SESSION_EXPIRE, command: encodeSessionExpire(sessions) });
  }
}

/** A table as plain data, to be compared. */
export function shapeOf(table: SessionTable): unknown {
  const sessions = [...table.all()].map(({ places, ...session }) => ({ ...session, places: [...places] }));
  return { position: table.position, sessions };
}

export const kinds = (verdicts: readonly (Verdict | undefined)[]): (string | undefined)[] =>
  verdicts.map((verdict) => verdict?.kind);
