/**
 * The sidecar as a platform VSIX carries it: complete in itself, for any Node.js from 20.19 on and for the editor's own.
 *
 * It is laid out like the checkout (bundle in dist/sidecar, page in dist/webview, example in examples/), so that it finds its
 * files in one way wherever it runs; `main.mjs` at its top starts it.
 */
import { readFileSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const COMPILED = 'node_modules/sqlite3/build/Release/node_sqlite3.node';

/** What every bundle of the command has in common. */
export const BUNDLE = {
  bundle: true,
  platform: 'node',
  mainFields: ['module', 'main'],
  loader: { '.proto': 'text' },
  minify: true,
  sourcemap: 'external',
  logLevel: 'warning',
};

/** Where SQLite's compiled part is after an installation. */
export const compiledPart = (root) => join(root, COMPILED);

/** The oldest C library that has all that these programs ask it for: their newest `GLIBC_2.x`. */
export function neededGlibc(...programs) {
  const versions = programs.flatMap((file) =>
    [...readFileSync(file, 'latin1').matchAll(/\0GLIBC_2\.(\d+)(?=\0)/g)].map((match) => Number(match[1])),
  );
  return `2.${Math.max(...versions)}`;
}

/** Makes it in `folder`. `from` is the build's output folder, whose page is taken. */
export async function makeSidecar(root, from, folder) {
  const home = join(folder, 'dist', 'sidecar');
  await build({
    ...BUNDLE,
    entryPoints: [join(root, 'sidecar', 'cli', 'main.ts')],
    outfile: join(home, 'main.mjs'),
    format: 'esm',
    target: 'node20.19',
    alias: { bindings: join(root, 'scripts', 'package', 'bindings.cjs') },
    // Bundled CommonJS packages call `require` for what Node.js has built in; a module has none by itself.
    banner: {
      js: "import{createRequire as makeRequire}from'node:module';const require=makeRequire(import.meta.url);",
    },
  });
  await cp(compiledPart(root), join(home, `node_sqlite3-${process.platform}-${process.arch}.node`));
  await cp(join(from, 'webview'), join(folder, 'dist', 'webview'), { recursive: true });
  await mkdir(join(folder, 'examples', 'python-kv'), { recursive: true });
  await cp(join(root, 'examples/python-kv/kv.py'), join(folder, 'examples/python-kv/kv.py'));
  await writeFile(join(folder, 'main.mjs'), "import './dist/sidecar/main.mjs';\n");
}
