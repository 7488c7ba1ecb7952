/** What works on data folders, loaded when it is needed: it needs SQLite's compiled part. MUST: say failures as one line. */
import { CliError, messageOf } from '../errors.ts';

export async function loadRestore(): Promise<typeof import('../../recovery/restore.ts')> {
  return import('../../recovery/restore.ts').catch(fail);
}

export async function loadRecover(): Promise<typeof import('../../recovery/recover.ts')> {
  return import('../../recovery/recover.ts').catch(fail);
}

/** Runs work on folders. Its errors that carry an exit code become one line. */
export async function onFolders<T>(work: () => Promise<T>): Promise<T> {
  return work().catch(fail);
}

function fail(error: unknown): never {
  if (!(error instanceof CliError) && error instanceof Error && 'exitCode' in error)
    throw new CliError(
      `${messageOf(error)}.`,
      typeof error.exitCode === 'number' ? error.exitCode : undefined,
    );
  throw error;
}
