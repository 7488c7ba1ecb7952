/**
 * `npm run package`, from what was built:
 *
 *   universal  a small VSIX that only attaches, for every platform
 *   platform   a VSIX for this platform that carries the sidecar too, so that a demo cluster can be started where nothing else is
 *   command    the `outrigger` command as a package for npm, complete in itself (that of `npm pack` gets its dependencies from a registry)
 *   single     the same as one executable for machines without Node.js
 *
 *   node scripts/package.mjs [--from=dist] [--out=dist] [--only=NAME,…]
 *
 * MUST: fail when the universal one is over its limit, or when a packed sidecar does not run.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { checkCommand, checkPackedSidecar } from './package/check.mjs';
import { packCommand, stageCommand } from './package/command.mjs';
import { notices } from './package/notices.mjs';
import { compiledPart, makeSidecar, neededGlibc } from './package/sidecar.mjs';
import { makeSingle, whyNoSingle } from './package/single.mjs';

const UNIVERSAL_BYTES = 2 * 1024 * 1024;
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({
  options: {
    from: { type: 'string', default: 'dist' },
    out: { type: 'string', default: 'dist' },
    only: { type: 'string', default: '' },
  },
});
const from = resolve(root, values.from);
const out = resolve(values.out);
const NAMES = ['universal', 'platform', 'command', 'single'];
const only = values.only === '' ? NAMES : values.only.split(',');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** The extension as it was built, with what every package has to say of itself. */
function stage(folder) {
  cpSync(join(from, 'extension'), folder, { recursive: true });
  for (const name of ['LICENSE', 'CHANGELOG.md']) cpSync(join(root, name), join(folder, name));
  if (!existsSync(join(folder, 'README.md'))) cpSync(join(root, 'README.md'), join(folder, 'README.md'));
  const manifest = join(folder, 'package.json');
  const { scripts: _, devDependencies: __, ...kept } = JSON.parse(readFileSync(manifest, 'utf8'));
  writeFileSync(manifest, JSON.stringify({ ...kept, version }, null, 2));
}

/** Source maps stay outside: they are as large as everything else together. */
function pack(folder, name, target) {
  writeFileSync(join(folder, 'THIRD-PARTY-NOTICES.txt'), notices(root, folder));
  writeFileSync(join(folder, '.vscodeignore'), '**/*.map\n');
  const vsix = join(out, name);
  const args = [
    ...['node_modules/@vscode/vsce/vsce', 'package', '--no-dependencies', '--out', vsix],
    ...['--no-rewrite-relative-links', '--allow-missing-repository'],
    ...(target === undefined ? [] : ['--target', target]),
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, args[0]), ...args.slice(1)], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`vsce ended with ${status}: ${stdout}${stderr}`);
  return { vsix, bytes: tell(vsix) };
}

/** Says its size, and what it has when it is downloaded. */
function tell(file, squeezed = '') {
  const bytes = statSync(file).size;
  console.log(`${file}  ${megabytes(bytes)}${squeezed}`);
  return bytes;
}

function megabytes(bytes) {
  return `${(bytes / 1024 / 1024).toFixed(2)} MB`;
}

/** The package for npm and the executable: the second one is made from what is in the first one. */
async function packCommands(work) {
  const folder = join(work, 'command');
  await stageCommand(root, from, folder);
  const made = [];
  if (only.includes('command')) {
    await checkCommand([process.execPath, join(folder, 'bin', 'outrigger.mjs')], version);
    made.push(await packCommand(folder, work, out));
    tell(made.at(-1));
  }
  const why = whyNoSingle();
  if (only.includes('single') && why !== undefined) console.log(`package: ${why}`);
  else if (only.includes('single')) {
    const file = join(out, `outrigger-${version}-${process.platform}-${process.arch}`);
    await makeSingle(root, folder, join(work, 'single'), file);
    await checkCommand([file], version);
    made.push(file, `${file}.NOTICES.txt`);
    const squeezed = megabytes(gzipSync(readFileSync(file), { level: 6 }).length);
    tell(file, ` (${squeezed} with gzip; needs glibc ${neededGlibc(file, compiledPart(root))})`);
  }
  const sums = made.map((file) => `${sha256(file)}  ${basename(file)}\n`);
  writeFileSync(join(out, 'SHA256SUMS'), sums.join(''));
}

function sha256(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

async function packAll(work) {
  const unknown = only.find((name) => !NAMES.includes(name));
  if (unknown !== undefined)
    throw new Error(`there is no package called ${unknown}, only ${NAMES.join(', ')}`);
  if (!existsSync(join(from, 'extension', 'package.json'))) throw new Error(`${from} has no built extension`);
  mkdirSync(out, { recursive: true });
  if (only.includes('universal')) {
    const folder = join(work, 'universal');
    stage(folder);
    // Only `outrigger lsp` runs it, which comes with the sidecar.
    for (const file of ['stdio.js', 'stdio.js.map']) rmSync(join(folder, 'aggregator', file));
    const { bytes } = pack(folder, `outrigger-${version}.vsix`);
    if (bytes > UNIVERSAL_BYTES)
      throw new Error(`the universal VSIX has ${bytes} bytes, over ${UNIVERSAL_BYTES}`);
  }
  if (only.includes('platform')) {
    const target = `${process.platform}-${process.arch}`;
    const folder = join(work, 'platform');
    stage(folder);
    await makeSidecar(root, from, join(folder, 'sidecar'));
    const { vsix } = pack(folder, `outrigger-${target}-${version}.vsix`, target);
    await checkPackedSidecar(vsix, version);
    console.log('the packed sidecar runs by itself: it was started, led and committed');
  }
  if (only.includes('command') || only.includes('single')) await packCommands(work);
}

const work = mkdtempSync(join(tmpdir(), 'outrigger-package-'));
try {
  await packAll(work);
} catch (error) {
  console.error(`package: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
