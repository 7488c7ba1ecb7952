/**
 * LEASE reads at real sidecars whose leader is stopped for a while (SIGSTOP): never stale. `npm run lease -- --pauses 40` stops it for
 * up to 10 s.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { TEST_MS } from '../support/patience.ts';
import { describeTally, Trial } from './trial.ts';

const MUTANT = 'lease-over-pause';
const MUTANT_DIR = 'dist-mutants/lease-sidecar';
/** About every third pause catches it: only where the read comes first, before anything that peers have sent since. */
const MUTANT_PAUSES_MAX = 40;

describe('LEASE reads at a leader that is stopped for a while', function () {
  this.timeout(TEST_MS);

  it('are served before and after, and never stale in between: 0.1, 0.5 and 1.5 s', async () => {
    const trial = await Trial.begin();
    try {
      await trial.pause(100);
      await trial.pause(500, { replaced: true });
      await trial.pause(1_500, { replaced: true });
    } finally {
      await trial.end();
    }
    const { stale, replaced, dangerous, served } = trial.tally;
    console.log(`      ${describeTally(trial.tally)}`);
    assert.deepEqual(stale, []);
    assert.ok(replaced >= 2 && dangerous >= 40 && served > 0, 'nothing was in danger: this shows nothing');
  });

  it('are stale in a build that keeps its lease over a pause: the check can fail', async () => {
    const build = [
      'esbuild.config.mjs',
      '--only=sidecar/cli/main',
      `--out=${MUTANT_DIR}`,
      `--mutant=${MUTANT}`,
    ];
    const { status, stderr } = spawnSync(process.execPath, build, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const trial = await Trial.begin({ script: `${MUTANT_DIR}/sidecar/main.mjs` });
    try {
      while (trial.tally.stale.length === 0 && trial.tally.pauses < MUTANT_PAUSES_MAX)
        await trial.pause(500, { replaced: true });
    } finally {
      await trial.end();
    }
    console.log(`      ${describeTally(trial.tally)}`);
    assert.ok(trial.tally.stale.length > 0);
  });
});
