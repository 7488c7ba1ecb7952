/**
 * Runs test suites inside a real extension host, by @vscode/test-electron: in the editor that `VSCODE_EXECUTABLE` names, else in
 * the packaged workbench, else (where that does not run) in the VS Code that @vscode/test-electron downloads.
 *
 * MUST: believe the results file only. An extension host that dies ends the editor with exit code 0.
 */
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTests } from '@vscode/test-electron';
import { workbenchState } from '../../scripts/workbench/recipe.mjs';
import { INNER_SUITES, type InnerResults, RESULTS_FILE } from './results.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
/** The built extension beside these tests. */
export const EXTENSION_FOLDER = resolve(here, '..', '..', 'extension');

export interface HostRun {
  /** What was run in it, as far as it was told. */
  readonly results: InnerResults;
  /** Why it counts as failed although its tests do not say so; '' when it does not. */
  readonly problem: string;
}

/** Which editor is used: a path, or undefined to let @vscode/test-electron get one. A reason where there is none. */
export function editor():
  | { readonly path: string | undefined }
  | { readonly missing: string; fatal: boolean } {
  const named = process.env['VSCODE_EXECUTABLE'];
  if (named) return { path: named };
  if (process.platform !== 'linux' || process.arch !== 'x64') return { path: undefined };
  const workbench = workbenchState();
  if (workbench.state === 'READY') return { path: join(here, 'main.mjs') };
  return { missing: workbench.reason, fatal: workbench.state === 'UNPREPARED' };
}

/** Runs the suites of that name (see suite/index.ts) with the extension under development. Never rejects for what they do. */
export async function runInHost(suites: readonly string[], path: string | undefined): Promise<HostRun> {
  const folder = await mkdtemp(join(tmpdir(), 'outrigger-host-'));
  const workspace = join(folder, 'workspace');
  const file = join(folder, 'results.json');
  await mkdir(workspace);
  if (path?.startsWith(here)) await chmod(path, 0o755);
  try {
    const said = await runTests({
      ...(path === undefined ? {} : { vscodeExecutablePath: path }),
      extensionDevelopmentPath: EXTENSION_FOLDER,
      extensionTestsPath: join(here, 'suite', 'index.cjs'),
      extensionTestsEnv: { [RESULTS_FILE]: file, [INNER_SUITES]: suites.join(',') },
      launchArgs: [
        workspace,
        '--disable-extensions',
        `--user-data-dir=${join(folder, 'user')}`,
        `--extensions-dir=${join(folder, 'extensions')}`,
      ],
    }).then(
      (code) => `the editor ended with exit code ${code}`,
      (error: unknown) => String(error),
    );
    const results = await readResults(file);
    return { results, problem: problemOf(results, said) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function problemOf({ ended, tests }: InnerResults, said: string): string {
  if (!ended) return `the extension host came to no end (after ${tests.length} tests): ${said}`;
  return tests.length === 0 ? `no test ran: ${said}` : '';
}

async function readResults(file: string): Promise<InnerResults> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as InnerResults;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return { ended: false, tests: [], notes: [] };
    }
    throw error;
  }
}
