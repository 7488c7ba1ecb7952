/** The folder of a local cluster: a fresh one that goes away at the end, or the one that was asked for, which stays. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf, usageError } from '../errors.ts';

export interface Workspace {
  /** Absolute, without symbolic links. */
  readonly dir: string;
  readonly temporary: boolean;
  /** Removes it when it is temporary. */
  close(): Promise<void>;
}

/** Makes the folder. Throws CliError (exit code 2) when `dir` cannot be one. */
export async function openWorkspace(prefix: string, dir: string | undefined): Promise<Workspace> {
  if (dir === undefined) {
    const fresh = await realpath(await mkdtemp(join(tmpdir(), prefix)));
    return { dir: fresh, temporary: true, close: () => rm(fresh, { recursive: true, force: true }) };
  }
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return { dir: await realpath(dir), temporary: false, close: () => Promise.resolve() };
  } catch (error) {
    throw usageError(`--dir ${dir} cannot be used: ${messageOf(error)}.`);
  }
}

/** A cluster name that differs between folders and is the same each time for one folder. */
export function clusterName(kind: string, dir: string): string {
  return `${kind}-${createHash('sha256').update(dir).digest('hex').slice(0, 6)}`;
}
