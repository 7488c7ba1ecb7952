/**
 * A backup is a snapshot's file, as the node that took it has it: the app's bytes, the sessions with their replies, and what they
 * are of. So whoever can read a snapshot can read a backup, and every byte of it is under a SHA-256.
 *
 * MUST: call nothing a backup of which a single byte is not what was written.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { decodeSessions } from '../machine/session-codec.ts';
import {
  fileBytes,
  offsetOf,
  readAt,
  readMeta,
  type SnapshotMeta,
  verify,
} from '../store/snapshots/layout.ts';

/** What is wrong with a file, as one sentence without its end. */
export class BackupError extends Error {}

export interface Backup {
  readonly path: string;
  readonly meta: SnapshotMeta;
  /** Names its content; hex. */
  readonly digest: string;
  readonly bytes: number;
  /** Open sessions. */
  readonly sessions: number;
}

/** Reads all of it. Throws BackupError for a file that is none, or not whole; else what the file system says. */
export async function readBackup(path: string): Promise<Backup> {
  const file = await open(path, 'r');
  try {
    return await examine(path, file);
  } finally {
    await file.close();
  }
}

async function examine(path: string, file: FileHandle): Promise<Backup> {
  const { size } = await file.stat();
  const found = await readMeta(file, size);
  if (found === undefined || fileBytes(found.meta) !== size)
    throw new BackupError(`${path} is no backup, or was cut short or damaged`);
  const { meta, digest } = found;
  if (!(await verify(file, meta)))
    throw new BackupError(`${path} is damaged: its bytes are not the ones that were backed up`);
  if (!meta.full) throw new BackupError(`${path} is a snapshot without the state of the app`);
  const table = decodeSessions(await readAt(file, offsetOf(meta, 'sessions'), meta.sessions.bytes));
  return { path, meta, digest: digest.toString('hex'), bytes: size, sessions: [...table.all()].length };
}
