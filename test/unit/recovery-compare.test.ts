/** What survivors of a lost majority have, set beside each other. */
import assert from 'node:assert/strict';
import type { TermRun } from '../../shared/term-runs.ts';
import { lossesOf, nextName } from '../../sidecar/cli/recovery/recover-words.ts';
import { compareSurvivors, isAsGood, type Survivor } from '../../sidecar/recovery/compare.ts';

const FIVE = { voters: ['n1', 'n2', 'n3', 'n4', 'n5'], outgoing: [], learners: [] };

/** `runs` as [term, last] after `base`. */
function survivor(
  node: string,
  runs: readonly (readonly [number, number])[],
  more: Partial<Survivor> = {},
): Survivor {
  const { baseIndex = 0, baseTerm = 0 } = more;
  const list: TermRun[] = [];
  for (const [term, last] of runs) list.push({ term, first: (list.at(-1)?.last ?? baseIndex) + 1, last });
  const end = list.at(-1);
  return {
    ...{ folder: `/data/${node}`, cluster: 'orders', node, term: end?.term ?? baseTerm, baseIndex, baseTerm },
    ...{ runs: list, lastIndex: end?.last ?? baseIndex, lastTerm: end?.term ?? baseTerm, lastTime: 1_000 },
    ...{ committed: baseIndex, membership: FIVE, damage: undefined },
    ...more,
  };
}

describe('survivors compared', () => {
  it('takes the one that would win an election: the later term before the longer log', () => {
    const long = survivor('n1', [[1, 500]]);
    const late = survivor('n2', [
      [1, 90],
      [3, 100],
    ]);
    for (const order of [
      [long, late],
      [late, long],
    ]) {
      const { best, beside } = compareSurvivors(order);
      assert.equal(best.node, 'n2');
      assert.deepEqual(beside, [
        {
          ...{ node: 'n1', folder: '/data/n1', relation: 'DIVERGED', agreeThrough: 90 },
          discarded: { from: 91, through: 500 },
        },
      ]);
    }
    const comparison = compareSurvivors([long, late]);
    assert.deepEqual([isAsGood(long, comparison), isAsGood(late, comparison)], [false, true]);
  });

  it('knows a log that ends earlier, the same one, and one that shares nothing any more', () => {
    const best = survivor('n1', [[2, 300]], { baseIndex: 100, baseTerm: 1 });
    const same = survivor('n2', [
      [1, 100],
      [2, 300],
    ]);
    const behind = survivor('n3', [
      [1, 100],
      [2, 150],
    ]);
    const far = survivor('n4', [[1, 50]]);
    const { beside } = compareSurvivors([best, same, behind, far]);
    assert.deepEqual(
      beside.map(({ node, relation, agreeThrough }) => [node, relation, agreeThrough]),
      [
        ['n2', 'EQUAL', 300],
        ['n3', 'BEHIND', 150],
        ['n4', 'UNKNOWN', 0],
      ],
    );
  });

  it('calls committed only what a snapshot proves, and says what is uncertain', () => {
    const one = compareSurvivors([survivor('n1', [[1, 100]])]);
    assert.deepEqual([one.committed, one.uncertain], [0, { from: 1, through: 100 }]);
    const two = compareSurvivors([
      survivor('n1', [[1, 100]], { committed: 40 }),
      survivor('n2', [[1, 80]], { committed: 70 }),
    ]);
    assert.deepEqual([two.committed, two.uncertain], [70, { from: 71, through: 100 }]);
    const all = compareSurvivors([survivor('n1', [], { baseIndex: 50, baseTerm: 1 })]);
    assert.deepEqual([all.committed, all.uncertain, all.missing], [50, undefined, undefined]);
  });

  it('counts voters, in both sets of a joint membership, and no node that cannot prove its log', () => {
    const three = ['n1', 'n2', 'n3'].map((node) => survivor(node, [[1, 10]]));
    assert.deepEqual(compareSurvivors(three).lost, ['n4', 'n5']);
    assert.equal(compareSurvivors(three).quorum, true);
    assert.equal(compareSurvivors(three.slice(1)).quorum, false);
    const damage = { reason: 'the log ends at 10, but 25 was durable', mustReach: 25 };
    const hurt = three.map((one) => (one.node === 'n2' ? { ...one, damage } : one));
    assert.equal(compareSurvivors(hurt).quorum, false);
    const joint = { voters: ['n1', 'n2', 'n3'], outgoing: ['n1', 'n8', 'n9'], learners: ['n7'] };
    const within = compareSurvivors(three.map((one) => ({ ...one, membership: joint })));
    assert.deepEqual([within.quorum, within.lost], [false, ['n8', 'n9']]);
  });

  it('prefers of equal logs one that is whole, and says what a damaged one surely lacks', () => {
    const damage = { reason: 'the log ends at 100, but 120 was durable', mustReach: 120 };
    const hurt = survivor('n1', [[1, 100]], { damage });
    assert.equal(compareSurvivors([hurt, survivor('n2', [[1, 100]])]).best.node, 'n2');
    const alone = compareSurvivors([hurt]);
    assert.deepEqual(alone.missing, { from: 101, through: 120 });
    const said = lossesOf(alone, hurt).join('\n');
    assert.match(said, /What n2, n3, n4 and n5 acknowledged and no folder here has is LOST/);
    assert.match(said, /Entries 101 to 120 \(20 entries\) were in the log .* LOST/);
    assert.match(said, /cannot prove that it has all it acknowledged: the log ends at 100/);
    assert.match(said, /not known whether they were committed: entries 1 to 100/);
  });

  it('suggests names', () => {
    assert.deepEqual(['orders', 'orders-2', 'a-b-9'].map(nextName), ['orders-2', 'orders-3', 'a-b-10']);
  });
});
