/**
 * Whole clusters under faults, deterministically. `npm run simulate -- --seed N` shows one seed step by step.
 * SIMULATION_SEEDS sets another number of seeds (the mutant runner asks for fewer at a time).
 */
import assert from 'node:assert/strict';
import { brokenFloors, Tally } from './floors.ts';
import { type RunResult, runSeed } from './runner.ts';

const SEEDS = Number(process.env['SIMULATION_SEEDS'] ?? 300);
const STEPS = 10_000;
/** One seed in so many is run twice. */
const TWICE_EVERY = 50;

function runWell(seed: number): RunResult {
  const result = runSeed(seed, { steps: STEPS });
  const { violation } = result;
  if (violation !== undefined) assert.fail(`${violation.message} (npm run simulate -- --seed ${seed})`);
  return result;
}

describe('simulation', function () {
  this.timeout(600_000);
  const tally = new Tally();

  it(`keeps every promise in ${SEEDS} seeds of ${STEPS.toLocaleString('en')} steps`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = runWell(seed);
      tally.add(result);
      assert.ok(result.steps >= STEPS, `seed ${seed} ends after ${result.steps} steps`);
      if (seed % TWICE_EVERY !== 0) continue;
      const again = runWell(seed);
      assert.equal(again.hash, result.hash, `seed ${seed} does not repeat itself`);
      assert.deepEqual(again.counts, result.counts);
    }
  });

  it('saw enough elections, crashes, partitions and commits, and each rare event', () => {
    assert.deepEqual(brokenFloors(tally), []);
  });

  it('gives other seeds other hashes', () => {
    const hashes = new Set([1, 2, 3, 4, 5].map((seed) => runSeed(seed, { steps: 500 }).hash));
    assert.equal(hashes.size, 5);
  });

  it('reports a disk that says durable and is not', () => {
    const result = runSeed(1, { steps: STEPS, lyingDisks: true });
    assert.equal(result.violation?.invariant, 'Durable before sent');
  });

  it('complains when too little happens', () => {
    const quiet = new Tally();
    for (let seed = 0; seed < SEEDS; seed++) quiet.seeds++;
    assert.ok(SEEDS < 50 || brokenFloors(quiet).length > 0);
  });
});
