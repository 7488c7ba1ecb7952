/** The parts of the inspector's bench that could call a missed limit met. */
import assert from 'node:assert/strict';
import { type Figure, figureTable, isMet, unmeasured } from './figures.ts';
import { PARTS, readOptions } from './options.ts';

describe('inspector bench', () => {
  const figure: Figure = { name: 'paint', measured: 200, unit: 'ms', limit: 200, detail: '' };

  it('meets a limit up to the limit itself, and misses it above', () => {
    assert.equal(isMet(figure), true);
    assert.equal(isMet({ ...figure, measured: 200.01 }), false);
    assert.match(
      figureTable([{ ...figure, measured: 201 }]),
      /\| paint *\| 201\.0 ms \| 200\.0 ms \| MISSED \|/,
    );
  });

  it('counts what was not measured as missed, and says why', () => {
    const lost = unmeasured('paint', 'ms', 200, 'no Chromium was found');
    assert.equal(isMet(lost), false);
    assert.match(
      figureTable([lost]),
      /not measured \| 200\.0 ms \| MISSED \|\n\n {2}paint: no Chromium was found/,
    );
  });

  it('judges no figure that has no limit', () => {
    const told: Figure = { ...figure, limit: undefined };
    assert.equal(isMet(told), true);
    assert.doesNotMatch(figureTable([told]), /met|MISSED/);
  });

  it('refuses options that make no sense, in one sentence', () => {
    assert.throws(
      () => readOptions(['--entries', '100']),
      /^Error: --entries must be a whole number from 60000/,
    );
    assert.throws(
      () => readOptions(['--only', 'all']),
      /--only knows sizes, matrix, windows, host, not all\./,
    );
    assert.throws(() => readOptions(['--nope']), /--nope/);
    assert.deepEqual([...readOptions([]).parts], PARTS);
    assert.equal(readOptions([]).entries, 1_000_000);
  });
});
