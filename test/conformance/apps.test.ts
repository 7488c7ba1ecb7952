/**
 * Every app of examples/ and every client of clients/ keeps to the protocol. One whose tools are not on this machine is skipped,
 * and said to be.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Ahead } from '../support/ahead.ts';
import { TEST_MS } from '../support/patience.ts';
import { conforms, type Judged, manifestsIn } from './manifests.ts';

const APP = 'outrigger-app.json';
const LINES = 'test/conformance/lines';

/** The clients that need no manifest: this repository's own tools run them. */
const OWN_CLIENTS: readonly Judged[] = [
  {
    ...{ name: 'python', folder: LINES, needs: [], build: [], missing: [] },
    run: ['python3', 'lines.py'],
  },
  {
    ...{ name: 'typescript', folder: `dist/${LINES}`, needs: [], build: [], missing: [] },
    run: [process.execPath, 'main.mjs'],
  },
];

function judgeAll(programs: readonly Judged[], flags: readonly string[]): void {
  const here = programs.filter(({ missing }) => missing.length === 0);
  const judged = new Ahead(here.map((program) => [program.name, () => conforms(program, flags)]));
  after(() => judged.settled());
  for (const { name, missing } of programs) {
    if (missing.length > 0) {
      it.skip(`${name}: SKIPPED, since this machine has no ${missing.join(', no ')}`);
      continue;
    }
    it(name, async () => {
      const { failed, told } = await judged.of(name);
      for (const line of told) console.log(`      ${line}`);
      assert.deepEqual(failed, []);
    });
  }
}

describe('the apps of examples/ conform', function () {
  this.timeout(TEST_MS);

  it('each says how it is run', () => {
    const apps = readdirSync('examples').filter((name) => name.endsWith('-kv'));
    assert.ok(apps.length > 0);
    assert.deepEqual(
      apps.filter((name) => !existsSync(join('examples', name, APP))),
      [],
    );
  });

  judgeAll(manifestsIn('examples', APP), []);
});

describe('the clients of clients/ conform', function () {
  this.timeout(TEST_MS);
  judgeAll([...OWN_CLIENTS, ...manifestsIn('clients', 'outrigger-client.json')], ['--client']);
});
