/**
 * Cuts of the power, with what was not synced dropped: a few, and the proof that they would show a log that is not synced. The
 * long one is `npm run disks:cuts`.
 */
import assert from 'node:assert/strict';
import { Prng } from '../../simulation/prng.ts';
import { TEST_MS } from '../../support/patience.ts';
import { cutPower } from './campaign.ts';
import { buildControl } from './controls.ts';
import { whyNot } from './image.ts';

const CUTS = 3;
/** It loses something at nearly every cut. */
const CONTROL_CUTS = 10;

describe('cuts of the power', function () {
  this.timeout(TEST_MS);

  before(function () {
    const why = whyNot();
    if (why === '') return;
    console.log(`      SKIPPED: a cut of the power ${why}`);
    this.skip();
  });

  for (const nodes of [1, 3]) {
    it(`lose nothing that was acknowledged, with ${nodes === 1 ? 'one node' : 'three nodes'}`, async () => {
      const tally = await cutPower({ cuts: CUTS, nodes, random: new Prng(11, nodes) });
      assert.deepEqual(tally.problems, []);
      assert.equal(tally.cuts, CUTS);
      assert.ok(tally.acknowledged >= CUTS, `${tally.acknowledged} writes were acknowledged`);
    });
  }

  it('lose something with synchronous=NORMAL: these tests can fail', async () => {
    const script = buildControl('log-unsynced');
    const random = new Prng(11, 100);
    const tally = await cutPower({ cuts: CONTROL_CUTS, nodes: 1, random, script, untilLoss: true });
    assert.ok(tally.lostWrites > 0, `nothing was lost in ${tally.cuts} cuts`);
  });
});
