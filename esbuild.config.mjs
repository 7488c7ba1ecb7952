/**
 * Builds everything into dist/: the `outrigger` command, and the tests (bundled, so that they run on the
 * oldest Node we support and so that `--mutant` can plant a bug in a test build).
 *
 *   node esbuild.config.mjs            build
 *   node esbuild.config.mjs --watch    build, then again at each change
 *   node esbuild.config.mjs --only=store --out=dist/x    only the entry points whose path contains `store`
 *   node esbuild.config.mjs --mutant=NAME --out=DIR    a test build with one deliberate bug (test/mutants/)
 */
import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { build, context } from 'esbuild';
import { mutantPlugin } from './test/mutants/plugin.mjs';

const { values } = parseArgs({
  options: {
    watch: { type: 'boolean' },
    mutant: { type: 'string' },
    only: { type: 'string', default: '' },
    out: { type: 'string', default: 'dist' },
  },
});

const PROGRAMS = /^test\/(bench|simulation|transcripts|processes)\/main\.ts$/;
const testEntries = readdirSync('test', { recursive: true })
  .map((file) => `test/${file.replaceAll('\\', '/')}`)
  .filter((file) => file.endsWith('.test.ts') || PROGRAMS.test(file));

/** @type {import('esbuild').BuildOptions} */
const options = {
  entryPoints: ['sidecar/cli/main.ts', ...testEntries]
    .filter((file) => file.includes(values.only))
    .map((file) => ({ in: file, out: file === 'sidecar/cli/main.ts' ? 'sidecar/main' : file.slice(0, -3) })),
  outdir: values.out,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: false,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  packages: 'external',
  sourcemap: 'linked',
  loader: { '.proto': 'text' },
  logLevel: 'warning',
  plugins: values.mutant === undefined ? [] : [mutantPlugin(values.mutant)],
};

if (values.watch) {
  await (await context(options)).watch();
} else {
  await rm(values.out, { recursive: true, force: true });
  await build(options);
}
