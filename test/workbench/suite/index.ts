/**
 * Runs inside the extension host: mocha over the suites that the environment names. Writes the results file after each test, so
 * that a host which dies shows how far it came, and says `ended` only at the end.
 */
import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';
import { TEST_MS } from '../../support/patience.ts';
import { INNER_SUITES, type InnerResults, type InnerTest, RESULTS_FILE } from '../results.ts';
import { notes } from './notes.ts';

/** Name → loads the file, whose `describe` calls register its tests. */
const SUITES: Readonly<Record<string, () => Promise<unknown>>> = {
  activation: () => import('./activation.ts'),
  dying: () => import('./dying.ts'),
  'inspector-bench': () => import('../../inspector-bench/inner.ts'),
};

/** Called by the editor. Rejects when a test failed. */
export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'bdd', timeout: TEST_MS, reporter: 'min' });
  // Without files nothing else makes `describe` and `it` global.
  mocha.suite.emit(Mocha.Suite.constants.EVENT_FILE_PRE_REQUIRE, globalThis, '', mocha);
  for (const name of (process.env[INNER_SUITES] ?? '').split(',')) {
    const load = SUITES[name];
    if (load === undefined) throw new Error(`there is no suite ${JSON.stringify(name)}`);
    await load();
  }
  const tests: InnerTest[] = [];
  const write = (ended: boolean): void => {
    const results: InnerResults = { ended, tests, notes };
    writeFileSync(process.env[RESULTS_FILE] ?? '', JSON.stringify(results));
  };
  const record = (test: Mocha.Runnable, state: InnerTest['state'], error?: Error): void => {
    tests.push({ path: test.titlePath(), state, error: error?.stack ?? '', ms: test.duration ?? 0 });
    write(false);
  };
  const failures = await new Promise<number>((done) => {
    mocha
      .run(done)
      .on('pass', (test) => record(test, 'passed'))
      .on('pending', (test) => record(test, 'pending'))
      .on('fail', (test, error: Error) => record(test, 'failed', error));
  });
  write(true);
  if (failures > 0) throw new Error(`${failures} tests failed in the extension host`);
}
