/**
 * The tests that run inside a real extension host (suite/), each shown here as a test of its own; and proof that a host which
 * dies does not pass for one that is well.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Suite, Test } from 'mocha';
import { TEST_MS } from '../support/patience.ts';
import { EXTENSION_FOLDER, editor, type HostRun, runInHost } from './host.ts';
import type { InnerTest } from './results.ts';

describe('in a real extension host', function () {
  this.timeout(2 * TEST_MS);
  const used = editor();
  let run: HostRun;

  before(async function () {
    if ('missing' in used) {
      assert.ok(!used.fatal, used.missing);
      console.error(`      SKIPPED, all tests inside the editor: ${used.missing}`);
      this.skip();
    }
    assert.ok(existsSync(join(EXTENSION_FOLDER, 'package.json')), `${EXTENSION_FOLDER} is not built`);
    run = await runInHost(['activation'], used.path);
    // Tests may be added until the suite's own begin.
    if (this.test?.parent) show(this.test.parent, run.results.tests);
  });

  it('mocha ran to its end', () => {
    for (const line of run.results.notes) console.log(`      ${line}`);
    assert.equal(run.problem, '');
  });

  it('a host that dies is a failure, whatever the editor says', async function () {
    if ('missing' in used) this.skip();
    const died = await runInHost(['dying'], used.path);
    assert.match(died.problem, /came to no end \(after 1 tests\)/);
  });
});

/** Each inner test as a test of `parent`, in a suite of the same name. */
function show(parent: Suite, tests: readonly InnerTest[]): void {
  const suites = new Map<string, Suite>();
  for (const test of tests) {
    const name = test.path.slice(0, -1).join(' ');
    const suite = suites.get(name) ?? Suite.create(parent, name);
    suites.set(name, suite);
    const title = `${test.path.at(-1)} (${test.ms} ms)`;
    suite.addTest(
      new Test(title, function (this: Mocha.Context) {
        if (test.state === 'pending') this.skip();
        assert.equal(test.state, 'passed', test.error);
      }),
    );
  }
}
