/**
 * Builds everything into dist/: the `outrigger` command, the tests (bundled, so that they run on the oldest Node we support
 * and so that `--mutant` can plant a bug in a test build), the VS Code extension as a folder ready to load or to pack
 * (dist/extension), and the web UI (dist/webview), which is also the sidecar's page.
 *
 *   node esbuild.config.mjs            build
 *   node esbuild.config.mjs --watch    build, then again at each change
 *   node esbuild.config.mjs --only=store --out=dist/x    only the entry points whose path contains `store`
 *   node esbuild.config.mjs --mutant=NAME --out=DIR    a test build with one deliberate bug (test/mutants/)
 *   node esbuild.config.mjs --steps --out=DIR    a test build that can be killed at each step (test/steps/)
 */
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { build, context } from 'esbuild';
import { mutantPlugin } from './test/mutants/plugin.mjs';
import { stepsPlugin } from './test/steps/plugin.mjs';

const { values } = parseArgs({
  options: {
    watch: { type: 'boolean' },
    mutant: { type: 'string' },
    steps: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    out: { type: 'string', default: 'dist' },
  },
});

/** Every program of the tests is called so. */
const PROGRAMS = /\/main\.ts$/;
const testEntries = readdirSync('test', { recursive: true })
  .map((file) => `test/${file.replaceAll('\\', '/')}`)
  .filter((file) => file.endsWith('.test.ts') || PROGRAMS.test(file));

/** The entry points that exist and were asked for: source → name in the output folder. */
function entries(named) {
  return Object.entries(named)
    .filter(([file]) => file.includes(values.only) && existsSync(file))
    .map(([file, out]) => ({ in: file, out }));
}

const common = { bundle: true, splitting: false, sourcemap: 'linked', logLevel: 'warning' };

/** @type {import('esbuild').BuildOptions} The command and the tests; packages stay in node_modules. */
const programs = {
  ...common,
  entryPoints: entries({
    'sidecar/cli/main.ts': 'sidecar/main',
    ...Object.fromEntries(testEntries.map((file) => [file, file.slice(0, -3)])),
  }),
  outdir: values.out,
  outExtension: { '.js': '.mjs' },
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  packages: 'external',
  loader: { '.proto': 'text' },
  plugins: [
    ...(values.mutant === undefined ? [] : [mutantPlugin(values.mutant)]),
    ...(values.steps ? [stepsPlugin()] : []),
  ],
};

/** What the extension loads only when it needs it has a file of its own: activation must not read it. */
const LATER = { 'extension/client/language-client.ts': 'client' };
const laterPlugin = {
  name: 'later',
  setup(esbuild) {
    esbuild.onResolve({ filter: /\.ts$/ }, ({ kind, path, resolveDir }) => {
      if (kind !== 'dynamic-import') return undefined;
      const name = LATER[relative(process.cwd(), join(resolveDir, path)).replaceAll('\\', '/')];
      return name === undefined ? undefined : { path: `./${name}.js`, external: true };
    });
  },
};

/** @type {import('esbuild').BuildOptions} Complete in themselves: nothing is installed beside an extension. */
const extension = {
  ...common,
  entryPoints: entries({
    'extension/main.ts': 'main',
    ...LATER,
    'extension/aggregator/worker.ts': 'aggregator/worker',
    'extension/aggregator/stdio.ts': 'aggregator/stdio',
  }),
  outdir: join(values.out, 'extension'),
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  external: ['vscode'],
  plugins: [laterPlugin],
  // A file that is loaded later is CommonJS too, and the editor's own `require` finds `vscode` for it.
  supported: { 'dynamic-import': false },
  // Without it the CommonJS builds of some packages are taken, which cannot be trimmed.
  mainFields: ['module', 'main'],
  minify: true,
  sourcemap: 'linked',
};

/** @type {import('esbuild').BuildOptions} Tests that run inside the editor, which loads CommonJS. */
const innerTests = {
  ...common,
  entryPoints: entries({ 'test/workbench/suite/index.ts': 'test/workbench/suite/index' }),
  outdir: values.out,
  outExtension: { '.js': '.cjs' },
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  packages: 'external',
};

/** @type {import('esbuild').BuildOptions} */
const webview = {
  ...common,
  entryPoints: entries({ 'extension/webview/main.ts': 'panel' }),
  outdir: join(values.out, 'webview'),
  platform: 'browser',
  format: 'iife',
  target: ['chrome120', 'firefox120', 'safari17'],
  minify: true,
};

/** What an extension folder holds besides code, and the page's HTML. */
async function copyFiles() {
  const folder = join(values.out, 'extension');
  if (extension.entryPoints.length > 0) {
    await mkdir(folder, { recursive: true });
    for (const name of [
      'package.json',
      'package.nls.json',
      'media',
      'l10n',
      'schemas',
      'language',
      'README.md',
    ]) {
      if (existsSync(join('extension', name)))
        await cp(join('extension', name), join(folder, name), { recursive: true });
    }
    // The sources are modules, the bundle is CommonJS.
    const { type: _, ...manifest } = JSON.parse(await readFile('extension/package.json', 'utf8'));
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest, null, 2));
  }
  if (webview.entryPoints.length > 0) {
    await cp('extension/webview/index.html', join(values.out, 'webview', 'index.html'));
    if (extension.entryPoints.length > 0) {
      await cp(join(values.out, 'webview'), join(folder, 'webview'), { recursive: true });
    }
  }
}

const builds = [programs, extension, innerTests, webview].filter((options) => options.entryPoints.length > 0);
if (values.watch) {
  for (const options of builds) await (await context(options)).watch();
} else {
  await rm(values.out, { recursive: true, force: true });
  await Promise.all(builds.map((options) => build(options)));
  await copyFiles();
}
