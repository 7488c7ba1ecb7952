/** The app that a reader of getting-started.md saves is an app that keeps to the protocol. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TEST_MS } from '../support/patience.ts';
import { codeBlocks, readPage } from './markdown.ts';

const SCRIPT = fileURLToPath(new URL('../../sidecar/main.mjs', import.meta.url));
/** What a first app gets wrong; all of it takes 10 s and more. */
const CHECKS = ['acknowledges', 'deterministic', 'nonsense', 'decimal-strings', 'redelivery', 'superseded'];

describe('the app of getting-started.md', function () {
  this.timeout(TEST_MS);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'outrigger-counter-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('conforms', async function () {
    if (spawnSync('python3', ['--version']).status !== 0) {
      console.log('      SKIPPED: this machine has no python3');
      this.skip();
    }
    const apps = codeBlocks(readPage('docs/getting-started.md').text).filter(
      ({ language }) => language === 'python',
    );
    assert.equal(apps.length, 1);
    writeFileSync(join(folder, 'counter.py'), apps[0]?.code ?? '');
    writeFileSync(join(folder, 'commands.txt'), 'add 1\nadd 2\nadd -7\nadd x\n');
    const only = CHECKS.flatMap((check) => ['--only', check]);
    const child = spawn(
      process.execPath,
      [SCRIPT, 'conformance', '--commands', 'commands.txt', ...only, '--', 'python3', 'counter.py'],
      { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const [code] = await once(child, 'close');
    assert.equal(code, 0, said);
    for (const check of CHECKS) assert.match(said, new RegExp(`^${check} +passed`, 'm'));
  });
});
