/** What is news of leadership, and when it is told. */
import assert from 'node:assert/strict';
import type { LeaderNews } from '../../shared/leader-news.ts';
import type { Leadership } from '../../sidecar/news/contract.ts';
import { LeadershipWatch } from '../../sidecar/news/watch.ts';

const UNKNOWN_MS = 300;
const NOBODY: Leadership = { leader: '', leaderHttp: '', term: 4, isLeader: false };
const N2: Leadership = { leader: 'n2', leaderHttp: 'http://127.0.0.1:8002', term: 4, isLeader: false };
const SELF: Leadership = { leader: 'n1', leaderHttp: 'http://127.0.0.1:8001', term: 5, isLeader: true };

describe('news of leadership', () => {
  let watch: LeadershipWatch;
  beforeEach(() => {
    watch = new LeadershipWatch('orders', 'n1', UNKNOWN_MS);
  });

  const look = (found: Leadership, now = 0): LeaderNews | undefined => watch.look(found, now, 1_000.7);
  /** Leader, term and sequence of the news. */
  const told = (found: Leadership, now = 0): unknown => {
    const found_ = look(found, now);
    return found_ === undefined ? undefined : [found_.leader, found_.term, found_.isLeader, found_.sequence];
  };

  it('says everything a receiver needs', () => {
    assert.deepEqual(look(SELF), {
      cluster: 'orders',
      node: 'n1',
      leader: 'n1',
      leaderHttp: 'http://127.0.0.1:8001',
      term: 5,
      isLeader: true,
      at: 1001,
      sequence: 1,
    });
  });

  it('is each leader, each term, and this node leading or not; once', () => {
    assert.deepEqual(told(N2), ['n2', 4, false, 1]);
    assert.equal(told(N2), undefined);
    assert.deepEqual(told({ ...N2, term: 6 }), ['n2', 6, false, 2]);
    assert.deepEqual(told({ ...SELF, term: 7 }), ['n1', 7, true, 3]);
    assert.deepEqual(told({ ...SELF, term: 7, isLeader: false }), ['n1', 7, false, 4]);
    assert.equal(told({ ...SELF, term: 7, isLeader: false }), undefined);
  });

  it('is not that no leader is known at the start', () => {
    assert.equal(told(NOBODY, 0), undefined);
    assert.equal(told(NOBODY, 10 * UNKNOWN_MS), undefined);
  });

  it('is that no leader is known only when that lasts', () => {
    look(N2);
    assert.equal(told(NOBODY, 1_000), undefined);
    assert.equal(told(NOBODY, 1_000 + UNKNOWN_MS - 1), undefined);
    assert.deepEqual(told({ ...NOBODY, term: 9 }, 1_000 + UNKNOWN_MS), [null, 9, false, 2]);
    assert.equal(told({ ...NOBODY, term: 10 }, 9_999), undefined);
  });

  it('is not that no leader was known during an election', () => {
    look(N2);
    look(NOBODY, 1_000);
    assert.equal(told(N2, 1_100), undefined);
    // The time of the first election does not count for the second.
    assert.equal(told(NOBODY, 1_000 + UNKNOWN_MS), undefined);
    assert.deepEqual(told(SELF, 1_001 + UNKNOWN_MS), ['n1', 5, true, 2]);
  });

  it('is at once that this node does not lead any more', () => {
    look(SELF);
    assert.deepEqual(told({ ...NOBODY, term: 5 }, 1), [null, 5, false, 2]);
  });

  it('is an address that became known, and none that a broken link hides', () => {
    assert.equal(look({ ...N2, leaderHttp: '' })?.leaderHttp, null);
    assert.equal(look(N2)?.leaderHttp, 'http://127.0.0.1:8002');
    assert.equal(told({ ...N2, leaderHttp: '' }), undefined);
    assert.equal(look({ ...N2, leaderHttp: '', term: 5 })?.leaderHttp, 'http://127.0.0.1:8002');
    assert.equal(look({ ...N2, leader: 'n3', leaderHttp: '', term: 6 })?.leaderHttp, null);
  });
});
