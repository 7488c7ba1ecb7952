/** Majorities, joint or not, against the definition: walk through every set of voters. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Membership } from '../../shared/entry.ts';
import {
  allMembers,
  holdsForQuorum,
  isVoter,
  majority,
  reachedByQuorum,
  voteResult,
} from '../../sidecar/raft/quorum.ts';

const IDS = ['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7'];
const someIds = fc.subarray(IDS, { minLength: 1 });
const memberships: fc.Arbitrary<Membership> = fc.record({
  voters: someIds,
  outgoing: fc.oneof(fc.constant<string[]>([]), someIds),
  learners: fc.subarray(IDS),
});

/** The definition: more than half of these voters. */
function agrees(voters: readonly string[], test: (id: string) => boolean): boolean {
  return voters.filter(test).length * 2 > voters.length;
}

function naiveQuorum(m: Membership, test: (id: string) => boolean): boolean {
  return agrees(m.voters, test) && (m.outgoing.length === 0 || agrees(m.outgoing, test));
}

describe('raft quorum', () => {
  it('needs more than half', () => {
    assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(majority), [1, 2, 2, 3, 3, 4, 4]);
  });

  it('finds the highest value that a quorum has reached', () => {
    const values = fc.array(fc.nat(9), { minLength: IDS.length, maxLength: IDS.length });
    fc.assert(
      fc.property(memberships, values, (m, numbers) => {
        const valueFor = (id: string): number => numbers[IDS.indexOf(id)] ?? 0;
        let naive = 0;
        while (naiveQuorum(m, (id) => valueFor(id) >= naive + 1)) naive++;
        assert.equal(reachedByQuorum(m, valueFor), naive);
      }),
    );
  });

  it('says whether something holds for a quorum', () => {
    fc.assert(
      fc.property(memberships, someIds, (m, yes) => {
        const test = (id: string): boolean => yes.includes(id);
        assert.equal(holdsForQuorum(m, test), naiveQuorum(m, test));
      }),
    );
  });

  it('decides an election as soon as, and only when, open votes cannot change it', () => {
    const votes = fc.uniqueArray(fc.tuple(fc.constantFrom(...IDS), fc.boolean()), { selector: ([id]) => id });
    fc.assert(
      fc.property(memberships, votes, (m, cast) => {
        const map = new Map(cast);
        const won = naiveQuorum(m, (id) => map.get(id) === true);
        const stillPossible = naiveQuorum(m, (id) => map.get(id) !== false);
        assert.equal(voteResult(m, map), won ? 'WON' : stillPossible ? 'PENDING' : 'LOST');
      }),
    );
  });

  it('knows voters of both sets, and never a learner', () => {
    const m = { voters: ['n1'], outgoing: ['n2'], learners: ['n3'] };
    assert.deepEqual(
      IDS.slice(0, 4).map((id) => isVoter(m, id)),
      [true, true, false, false],
    );
    assert.deepEqual(allMembers({ ...m, outgoing: ['n1', 'n2'] }), ['n1', 'n2', 'n3']);
  });

  it('never wins without voters', () => {
    const nobody = { voters: [], outgoing: [], learners: ['n1'] };
    assert.equal(voteResult(nobody, new Map([['n1', true]])), 'LOST');
    assert.equal(
      reachedByQuorum(nobody, () => 5),
      0,
    );
  });
});
