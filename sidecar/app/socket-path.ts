/**
 * The place of a Unix socket: a folder only its owner can enter, and a socket only its owner can open.
 *
 * MUST: replace a socket file only when it is ours and nobody answers on it; refuse everything else in one
 * sentence. A folder of ours that others may enter is closed to them; one that is shared is refused.
 */
import { chmod, lstat, mkdir, stat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';

/** What the operating systems we run on take as the path of a socket (macOS: 104 with the final zero). */
const PATH_BYTES = process.platform === 'darwin' ? 103 : 107;
const PERMISSIONS = 0o777;
const FOLDER_MODE = 0o700;
const SOCKET_MODE = 0o600;
const STICKY = 0o1000;

/** The socket cannot be where it was asked to be. `message` is one sentence for the user. */
export class ListenRefused extends Error {}

export function isPipe(path: string): boolean {
  return path.startsWith('\\\\.\\pipe\\') || path.startsWith('\\\\?\\pipe\\');
}

/** Makes the way free for a socket at `path`. Throws `ListenRefused`. */
export async function prepareSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > PATH_BYTES) {
    throw new ListenRefused(
      `the app socket's path ${path} is longer than ${PATH_BYTES} bytes; choose a shorter one`,
    );
  }
  await prepareFolder(dirname(path));
  const found = await lstat(path).catch(absent);
  if (found === undefined) return;
  if (found.isSymbolicLink())
    throw new ListenRefused(`${path} is a symbolic link, not a socket; remove it first`);
  if (!found.isSocket())
    throw new ListenRefused(`${path} exists and is not a socket; remove it or choose another path`);
  if (!isOurs(found.uid)) throw new ListenRefused(`the socket ${path} belongs to another user`);
  if (await answers(path)) throw new ListenRefused(`another process answers on the socket ${path}`);
  await unlink(path);
}

/** Closes the socket to everyone else, and makes sure that it is. Throws `ListenRefused`. */
export async function secureSocket(path: string): Promise<void> {
  await chmod(path, SOCKET_MODE);
  const found = await lstat(path);
  if (!found.isSocket() || !isOurs(found.uid) || (found.mode & PERMISSIONS) !== SOCKET_MODE) {
    throw new ListenRefused(
      `the socket ${path} could not be closed to other users; choose a folder on a local disk`,
    );
  }
}

async function prepareFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE }).catch((error: Error) => {
    throw new ListenRefused(`the folder ${folder} for the app socket cannot be made: ${error.message}`);
  });
  const found = await stat(folder);
  if ((found.mode & STICKY) !== 0) {
    throw new ListenRefused(
      `the folder ${folder} is shared by all users; put the app socket into one of its own`,
    );
  }
  if (!isOurs(found.uid)) throw new ListenRefused(`the folder ${folder} belongs to another user`);
  if ((found.mode & PERMISSIONS) === FOLDER_MODE) return;
  await chmod(folder, FOLDER_MODE);
  if (((await stat(folder)).mode & PERMISSIONS) !== FOLDER_MODE) {
    throw new ListenRefused(
      `the folder ${folder} could not be closed to other users; choose one on a local disk`,
    );
  }
}

function isOurs(uid: number): boolean {
  return process.getuid === undefined || uid === process.getuid();
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}

/** Whether somebody listens at `path`. Only a plain refusal proves that nobody does. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(new ListenRefused(`the socket ${path} exists and cannot be tried: ${error.message}`));
    });
  });
}
