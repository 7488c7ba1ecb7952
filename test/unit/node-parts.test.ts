/** Commit news and recent results: the two small things a node keeps besides its driver. */
import assert from 'node:assert/strict';
import type { Heartbeat } from '../../shared/messages.ts';
import { CommitNews } from '../../sidecar/node/commit-news.ts';
import { RecentResults } from '../../sidecar/node/results.ts';

function news(to: string, commit: number, round = 0): Heartbeat {
  return { type: 'Heartbeat', group: '', from: 'n1', to, term: 3, commit, round, durable: 0 };
}

describe('commit news', () => {
  it('waits for the tick, the newest only', () => {
    const held = new CommitNews();
    assert.equal(held.holds(news('n2', 5)), true);
    assert.equal(held.holds(news('n2', 6)), true);
    assert.equal(held.holds(news('n3', 5)), true);
    assert.deepEqual(held.take(), [news('n2', 6), news('n3', 5)]);
    assert.deepEqual(held.take(), []);
  });

  it('goes at once to a follower whose clients wait for it, until they have it', () => {
    const held = new CommitNews();
    held.awaits('n2', 7);
    assert.equal(held.holds(news('n2', 6)), false);
    assert.equal(held.holds(news('n3', 6)), true);
    assert.equal(held.holds(news('n2', 7)), false);
    assert.equal(held.holds(news('n2', 8)), true);
  });

  it('is overtaken by whatever carries the commit itself', () => {
    const held = new CommitNews();
    held.holds(news('n2', 6));
    assert.equal(held.holds(news('n2', 7, 12)), false);
    assert.deepEqual(held.take(), []);
  });
});

describe('recent results', () => {
  const batch = (...indexes: number[]) =>
    indexes.map((index) => ({ index, result: Buffer.from(`${index}`) }));

  it('finds a result in dense and in sparse batches', () => {
    const results = new RecentResults();
    results.add(batch(1, 2, 3));
    results.add(batch(5, 8, 9));
    assert.equal(results.at(2)?.index, 2);
    assert.equal(results.at(8)?.index, 8);
    assert.equal(results.at(4), undefined);
    assert.equal(results.at(6), undefined);
    assert.equal(results.at(10), undefined);
  });

  it('forgets the oldest batches, not the newest', () => {
    const results = new RecentResults();
    for (let index = 1; index <= 100; index++) results.add(batch(index));
    assert.equal(results.at(1), undefined);
    assert.equal(results.at(100)?.index, 100);
  });
});
