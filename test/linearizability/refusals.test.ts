/** What the checker refuses to judge or leaves undecided, and how it explains what it found. */
import assert from 'node:assert/strict';
import { check } from './check.ts';
import { explain } from './explain.ts';
import { history } from './histories/notation.ts';
import { BadHistory, type Operation } from './history.ts';

/** So many writes at once, of which a read that nobody can explain shows nothing: every order has to be tried. */
const AT_ONCE = 20;

function hopeless(): Operation[] {
  const writes = Array.from({ length: AT_ONCE }, (_, at) => `c${at} 0-9 append ${at};`);
  return history([...writes, 'r 10-11 get → =nothing']);
}

describe('linearizability: what is not judged', () => {
  const refused: readonly [string, readonly string[], RegExp][] = [
    ['an empty history', [], /empty/],
    ['one of refused operations alone', ['a 0-1 put red → failed'], /nothing to judge/],
    ['one of unknown operations alone', ['a 0-? put red', 'b 0-? get'], /nothing to judge/],
    ['a return before the call', ['a 5-1 put red'], /returned before it was called/],
    ['two operations of one client at once', ['a 0-5 put red', 'a 3-6 get → =red'], /before o0 returned/],
    ['a client that goes on without knowing', ['a 0-? put red', 'a 3-6 get → =red'], /went on after o0/],
  ];
  for (const [what, lines, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => check(history(lines)),
        (error) => error instanceof BadHistory && message.test(error.message),
      );
    });
  }

  it('refuses two operations with one id, and times that do not fit the outcome', () => {
    const [one] = history(['a 0-1 put red']) as [Operation];
    const refuses = (operations: readonly Operation[], message: RegExp): void =>
      assert.throws(() => check(operations), { message });
    refuses([one, { ...one, client: 'b' }], /two operations have the id o0/);
    refuses([{ ...one, return: undefined }], /did not return/);
    refuses([{ ...one, outcome: { kind: 'unknown' } }], /outcome is known/);
  });

  it('counts what it leaves out, and judges the rest to the last operation', () => {
    const lines = [
      'a 0-1 x:put red',
      'b 0-1 y:put blue → failed',
      'c 0-? x:get',
      'd 0-? y:put green',
      'e 2-3 y:get',
    ];
    const { verdict, judged, unknown, failed, unansweredReads, keys } = check(history(lines));
    assert.deepEqual(
      { verdict, judged, unknown, failed, unansweredReads },
      { verdict: 'LEGAL', judged: 3, unknown: 1, failed: 1, unansweredReads: 1 },
    );
    assert.deepEqual(
      keys.map(({ key, operations }) => [key, operations.length]),
      [
        ['x', 1],
        ['y', 2],
      ],
    );
  });

  it('leaves a history undecided when its budget is used up, and says so', () => {
    const judgement = check(hopeless(), 5_000);
    assert.equal(judgement.verdict, 'UNDECIDED');
    assert.equal(explain(judgement), 'key k: undecided after 5000 configurations of its 21 operations');
  });

  it('says ILLEGAL when one key is, though another one is undecided', () => {
    const judgement = check([...hopeless(), ...renamed(history(['z 0-1 other:get → =ghost']))], 5_000);
    assert.equal(judgement.verdict, 'ILLEGAL');
  });

  it('needs no more than one configuration for each operation of an orderly history', () => {
    const lines = Array.from({ length: 500 }, (_, at) => `a ${at * 2}-${at * 2 + 1} add 1 → v${at + 1}`);
    assert.equal(check(history(lines), 500).verdict, 'LEGAL');
    assert.equal(check(history(lines), 499).verdict, 'UNDECIDED');
  });
});

describe('linearizability: explaining', () => {
  it('shows the key, how far its operations can be ordered, and why nothing can come next', () => {
    const lines = [
      'a 0-1000000 put red → v1',
      'b 500000-2000000 append x;',
      'c 3000000-4000000 get → v1 =red',
      'd 0-? put blue',
    ];
    assert.deepEqual(explain(check(history(lines))).split('\n'), [
      'key k: not linearizable. Of its 4 operations 2 can be put into an order, and then',
      '  o2 by c [3.000 ms, 4.000 ms] get → version 1, "red"',
      '  has no place.',
      '  The end of that order:',
      '    o0 by a [0.000 ms, 1.000 ms] put "red" → version 1',
      '    o1 by b [0.500 ms, 2.000 ms] append "x;" → ok',
      '  There the key is at version 2, "redx;". What could come next:',
      '    o2 by c [3.000 ms, 4.000 ms] get → version 1, "red": would show version 2, "redx;"',
      '    o3 by d [0.000 ms, …] put "blue" → unknown: possible, and leads nowhere',
    ]);
  });

  it('stays short', () => {
    const lines = Array.from(
      { length: 300 },
      (_, at) => `a ${at * 2}-${at * 2 + 1} append ${'x'.repeat(50)}`,
    );
    const text = explain(check(history([...lines, 'b 1000-1001 get → v299'])));
    assert.ok(text.length < 2_500, text);
    assert.match(text, /\(292 more\)/);
  });

  it('shows three keys of many, and those first that are surely wrong', () => {
    const ghosts = ['v', 'w', 'x', 'y'].map((key) => `${key} 0-1 ${key}:get → =ghost`);
    const text = explain(check([...hopeless(), ...renamed(history(ghosts))], 5_000));
    assert.deepEqual(text.match(/^(key \w+: [a-z ]+|\(.*\))/gm), [
      'key v: not linearizable',
      'key w: not linearizable',
      'key x: not linearizable',
      '(2 more keys)',
    ]);
  });

  it('has nothing to say about a legal history', () => {
    assert.equal(explain(check(history(['a 0-1 put red']))), '');
  });
});

function renamed(operations: readonly Operation[]): Operation[] {
  return operations.map((one) => ({ ...one, id: `other ${one.id}` }));
}
