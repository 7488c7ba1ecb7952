/**
 * `npm run package`: from what was built, a small VSIX that only attaches (for every platform), and one for this platform that
 * carries the sidecar too, so that a demo cluster can be started where nothing else is installed.
 *
 *   node scripts/package.mjs [--from=dist] [--out=dist] [--only=universal|platform]
 *
 * MUST: fail when the universal one is over its limit, or when the packed sidecar does not run.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkPackedSidecar } from './package/check.mjs';
import { notices } from './package/notices.mjs';
import { makeSidecar } from './package/sidecar.mjs';

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
  const bytes = statSync(vsix).size;
  console.log(`${vsix}  ${(bytes / 1024 / 1024).toFixed(2)} MB`);
  return { vsix, bytes };
}

async function packAll(work) {
  if (!existsSync(join(from, 'extension', 'package.json'))) throw new Error(`${from} has no built extension`);
  if (values.only !== 'platform') {
    const folder = join(work, 'universal');
    stage(folder);
    // Only `outrigger lsp` runs it, which comes with the sidecar.
    for (const file of ['stdio.js', 'stdio.js.map']) rmSync(join(folder, 'aggregator', file));
    const { bytes } = pack(folder, `outrigger-${version}.vsix`);
    if (bytes > UNIVERSAL_BYTES)
      throw new Error(`the universal VSIX has ${bytes} bytes, over ${UNIVERSAL_BYTES}`);
  }
  if (values.only !== 'universal') {
    const target = `${process.platform}-${process.arch}`;
    const folder = join(work, 'platform');
    stage(folder);
    await makeSidecar(root, from, join(folder, 'sidecar'));
    const { vsix } = pack(folder, `outrigger-${target}-${version}.vsix`, target);
    await checkPackedSidecar(vsix, version);
    console.log('the packed sidecar runs by itself: it was started, led and committed');
  }
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
