/**
 * Small files that only their owner may read: token files and endpoint files.
 *
 * MUST: create them 0600 in folders 0700, whole or not at all; refuse to read one that another user owns or
 * that others may read, and refuse to follow a symbolic link.
 * MAY be imported by the sidecar, the CLI and the editor. Windows has no such modes: there the checks are skipped
 * and the access list of the user's profile guards the files.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, link, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** No private file of ours is near this size; a larger one is not ours. */
const MAX_BYTES = 64 * 1024;

/** The file is there but must not be trusted. `message` is one sentence for a person. */
export class PrivateFileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PrivateFileError';
  }
}

/** Reads a private file; undefined when there is none. Throws PrivateFileError when it must not be trusted. */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  // O_NONBLOCK: opening a pipe that someone put there must not wait for its writer.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, flags);
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined;
    if (hasCode(error, 'ELOOP')) throw new PrivateFileError(`${path} is a symbolic link; a file is wanted`);
    throw new PrivateFileError(`${path} cannot be read (${codeOf(error)})`);
  }
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new PrivateFileError(`${path} is not an ordinary file`);
    refuseForeign(path, found.uid);
    if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) {
      throw new PrivateFileError(
        `${path} may be read by other users; make it private with: chmod 600 ${path}`,
      );
    }
    if (found.size > MAX_BYTES) throw new PrivateFileError(`${path} is larger than ${MAX_BYTES} bytes`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** Creates a private file with this text. False, and nothing changed, when something is already there. */
export async function createPrivateFile(path: string, text: string): Promise<boolean> {
  const temporary = await writeTemporary(path, text);
  try {
    // A link fails when the name is taken (as O_EXCL does), and never shows a half-written file.
    await link(temporary, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Writes a private file in one step, in place of the one that may be there. */
export async function replacePrivateFile(path: string, text: string): Promise<void> {
  const temporary = await writeTemporary(path, text);
  try {
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Makes a folder that only we may enter, or makes the one that is there so. Throws PrivateFileError when it is not ours. */
export async function ensurePrivateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const found = await lstat(path);
  if (!found.isDirectory()) throw new PrivateFileError(`${path} is not a folder`);
  refuseForeign(path, found.uid);
  if (process.platform !== 'win32' && (found.mode & 0o777) !== 0o700) await chmod(path, 0o700);
}

/** The code of a system error (`ENOENT`), or its text. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return String(error);
}

function hasCode(error: unknown, code: string): boolean {
  return codeOf(error) === code;
}

function refuseForeign(path: string, owner: number): void {
  const me = process.getuid?.();
  if (me !== undefined && owner !== me) {
    throw new PrivateFileError(`${path} belongs to user ${owner}, not to the user ${me} who runs this`);
  }
}

async function writeTemporary(path: string, text: string): Promise<string> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`);
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return temporary;
}
