/**
 * Prepares the VS Code workbench that tests run in (see workbench/recipe.mjs), outside the checkout, once per machine.
 *
 *   node scripts/workbench.mjs        `npm run workbench`; also a step of `npm test`
 *
 * MUST: use only what comes with Node.js, and get things only through npm and apt; check what it gets; leave either a complete
 * folder or none, also when two of it run at once. MUST be quick when nothing is to be done.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPackages } from './apt.mjs';
import { npm } from './npm.mjs';
import { findChromium } from './workbench/chromium.mjs';
import {
  CODE_SERVER,
  cacheFolder,
  INTEGRITY,
  MARKER,
  REVISION,
  VSCODE,
  workbenchFolder,
  workbenchState,
} from './workbench/recipe.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '..');
/** An unfinished folder this old was left by a run that was killed. */
const STALE_MS = 24 * 60 * 60 * 1000;
/** Built-in extensions that need modules we leave out, or talk to somebody. */
const LEFT_OUT = [
  'copilot',
  'git',
  'github',
  'mermaid-markdown-features',
  'microsoft-authentication',
  'ms-vscode.*',
  'tunnel-forwarding',
];

/** Makes the workbench ready where it can be. Resolves with its state; throws when it could not be got. */
export async function prepareWorkbench(say) {
  if (process.platform === 'linux' && process.arch === 'x64') {
    if (findChromium() === undefined) await installPackages(['chromium'], 'for the tests in the editor', say);
    if (!existsSync(join(workbenchFolder(), MARKER))) await prepareFolder(say);
  }
  return workbenchState(root);
}

async function prepareFolder(say) {
  const began = Date.now();
  say(`preparing a VS Code ${VSCODE} workbench for the tests (about 15 s, once; 110 MB in ${cacheFolder()})`);
  await mkdir(cacheFolder(), { recursive: true });
  await removeStale();
  const work = await mkdtemp(join(cacheFolder(), 'preparing-'));
  try {
    const [folder] = await Promise.all([unpackServer(work), installModules(work)]);
    await rename(join(work, 'modules', 'node_modules'), join(folder, 'node_modules'));
    await addStandIn(folder, 'spdlog');
    await addStandIn(folder, 'native-watchdog');
    const made = { codeServer: CODE_SERVER, vscode: VSCODE, revision: REVISION };
    await writeFile(join(folder, MARKER), `${JSON.stringify(made, null, 2)}\n`);
    await publish(folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  say(`the workbench is ready after ${Math.round((Date.now() - began) / 1000)} s`);
}

/** VS Code's own part of the package; the rest is another server around it. */
async function unpackServer(work) {
  await npm(['pack', `code-server@${CODE_SERVER}`, '--pack-destination', work], { cwd: work, silent: true });
  const file = join(work, `code-server-${CODE_SERVER}.tgz`);
  const found = `sha512-${createHash('sha512')
    .update(await readFile(file))
    .digest('base64')}`;
  if (found !== INTEGRITY) throw new Error(`code-server@${CODE_SERVER} is not what it was: ${found}`);
  const prefix = 'package/lib/vscode';
  const without = LEFT_OUT.map((name) => `--exclude=${prefix}/extensions/${name}`);
  const { status, stderr } = spawnSync('tar', ['-xzf', file, '-C', work, ...without, prefix], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`tar ended with ${status}: ${stderr}`);
  await rm(file);
  return join(work, prefix);
}

/** By their own lock file, so that each one is checked. No script of any package runs. */
async function installModules(work) {
  const folder = join(work, 'modules');
  await cp(join(here, 'workbench', 'modules'), folder, { recursive: true });
  await npm(['ci', '--ignore-scripts'], { cwd: folder, silent: true });
  const programs = join(folder, 'node_modules', '@vscode', 'ripgrep-universal', 'bin');
  for (const name of await readdir(programs)) {
    if (name !== 'linux-x64') await rm(join(programs, name), { recursive: true });
  }
}

async function addStandIn(folder, name) {
  const target = join(folder, 'node_modules', '@vscode', name);
  await mkdir(target, { recursive: true });
  await cp(join(here, 'workbench', 'stand-ins', `${name}.cjs`), join(target, 'index.cjs'));
  const manifest = { name: `@vscode/${name}`, version: '0.0.0', main: 'index.cjs' };
  await writeFile(join(target, 'package.json'), JSON.stringify(manifest));
}

/** Where another run was faster, its folder is as good as ours. */
async function publish(folder) {
  try {
    await rename(folder, workbenchFolder());
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(error.code) || !existsSync(join(workbenchFolder(), MARKER)))
      throw error;
  }
}

async function removeStale() {
  for (const name of await readdir(cacheFolder())) {
    if (!name.startsWith('preparing-')) continue;
    const path = join(cacheFolder(), name);
    // Another run may be removing its own just now.
    const changed = await stat(path).catch(() => undefined);
    if (changed !== undefined && Date.now() - changed.mtimeMs > STALE_MS)
      await rm(path, { recursive: true, force: true });
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const found = await prepareWorkbench((text) => console.log(`workbench: ${text}`));
  console.log(`workbench: ${found.state === 'READY' ? `ready in ${found.folder}` : found.reason}`);
  if (found.state === 'UNPREPARED') process.exitCode = 1;
}
