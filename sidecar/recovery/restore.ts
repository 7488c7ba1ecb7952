/**
 * Makes the data folder of a node of a new cluster, which begins with a backup: its log begins behind it, and its app is given it.
 *
 * MUST: touch no folder that has something in it; leave none behind that could be started before it is whole, since it would be
 * an empty cluster under the name of one that was not; leave nothing behind when it fails.
 */
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Membership, SnapshotPoint } from '../../shared/entry.ts';
import type { Owner } from '../store/identity.ts';
import { offsetOf, readAt } from '../store/snapshots/layout.ts';
import { SqliteStore } from '../store/sqlite-store.ts';
import type { Backup } from './backup-file.ts';
import { asRecoveryError, RecoveryError } from './errors.ts';
import { adoptSnapshot, type SnapshotSource, TERMS_LEFT_OUT } from './new-cluster.ts';

const PIECE_BYTES = 512 * 1024;
/** What a fresh file system has of its own. */
const NOT_OURS = new Set(['lost+found']);

/** Throws RecoveryError (exit code 2) for a folder that has something in it. */
export async function refuseUsedFolder(folder: string): Promise<void> {
  const names = await namesIn(folder);
  if (names.length > 0)
    throw new RecoveryError(`${folder} is not empty: a restore goes into a folder of its own`, 2);
}

/** Throws RecoveryError. */
export async function restoreInto(
  folder: string,
  backup: Backup,
  owner: Owner,
  membership: Membership,
): Promise<void> {
  await refuseUsedFolder(folder);
  try {
    await fill(new SqliteStore({ folder, owner, restores: true }), backup, owner, membership);
  } catch (error) {
    for (const name of await namesIn(folder)) await rm(join(folder, name), { recursive: true, force: true });
    throw asRecoveryError(error, folder);
  }
}

async function fill(store: SqliteStore, backup: Backup, owner: Owner, membership: Membership): Promise<void> {
  await store.open();
  try {
    const file = await open(backup.path, 'r');
    try {
      const source = await sourceOf(file, backup);
      const { meta } = await adoptSnapshot(store.snapshots, source, owner.cluster, membership);
      await beginsBehind(store, { ...meta.point, config: meta.config });
    } finally {
      await file.close();
    }
    await store.finished();
  } finally {
    await store.close();
  }
}

async function sourceOf(file: Awaited<ReturnType<typeof open>>, { meta }: Backup): Promise<SnapshotSource> {
  const part = (name: 'sessions' | 'replies') => readAt(file, offsetOf(meta, name), meta[name].bytes);
  async function* app(): AsyncGenerator<Uint8Array> {
    const begins = offsetOf(meta, 'app');
    for (let at = 0; at < meta.app.bytes; at += PIECE_BYTES)
      yield await readAt(file, begins + at, Math.min(PIECE_BYTES, meta.app.bytes - at));
  }
  return { meta, sessions: await part('sessions'), replies: await part('replies'), app };
}

/** As when a node installs the snapshot of a leader. Resolves once that is on the disk. */
function beginsBehind(store: SqliteStore, reset: SnapshotPoint): Promise<void> {
  return new Promise((resolve, reject) => {
    store.listen({ durable: () => resolve(), fault: reject });
    const hardState = { term: reset.term + TERMS_LEFT_OUT, vote: '' };
    store.write({ hardState, reset, previousHash: reset.hash, entries: [] });
  });
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => !NOT_OURS.has(name));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    const why = error instanceof Error ? error.message : String(error);
    throw new RecoveryError(`${folder} cannot be used: ${why}`, 2, { cause: error });
  }
}
