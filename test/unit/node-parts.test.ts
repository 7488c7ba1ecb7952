/** The small things that a node keeps besides its driver: commit news, results, and who waits for what. */
import assert from 'node:assert/strict';
import { LIMITS } from '../../shared/limits.ts';
import type { Heartbeat } from '../../shared/messages.ts';
import { CommitNews } from '../../sidecar/node/commit-news.ts';
import { CommitWaiters } from '../../sidecar/node/commit-waiters.ts';
import { ReadQuestions } from '../../sidecar/node/read-questions.ts';
import { RecentResults } from '../../sidecar/node/results.ts';
import { Transfers } from '../../sidecar/node/transfers.ts';

function news(to: string, commit: number, round = 0): Heartbeat {
  return {
    type: 'Heartbeat',
    group: '',
    from: 'n1',
    to,
    term: 3,
    commit,
    round,
    durable: 0,
    nobodyElse: false,
  };
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

  it('keeps no more than some bytes, but always the newest batch', () => {
    const results = new RecentResults();
    const large = Buffer.alloc(LIMITS.recentResultBytes / 2);
    for (let index = 1; index <= 4; index++) results.add([{ index, result: large }]);
    assert.deepEqual([results.at(2), results.at(3)?.index, results.bytes], [undefined, 3, 2 * large.length]);
    results.add([{ index: 5, result: Buffer.alloc(2 * LIMITS.recentResultBytes) }]);
    assert.deepEqual([results.at(4), results.at(5)?.index], [undefined, 5]);
  });

  it('forgets the oldest batches, not the newest', () => {
    const results = new RecentResults();
    for (let index = 1; index <= 100; index++) results.add(batch(index));
    assert.equal(results.at(1), undefined);
    assert.equal(results.at(100)?.index, 100);
  });
});

describe('who waits for a commit', () => {
  it('is answered once it is there, or when the time is over', async () => {
    const waiters = new CommitWaiters();
    const [five, seven, late] = [waiters.wait(5, 60_000), waiters.wait(7, 60_000), waiters.wait(9, 1)];
    waiters.committed(4);
    waiters.committed(5);
    assert.equal(await five, true);
    assert.equal(await late, false);
    waiters.committed(9);
    assert.equal(await seven, true);
  });
});

describe('transfers of leadership', () => {
  it('end all together, with the reason where they failed', async () => {
    const transfers = new Transfers();
    let begun = 0;
    const start = () => transfers.begun(60_000, () => begun++);
    const first = [start(), start()];
    transfers.ended('n2 did not take over');
    assert.deepEqual(await Promise.all(first), ['n2 did not take over', 'n2 did not take over']);
    const second = start();
    transfers.ended(undefined);
    assert.equal(await second, undefined);
    assert.equal(begun, 3);
  });

  it('may end while they begin, and by themselves where nobody tells how', async () => {
    const transfers = new Transfers();
    assert.equal(await transfers.begun(60_000, () => transfers.ended(undefined)), undefined);
    assert.match((await transfers.begun(1, () => undefined)) ?? '', /no other node made itself known/);
  });
});

describe('questions for a read index', () => {
  it('are answered to who asked, once', () => {
    const questions = new ReadQuestions();
    const [ours, theirs] = [questions.ask({ local: 4 }), questions.ask({ from: 'n2', id: 4 })];
    assert.deepEqual(questions.take(theirs), { from: 'n2', id: 4 });
    assert.equal(questions.take(theirs), undefined);
    assert.deepEqual(questions.take(ours), { local: 4 });
  });
});
