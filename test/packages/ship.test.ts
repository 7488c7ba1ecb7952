/**
 * What `npm run package` makes for machines that have not our sources: the package for npm and the single executable. Both are made
 * anew, and run where nothing else is.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TEST_MS } from '../support/patience.ts';

/** The build's output folder: this file is bundled into test/packages/ in it. */
const BUILD_FOLDER = fileURLToPath(new URL('../..', import.meta.url));
const { version, dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  version: string;
  dependencies: Record<string, string>;
};
const HERE = `${process.platform}-${process.arch}`;
/** What is in the package. Whatever comes to it is added here on purpose: no tests, no sources, no maps. */
const FILES = [
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'THIRD-PARTY-NOTICES.txt',
  'bin/outrigger.mjs',
  'dist/extension/aggregator/stdio.js',
  'dist/extension/package.json',
  `dist/sidecar/node_sqlite3-${HERE}.node`,
  'dist/sidecar/main.mjs',
  'dist/webview/index.html',
  'dist/webview/panel.css',
  'dist/webview/panel.js',
  'examples/python-kv/kv.py',
  'package.json',
];

interface Ended {
  readonly code: number | string;
  readonly said: string;
}

describe('what is shipped', function () {
  this.timeout(TEST_MS);
  let folder = '';
  let tarball = '';
  const whyNoSingle =
    HERE === 'linux-x64' ? undefined : `the executable is made on linux-x64, and this is ${HERE}`;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'outrigger-ship-'));
    tarball = join(folder, `outrigger-${version}-${HERE}.tgz`);
    const args = [`--from=${BUILD_FOLDER}`, `--out=${folder}`, '--only=command,single'];
    const { code, said } = await run(process.execPath, [resolve('scripts/package.mjs'), ...args]);
    assert.equal(code, 0, said);
    console.log(said.trimEnd().replaceAll(/^/gm, '      '));
  });
  after(() => rmSync(folder, { recursive: true }));

  function run(program: string, args: readonly string[], options: object = {}): Promise<Ended> {
    return new Promise((done) => {
      execFile(program, args, { timeout: TEST_MS, ...options }, (error, stdout, stderr) => {
        done({ code: error === null ? 0 : (error.code ?? error.message), said: `${stdout}${stderr}` });
      });
    });
  }

  it('the package holds what is needed, and nothing else', async () => {
    const { said } = await run('tar', ['-tzf', tarball]);
    const found = said.trim().split('\n');
    assert.deepEqual(found.map((file) => file.replace('package/', '')).sort(), [...FILES].sort());
    const manifest = JSON.parse((await run('tar', ['-xzOf', tarball, 'package/package.json'])).said);
    for (const absent of ['dependencies', 'optionalDependencies', 'devDependencies', 'scripts', 'private'])
      assert.equal(manifest[absent], undefined, absent);
    assert.deepEqual(manifest.peerDependencies, { sqlite3: dependencies['sqlite3'] });
    assert.match(
      (await run('tar', ['-xzOf', tarball, 'package/README.md'])).said,
      new RegExp(`glibc 2\\.\\d+[^]*sqlite3@${dependencies['sqlite3']?.replaceAll('.', '\\.')}`),
    );
  });

  it('`npm pack` takes the built command, and nothing that is for work on the sources', async () => {
    const { said } = await run('npm', [
      'pack',
      '--dry-run',
      '--json',
      '--ignore-scripts',
      '--loglevel=error',
    ]);
    const [packed] = JSON.parse(said) as { files: { path: string }[] }[];
    // SQLite's compiled part comes with the package sqlite3, notices with the packages that are not bundled.
    const others = [`dist/sidecar/node_sqlite3-${HERE}.node`, 'THIRD-PARTY-NOTICES.txt'];
    assert.deepEqual(
      packed?.files.map(({ path }) => path).sort(),
      FILES.filter((file) => !others.includes(file)).sort(),
    );
  });

  it('says what each file must be', () => {
    const sums = readFileSync(join(folder, 'SHA256SUMS'), 'utf8').trim().split('\n');
    assert.ok(sums.length >= 1);
    for (const line of sums) {
      const [sum, name = ''] = line.split('  ');
      assert.equal(
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
        sum,
      );
    }
  });

  it('npm installs the package without a registry, and the demo runs from it', async () => {
    const bare = join(folder, 'bare');
    const env = { PATH: process.env['PATH'], HOME: folder, XDG_RUNTIME_DIR: folder, NO_COLOR: '1' };
    const args = ['install', '--offline', '--no-fund', '--no-audit', '--prefix', bare, tarball];
    const installed = await run('npm', args, { env });
    assert.match(installed.said, /added 1 package/);
    const command = join(bare, 'node_modules', '.bin', 'outrigger');
    assert.equal((await run(command, ['--version'], { env })).said, `${version}\n`);
    const { code, said } = await run(command, ['demo', '--once'], { env, cwd: bare });
    assert.equal(code, 0, said);
    assert.match(said, /Nothing was lost\./);
  });

  it('the package says in one line what to do where it has no compiled part', async () => {
    const place = join(folder, 'foreign');
    await run('npm', ['install', '--offline', '--no-fund', '--no-audit', '--prefix', place, tarball]);
    const home = join(place, 'node_modules', 'outrigger', 'dist', 'sidecar');
    writeFileSync(join(home, `node_sqlite3-${HERE}.node`), 'not for this machine');
    const words = ['run', '--id', 'n1', '--cluster', 'c', '--data', join(place, 'data')];
    const members = ['--members', 'n1=127.0.0.1:17001'];
    const { code, said } = await run(join(place, 'node_modules/.bin/outrigger'), [...words, ...members]);
    assert.equal(code, 2);
    assert.match(
      said,
      /^outrigger: SQLite's compiled part cannot be loaded: .*`npm install sqlite3@\S+`[^\n]*\n$/,
    );
  });

  for (const name of ['command', 'single']) {
    it(`the demo runs from the ${name} in a root folder without Node.js, Python, a shell or a compiler`, async function () {
      if (whyNoSingle !== undefined) {
        console.log(`      ${whyNoSingle}`);
        return this.skip();
      }
      const script = resolve('scripts/ship-check.mjs');
      const { code, said } = await run(process.execPath, [script, `--from=${folder}`, `--only=${name}`]);
      if (code === 2) {
        console.log(`      ${said.trim()}`);
        return this.skip();
      }
      assert.equal(code, 0, said);
      assert.match(said, /in TypeScript, which this program carries/);
      assert.match(said, /Nothing was lost\./);
      assert.doesNotMatch(said, /^ +\/\S*bin\/(?!node$|outrigger$|outrigger\.mjs$)/m, 'no other program');
    });
  }

  it('the executable starts by itself all that it needs processes for', async function () {
    if (whyNoSingle !== undefined) return this.skip();
    const single = join(folder, `outrigger-${version}-${HERE}`);
    const env = { HOME: join(folder, 'home'), XDG_RUNTIME_DIR: folder, PATH: '', NO_COLOR: '1' };
    const { code, said } = await run(single, ['dev', '--nodes', '1', '--once', '--', single, '--version'], {
      env,
    });
    assert.equal(code, 0, said);
    assert.match(said, new RegExp(`n1 +\\| ${version.replaceAll('.', '\\.')}`));
  });
});
