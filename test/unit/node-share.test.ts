/** How much of a node one client may hold: never more than it leaves for others. */
import assert from 'node:assert/strict';
import { LIMITS } from '../../shared/limits.ts';
import { Share } from '../../sidecar/node/share.ts';

class Crowd {
  readonly shares: Share[];
  requests = 0;
  bytes = 0;

  constructor(clients: number) {
    this.shares = Array.from({ length: clients }, () => new Share(() => this));
  }

  /** One more request of that client; false when it is refused. */
  ask(share: Share, bytes = 1): boolean {
    const no = share.refusal();
    if (no !== undefined) {
      assert.deepEqual(
        [no.code, no.definite, no.retryAfterMs],
        ['OVERLOADED', true, LIMITS.overloadedRetryMs],
      );
      return false;
    }
    share.opens(bytes);
    this.requests++;
    this.bytes += bytes;
    return true;
  }
}

describe('the share of a client', () => {
  it('of one that asks without end is half of the node; there is room for the next', () => {
    const crowd = new Crowd(2);
    const [greedy, modest] = crowd.shares as [Share, Share];
    while (crowd.ask(greedy));
    assert.equal(greedy.requests, LIMITS.pendingRequests / 2);
    assert.ok(crowd.ask(modest));
    assert.equal(crowd.ask(greedy), false);
  });

  it('of a hundred that ask without end is even, and leaves as much again', () => {
    const crowd = new Crowd(101);
    const greedy = crowd.shares.slice(1);
    for (let more = true; more; ) more = greedy.map((share) => crowd.ask(share)).some((taken) => taken);
    const held = greedy.map(({ requests }) => requests);
    assert.ok(Math.max(...held) - Math.min(...held) <= 1);
    const free = LIMITS.pendingRequests - crowd.requests;
    assert.ok(free >= Math.min(...held), `${free} are free, and each holds ${held[0]}`);
    const late = crowd.shares[0] as Share;
    let taken = 0;
    while (crowd.ask(late)) taken++;
    assert.ok(taken >= free / 2 - 1, `a late one gets ${taken} of ${free}`);
  });

  it('counts bytes as well, and always takes one', () => {
    const crowd = new Crowd(2);
    const [greedy, modest] = crowd.shares as [Share, Share];
    const large = LIMITS.pendingBytes / 4;
    assert.ok(crowd.ask(greedy, large) && crowd.ask(greedy, large));
    assert.ok(crowd.ask(greedy, large), 'it holds no more than what is free');
    assert.equal(crowd.ask(greedy, large), false);
    assert.ok(crowd.ask(modest, large));
  });
});
