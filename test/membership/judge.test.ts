/** The judge of the membership campaign finds what it looks for. */
import assert from 'node:assert/strict';
import { type Account, judgeWrites, KEYS, keyOf, Leaders, writtenAs } from './judge.ts';

describe('the judge of membership changes', () => {
  const written = (name: string, first: number, last: number): Map<string, string> => {
    const values = new Map<string, string>();
    for (let n = first; n <= last; n++) values.set(keyOf(name, n), writtenAs(n));
    return values;
  };

  it('finds each acknowledged write that is not there, or is an older one', () => {
    const account: Account = { name: 'w1', acknowledged: 10, judged: 0 };
    const values = written('w1', 1, 10);
    assert.deepEqual(judgeWrites([account], values), { judged: 10, lost: [] });
    account.acknowledged = 13;
    values.set(keyOf('w1', 11), writtenAs(11)).set(keyOf('w1', 13), writtenAs(13 - KEYS));
    assert.deepEqual(judgeWrites([account], values), {
      judged: 3,
      lost: ['w1.12 is nothing and not 12', `w1.13 is ${13 - KEYS} ${'x'.repeat(14)} and not 13`],
    });
  });

  it('lets pass what was written without an answer', () => {
    const account: Account = { name: 'w1', acknowledged: KEYS, judged: 1 };
    assert.deepEqual(judgeWrites([account], written('w1', 1, KEYS + 1)).lost, []);
  });

  it('says where it could not look at everything', () => {
    const account: Account = { name: 'w1', acknowledged: KEYS + 5, judged: 0 };
    assert.match(
      judgeWrites([account], written('w1', 1, KEYS + 5)).lost[0] ?? '',
      /wrote 6005 between two looks/,
    );
  });

  it('finds two leaders of one term', () => {
    const leaders = new Leaders();
    assert.equal(leaders.saw(3, 'n1'), undefined);
    assert.equal(leaders.saw(3, 'n1'), undefined);
    assert.equal(leaders.saw(4, 'n2'), undefined);
    assert.equal(leaders.saw(3, 'n2'), 'n1 and n2 both led in term 3');
  });
});
