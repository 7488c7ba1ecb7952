/** The demo's verdict must be able to say no. */
import assert from 'node:assert/strict';
import { judge } from '../../sidecar/cli/demo/check.ts';

const COPIES = ['n1', 'n2', 'n3'].map((node) => ({ node, app: '' }));
const ACKED = [
  { key: 'a', value: '1', index: 4 },
  { key: 'b', value: '2', index: 5 },
];

function copy(state: Record<string, string>, appliedIndex = 5) {
  return { text: JSON.stringify({ appliedIndex, state }), appliedIndex, state };
}

const WHOLE = copy({ a: '1', b: '2' });
const problems = (dumps: Parameters<typeof judge>[1]): readonly string[] =>
  judge(COPIES, dumps, ACKED, 5).problems;

describe('the verdict of the demo', () => {
  it('is clean when every write is everywhere', () => {
    assert.deepEqual(judge(COPIES, [WHOLE, WHOLE, WHOLE], ACKED, 5), {
      problems: [],
      found: 6,
      keys: 2,
      appliedIndex: 5,
    });
  });

  it('sees one write missing on one node', () => {
    assert.deepEqual(problems([WHOLE, WHOLE, copy({ a: '1' })]), [
      'n3 lacks 1 acknowledged writes, such as b (index 5).',
      'the nodes do not hold the same state.',
    ]);
  });

  it('sees a wrong value, and an acknowledged write missing everywhere', () => {
    assert.equal(problems([copy({ a: '9', b: '2' }), WHOLE, WHOLE]).length, 2);
    const without = copy({ a: '1' });
    assert.equal(problems([without, without, without]).length, 3);
  });

  it('sees a node that is behind, one that differs, and one that does not answer', () => {
    assert.match(
      problems([WHOLE, WHOLE, copy({ a: '1', b: '2' }, 4)])[0] ?? '',
      /^n3 has applied 4, and 5 was/,
    );
    assert.deepEqual(problems([WHOLE, copy({ a: '1', b: '2', c: '3' }), WHOLE]), [
      'the nodes do not hold the same state.',
    ]);
    assert.deepEqual(problems([WHOLE, undefined, WHOLE]), ['the app of n2 does not answer.']);
  });
});
