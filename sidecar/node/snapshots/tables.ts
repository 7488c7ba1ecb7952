/**
 * The sessions as of an index: from a table that is at hand, from a snapshot, or from the log.
 *
 * MUST: read the log only from where it begins; find a table for every index from there on, since a snapshot is kept of
 * where the log begins.
 */
import { LIMITS } from '../../../shared/limits.ts';
import { decodeSessions } from '../../machine/session-codec.ts';
import { concernsSessions, SessionTable } from '../../machine/session-table.ts';
import type { RaftLog } from '../../raft/log.ts';
import type { Selected, Store } from '../../store/contract.ts';
import type { SnapshotFolder } from '../../store/snapshots/folder.ts';
import { SnapshotGone } from '../../store/snapshots/turns.ts';
import { piecePassed } from './garbage.ts';

export interface TableSources {
  /** The table at the app's applied index. */
  readonly current: SessionTable;
  readonly snapshots: Pick<SnapshotFolder, 'before' | 'read'> | undefined;
  /** The entry before the first one of the log. */
  readonly baseIndex: number;
  /** The newest part of the log in memory, and all of it on the disk. */
  readonly log: Pick<RaftLog, 'slice'>;
  readonly store: Pick<Store, 'select'>;
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
  const { current, snapshots } = sources;
  if (!hasTableAt(sources, index)) return undefined;
  const table = await newest(current, snapshots, index);
  // The snapshot has gone, and the log behind it with it, while we looked.
  if (table === undefined) return undefined;
  while (table.position < index) {
    const { through, entries } = await nextPart(sources, table.position + 1, index);
    for (const entry of entries) table.apply(entry);
    table.passTo(through);
  }
  return table;
}

/** What concerns sessions in a part of the log that begins at `from`, and how far that part goes. */
async function nextPart({ log, store }: TableSources, from: number, to: number): Promise<Selected> {
  const cached = log.slice(from, to, LIMITS.appendEntries, LIMITS.logPageBytes);
  const last = cached?.at(-1);
  if (cached !== undefined && last !== undefined)
    return { through: last.index, bytes: 0, entries: cached.filter(concernsSessions) };
  const selected = await store.select(from, to, concernsSessions);
  piecePassed(selected.bytes);
  return selected;
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
