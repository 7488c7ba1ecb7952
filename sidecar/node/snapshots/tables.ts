/**
 * The sessions as of an index: from a table that is at hand, from a snapshot, or from the log.
 *
 * MUST: read the log only from where it begins; find a table for every index from there on, since a snapshot is kept of
 * where the log begins.
 */
import type { Entry } from '../../../shared/entry.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { decodeSessions } from '../../machine/session-codec.ts';
import { concernsSessions, SessionTable } from '../../machine/session-table.ts';
import type { SnapshotFolder } from '../../store/snapshots/folder.ts';
import { SnapshotGone } from '../../store/snapshots/turns.ts';

/** What the log is read with; `node.entries`. */
export type ReadEntries = (
  from: number,
  through: number,
  maxEntries: number,
  maxBytes: number,
) => Entry[] | Promise<Entry[]>;

export interface TableSources {
  /** The table at the app's applied index. */
  readonly current: SessionTable;
  readonly snapshots: Pick<SnapshotFolder, 'before' | 'read'> | undefined;
  /** The entry before the first one of the log. */
  readonly baseIndex: number;
  readonly read: ReadEntries;
}

/** Could the sessions be known as of `index`? */
export function hasTableAt(sources: TableSources, index: number): boolean {
  return source(sources, index) >= sources.baseIndex;
}

/** Where the newest table at or before `index` stands; -1 where there is none. */
function source({ current, snapshots }: TableSources, index: number): number {
  const own = current.position <= index ? current.position : 0;
  return Math.max(own, snapshots?.before(index)?.meta.point.index ?? 0);
}

/** Undefined where nothing reaches back to it. Throws StoreError. */
export async function tableAt(sources: TableSources, index: number): Promise<SessionTable | undefined> {
  const { current, snapshots, read } = sources;
  if (!hasTableAt(sources, index)) return undefined;
  const table = await newest(current, snapshots, index);
  // The snapshot has gone, and the log behind it with it, while we looked.
  if (table === undefined) return undefined;
  while (table.position < index) {
    const entries = await read(table.position + 1, index, LIMITS.appendEntries, LIMITS.logPageBytes);
    const last = entries.at(-1);
    if (last === undefined) return undefined;
    for (const entry of entries) if (concernsSessions(entry)) table.apply(entry);
    table.passTo(last.index);
  }
  return table;
}

async function newest(
  current: SessionTable,
  snapshots: TableSources['snapshots'],
  index: number,
): Promise<SessionTable | undefined> {
  const snapshot = snapshots?.before(index);
  const own = current.position <= index ? current : new SessionTable();
  if (snapshots === undefined || snapshot === undefined || snapshot.meta.point.index <= own.position)
    return own.clone();
  try {
    return decodeSessions(await snapshots.read(snapshot, 'sessions'));
  } catch (error) {
    if (error instanceof SnapshotGone) return undefined;
    throw error;
  }
}
