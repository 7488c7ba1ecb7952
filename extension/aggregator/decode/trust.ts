/**
 * The one door to what a workspace can make us do: read its files, run its commands.
 *
 * MUST: give out a TrustedFolder only for a trusted workspace. Everything that reads a workspace file or starts a
 * command of the user asks for one, so the compiler sees to it that nothing of the kind happens before trust.
 */
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';

/** What is said where trust is missing. */
export const NOT_TRUSTED =
  'this workspace is not trusted, so none of its files is read and none of its commands is run';

/** A file of the workspace cannot be used; the message is one sentence for a person, without a full stop. */
export class WorkspaceFileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WorkspaceFileError';
  }
}

/** A folder of a trusted workspace. */
export class TrustedFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Undefined unless the workspace is trusted. */
  static of(path: string, trusted: boolean): TrustedFolder | undefined {
    return trusted ? new TrustedFolder(path) : undefined;
  }

  /**
   * The text of an ordinary file inside this folder, at most `maxBytes` long; links that lead out of it are not followed.
   * Undefined when there is no such file. Throws WorkspaceFileError.
   */
  async read(path: string, maxBytes: number): Promise<string | undefined> {
    const real = await this.#resolve(path);
    if (real === undefined) return undefined;
    try {
      return await readOrdinary(real, path, maxBytes);
    } catch (error) {
      if (error instanceof WorkspaceFileError) throw error;
      throw new WorkspaceFileError(`${path} cannot be read (${codeOf(error)})`);
    }
  }

  async #resolve(path: string): Promise<string | undefined> {
    if (isAbsolute(path)) throw new WorkspaceFileError(`${path} must be relative to the workspace folder`);
    try {
      const root = await realpath(this.path);
      const real = await realpath(join(root, path));
      const inside = relative(root, real);
      if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
        throw new WorkspaceFileError(`${path} is outside of the workspace folder`);
      }
      return real;
    } catch (error) {
      if (error instanceof WorkspaceFileError) throw error;
      const code = codeOf(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
      throw new WorkspaceFileError(`${path} cannot be read (${code})`);
    }
  }
}

/** `name`: how messages call the file. */
async function readOrdinary(path: string, name: string, maxBytes: number): Promise<string> {
  // O_NONBLOCK: opening a pipe that somebody put there must not wait for its writer.
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new WorkspaceFileError(`${name} is not an ordinary file`);
    const buffer = Buffer.alloc(Math.min(found.size, maxBytes) + 1);
    let length = 0;
    // The size may be a lie (the file grows): only what fits is read.
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
      if (bytesRead === 0) return buffer.toString('utf8', 0, length);
      length += bytesRead;
    }
    throw new WorkspaceFileError(`${name} is larger than ${maxBytes} bytes`);
  } finally {
    await file.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
