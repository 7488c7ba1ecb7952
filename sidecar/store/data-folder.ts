/**
 * The data folder and its files: made for their owner only.
 *
 * MUST: leave the folder 0700 and the files 0600. MUST NOT: open an existing `log.sqlite`: POSIX drops SQLite's
 * lock on a file when any other handle of this process on that file is closed.
 */
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { StoreError } from './contract.ts';

const STICKY = 0o1000;

/** Makes the folder and an empty `log.sqlite` where they are missing; returns the path of the latter. Throws StoreError. */
export function prepareFolder(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if ((statSync(folder).mode & STICKY) !== 0) {
      throw new StoreError('FAULT', `${folder} is shared by all users: give the data a folder of its own`);
    }
    chmodSync(folder, 0o700);
    const path = join(folder, 'log.sqlite');
    createPrivately(path);
    for (const name of ['log.sqlite', 'guard']) chmodIfThere(join(folder, name));
    return path;
  } catch (error) {
    throw folderError(folder, error);
  }
}

/** Brings the names of new files in `folder`, and its own name, to the disk. Throws StoreError. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return; // Windows cannot sync a folder.
  try {
    for (const path of [folder, dirname(resolve(folder))]) {
      const fd = openSync(path, 'r');
      try {
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    }
  } catch (error) {
    throw folderError(folder, error);
  }
}

/** SQLite gives its WAL file the mode of the database file. */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

function chmodIfThere(path: string): void {
  try {
    chmodSync(path, 0o600);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function folderError(folder: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const kind = hasCode(error, 'ENOSPC') ? 'NO_SPACE' : 'FAULT';
  return new StoreError(kind, `the data folder ${folder} cannot be used: ${message}`, { cause: error });
}
