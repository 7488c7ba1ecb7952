/** The checker on histories written by hand, and what it refuses to judge. */
import assert from 'node:assert/strict';
import { linearizable } from './brute-force.ts';
import { check } from './check.ts';
import { explain } from './explain.ts';
import { MINIMAL, WITH_CONTEXT } from './histories/bad.ts';
import { GOOD } from './histories/good.ts';
import { type Example, history } from './histories/notation.ts';
import { byKey, isWrite, type Operation } from './history.ts';

/** What `check` would say; true also where nothing is left to judge. */
function isLegal(operations: readonly Operation[]): boolean {
  if (!operations.some(({ outcome }) => outcome.kind === 'ok')) return true;
  return check(operations).verdict === 'LEGAL';
}

function without<T>(list: readonly T[], at: number): T[] {
  return list.filter((_, other) => other !== at);
}

/** The definition agrees, key by key. */
function bruteForce(operations: readonly Operation[]): boolean {
  const happened = operations.filter(
    (operation) =>
      operation.outcome.kind === 'ok' || (operation.outcome.kind === 'unknown' && isWrite(operation)),
  );
  return [...byKey(happened).values()].every((part) => linearizable(part));
}

describe('linearizability: histories written by hand', () => {
  it('there are enough of them, each with a name of its own', () => {
    const all: readonly Example[] = [...GOOD, ...MINIMAL, ...WITH_CONTEXT];
    assert.ok(GOOD.length >= 30 && MINIMAL.length >= 30, `${GOOD.length} good, ${MINIMAL.length} bad`);
    assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  });

  for (const { name, why, lines } of GOOD) {
    it(`good: ${name} (${why})`, () => {
      const judgement = check(history(lines));
      assert.equal(judgement.verdict, 'LEGAL', explain(judgement));
      assert.ok(bruteForce(history(lines)));
    });
  }

  for (const { name, why, lines } of MINIMAL) {
    it(`bad: ${name} (${why}); good without any one operation`, () => {
      assert.equal(check(history(lines)).verdict, 'ILLEGAL');
      assert.ok(!bruteForce(history(lines)));
      for (const at of lines.keys()) {
        assert.ok(isLegal(without(history(lines), at)), `still bad without ${lines[at]}`);
      }
    });
  }

  for (const { name, why, lines, context } of WITH_CONTEXT) {
    it(`bad: ${name} (${why}); good without any operation that is not context`, () => {
      assert.equal(check(history(lines)).verdict, 'ILLEGAL');
      assert.ok(!bruteForce(history(lines)));
      for (const at of lines.keys()) {
        assert.equal(isLegal(without(history(lines), at)), !context.includes(at), `without ${lines[at]}`);
      }
    });
  }
});
