/** Settling unknown outcomes by the log, and what it may not settle. */
import assert from 'node:assert/strict';
import { Prng } from '../simulation/prng.ts';
import { check } from './check.ts';
import { explain } from './explain.ts';
import { history } from './histories/notation.ts';
import type { Operation } from './history.ts';
import { losingAnswers, plan } from './random-histories.ts';
import { type LogEntry, resolve } from './resolve.ts';

/** The log with these operations of `history`, by their place in it. */
function log(...ids: number[]): LogEntry[] {
  return ids.map((at, place) => ({ id: `o${at}`, index: 10 + place }));
}

describe('linearizability: unknown outcomes and the log', () => {
  it('removes what is not in the log', () => {
    const lines = ['a 0-? put red', 'b 1-2 put blue', 'c 3-4 get → =blue v1'];
    const { history: settled, removed, confirmed, contradictions } = resolve(history(lines), log(1));
    assert.deepEqual(
      { removed, confirmed, contradictions },
      { removed: 1, confirmed: 0, contradictions: [] },
    );
    assert.deepEqual(
      settled.map(({ id }) => id),
      ['o1', 'o2'],
    );
  });

  it('knows that what is in the log happened, before anything later in the log returned', () => {
    const lines = ['a 0-? put red', 'b 1-9 y:put blue', 'c 3-4 z:put green', 'd 5-20 put pink'];
    const { history: settled, confirmed } = resolve(history(lines), log(2, 0, 3, 1));
    assert.equal(confirmed, 1);
    assert.deepEqual(settled[0], { ...history(lines)[0], return: 9n, outcome: { kind: 'ok', seen: {} } });
  });

  it('knows that what was seen had happened', () => {
    const lines = ['a 0-? append red;', 'b 1-2 get → =red;blue;', 'c 3-4 get → =red;'];
    const [first] = resolve(history(lines), log(0)).history;
    assert.equal(first?.return, 2n);
  });

  it('leaves open when it happened where nothing tells', () => {
    const lines = ['a 5-? put red', 'b 1-2 put blue'];
    assert.deepEqual(resolve(history(lines), log(1, 0)).history, history(lines));
  });

  it('finds a stale read that the unknown write would have hidden', () => {
    // Without the log red may come after blue, and the read is in order.
    const lines = ['a 0-? put red', 'b 1-2 put green', 'b 3-4 put blue', 'c 5-6 get → =red'];
    assert.equal(check(history(lines)).verdict, 'LEGAL');
    const { history: settled, contradictions } = resolve(history(lines), log(0, 1, 2));
    assert.deepEqual(contradictions, []);
    assert.equal(check(settled).verdict, 'ILLEGAL');
  });

  it('never removes nor changes what a client knows, and says where the log contradicts it', () => {
    const lines = [
      'a 0-1 put red',
      'b 2-3 put blue → failed',
      'c 4-5 get → =red',
      'd 6-7 put green',
      'e 50-? put pink',
      'f 60-61 put grey',
    ];
    const operations = history(lines).map(
      (one): Operation => (one.id === 'o3' ? { ...one, outcome: { kind: 'ok', seen: {}, index: 4 } } : one),
    );
    // Red is lost, the refused blue is there, green stands elsewhere, pink before what had returned, grey is there twice.
    const { history: settled, removed, contradictions } = resolve(operations, log(1, 4, 3, 5, 5));
    assert.deepEqual(settled, operations);
    assert.equal(removed, 0);
    assert.deepEqual(contradictions, [
      'o5 is in the log twice, at 13 and 14',
      'o0 was acknowledged, and is not in the log',
      'o1 was refused for good, and is in the log at 10',
      'o3 was acknowledged at 4, and is in the log at 12',
      'o4 is at 11, before something that returned before it was called',
    ]);
  });

  it('settles histories with many lost answers, and they stay legal', () => {
    const rng = new Prng(11, 0);
    for (let count = 0; count < 100; count++) {
      const planned = plan(rng, { keys: 3, clients: 8, operationsPerClient: 30 });
      const { history: operations, log: whole } = losingAnswers(rng, planned, 0.05);
      const { history: settled, contradictions } = resolve(operations, whole);
      assert.deepEqual(contradictions, []);
      const judgement = check(settled);
      assert.equal(judgement.verdict, 'LEGAL', explain(judgement));
    }
  });
});
