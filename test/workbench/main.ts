#!/usr/bin/env node
/**
 * Stands in for the `code` executable: takes the command line that @vscode/test-electron gives it, runs the tests in the
 * packaged workbench with a headless Chromium as its window, and ends with their exit code. `VSCODE_EXECUTABLE` may name it.
 *
 * Exit codes of its own: 70 cannot start, 71 not done in time, 72 the server or the page died.
 * MUST NOT be believed alone: a dead extension host ends with 0 too (see host.ts, which wants a results file).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { workbenchState } from '../../scripts/workbench/recipe.mjs';
import { TEST_MS } from '../support/patience.ts';
import { WorkbenchServer } from './server.ts';

const CANNOT_START = 70;
const TOO_LATE = 71;
const DIED = 72;
const DEADLINE_MS = Number(process.env['OUTRIGGER_SHIM_MS'] ?? TEST_MS);

interface CommandLine {
  readonly folder: string | undefined;
  readonly developed: readonly string[];
  readonly tests: string;
  readonly userDataDir: string | undefined;
  readonly extensionsDir: string | undefined;
}

/** The flags that mean something here; the others are about a desktop. */
function readCommandLine(args: readonly string[]): CommandLine {
  const all = (flag: string): string[] =>
    args.filter((arg) => arg.startsWith(`--${flag}=`)).map((arg) => resolve(arg.slice(flag.length + 3)));
  const [tests] = all('extensionTestsPath');
  if (tests === undefined) throw new Error('it runs tests only: --extensionTestsPath=PATH is missing');
  const folder = args.find((arg) => !arg.startsWith('-'));
  return {
    folder: folder === undefined ? undefined : resolve(folder),
    developed: all('extensionDevelopmentPath'),
    tests,
    userDataDir: all('user-data-dir')[0],
    extensionsDir: all('extensions-dir')[0],
  };
}

async function run(line: CommandLine, stopped: AbortSignal): Promise<number> {
  const workbench = workbenchState();
  if (workbench.state !== 'READY') throw new Error(workbench.reason);
  // Sockets are made in it, whose path may have 107 bytes.
  const runDir = await mkdtemp('/tmp/outrigger-wb-');
  const { folder, developed, tests, userDataDir, extensionsDir } = line;
  const server = await WorkbenchServer.start({
    workbench,
    runDir,
    testDriver: true,
    userDataDir: userDataDir ?? join(runDir, 'user'),
    extensionsDir: extensionsDir ?? join(runDir, 'extensions'),
  });
  const browser = await chromium.launch({ executablePath: workbench.chromium });
  try {
    const page = await browser.newPage();
    const exit = new Promise<number>((done) => {
      page.exposeFunction('codeAutomationExit', done).catch(() => done(DIED));
      page.on('crash', () => done(DIED));
      void server.ended.then(() => done(DIED));
      AbortSignal.timeout(DEADLINE_MS).addEventListener('abort', () => done(TOO_LATE));
      stopped.addEventListener('abort', () => done(DIED));
    });
    await page.exposeFunction('codeAutomationLog', (_type: string, args: unknown[]) => {
      if (process.env['OUTRIGGER_SHIM_LOG'] !== undefined) console.log(...args);
    });
    await page.goto(
      server.url(folder, [
        ...developed.map((path) => ['extensionDevelopmentPath', server.fileUri(path)] as const),
        ['extensionTestsPath', server.fileUri(tests)],
        ['skipWelcome', 'true'],
      ]),
    );
    const code = await exit;
    if (code >= CANNOT_START) console.error(server.log.slice(-30).join('\n'));
    return code;
  } finally {
    await browser.close();
    await server.kill();
    await rm(runDir, { recursive: true, force: true });
  }
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
try {
  process.exitCode = await run(readCommandLine(process.argv.slice(2)), stop.signal);
} catch (error) {
  console.error(`workbench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = CANNOT_START;
}
