/**
 * SQLite's compiled code inside the single executable. The system loads code from files alone, so it is put into a folder of ours.
 *
 * MUST: use only a folder that is ours and that nobody else may write to; compare what lies there with what we carry, byte for byte,
 * before it is loaded; write it whole or not at all, since many of us may start at once. MUST NOT: trust a name.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { carriedFile } from '../../shared/carried-files.ts';
import { VERSION } from '../../shared/version.ts';
import { CACHE_VARIABLE, cacheFolders } from './cache-folders.ts';
import { messageOf, systemCode, usageError } from './errors.ts';

export const ADDON = 'node_sqlite3.node';

/** What it exports. Throws CliError (exit code 2) where no folder can hold it. */
export function loadCarriedAddon(env: NodeJS.ProcessEnv = process.env): unknown {
  const code = carriedFile(ADDON);
  if (code === undefined) throw new Error(`${ADDON} is not carried`);
  const reasons: string[] = [];
  for (const folder of cacheFolders(env, tmpdir(), userName())) {
    try {
      const module = { exports: {} as unknown };
      // On a file system that forbids code (noexec) this fails, and the next folder is tried.
      process.dlopen(module, placeAddon(folder, code));
      return module.exports;
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  throw usageError(
    `SQLite's compiled part can be put nowhere and loaded from there (name a folder with ${CACHE_VARIABLE}): ${reasons.join('; ')}.`,
  );
}

/** Makes the folder and the file in it ready; the path of the file. Exported for tests. */
export function placeAddon(folder: string, code: Uint8Array): string {
  makePrivate(folder);
  const file = join(folder, `${VERSION}-${ADDON}`);
  if (isSame(file, code)) return file;
  // Not over the old one: somebody may be running it.
  const fresh = `${file}.${process.pid}-${randomBytes(6).toString('hex')}`;
  try {
    writeFileSync(fresh, code, { mode: 0o500, flag: 'wx' });
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
  return file;
}

function makePrivate(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  if (!found.isDirectory()) throw new Error(`${folder} is not a folder`);
  if (process.platform === 'win32') return;
  if (found.uid !== process.getuid?.()) throw new Error(`${folder} belongs to another user`);
  if ((found.mode & 0o022) !== 0) throw new Error(`other users may write to ${folder}`);
}

function isSame(file: string, code: Uint8Array): boolean {
  try {
    return lstatSync(file).isFile() && readFileSync(file).equals(code);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

function userName(): string {
  return String(process.getuid?.() ?? userInfo().username);
}
