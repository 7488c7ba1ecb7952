/** What a leader knows of a follower, over random sends and acknowledgements. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Progress } from '../../sidecar/raft/progress.ts';

function replicating(match: number): Progress {
  const p = new Progress('n2', match + 1, 0);
  p.acknowledge(match, 0);
  p.becomeReplicate();
  return p;
}

describe('raft progress', () => {
  it('counts what is on its way, exactly', () => {
    const event = fc.oneof(
      fc.record({ send: fc.integer({ min: 1, max: 5 }), bytes: fc.nat(100) }),
      fc.record({ ack: fc.nat(40) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const p = replicating(0);
        let flying: { last: number; bytes: number }[] = [];
        let match = 0;
        for (const e of events) {
          if ('send' in e) {
            const last = p.next - 1 + e.send;
            p.sent(last, e.bytes);
            flying.push({ last, bytes: e.bytes });
          } else {
            // Nobody acknowledges what was never sent.
            const index = Math.min(e.ack, p.next - 1);
            p.acknowledge(index, 1);
            match = Math.max(match, index);
            flying = flying.filter(({ last }) => last > index);
          }
          assert.equal(p.match, match);
          assert.ok(p.match < p.next, `match ${p.match} < next ${p.next}`);
          assert.equal(p.inflightAppends, flying.length);
          assert.equal(
            p.inflightBytes,
            flying.reduce((sum, { bytes }) => sum + bytes, 0),
          );
        }
      }),
    );
  });

  it('closes its window by appends and by bytes', () => {
    const p = replicating(0);
    p.sent(1, 10);
    assert.equal(p.windowIsFull(2, 100), false);
    assert.equal(p.windowIsFull(1, 100), true);
    assert.equal(p.windowIsFull(2, 10), true);
    p.acknowledge(1, 5);
    assert.equal(p.windowIsFull(1, 10), false);
    assert.equal(p.lastAck, 5);
  });

  it('does not go back at an old acknowledgement', () => {
    const p = replicating(7);
    p.sent(9, 10);
    p.acknowledge(3, 1);
    assert.deepEqual([p.match, p.next, p.inflightAppends], [7, 10, 1]);
  });

  it('takes over an acknowledgement of more than it knows to be sent', () => {
    const p = new Progress('n2', 1, 0);
    p.acknowledge(4, 0);
    assert.deepEqual([p.match, p.next], [4, 5]);
  });

  it('starts over as a probe, but never before what is known to match', () => {
    const p = replicating(7);
    p.sent(9, 10);
    p.fetching = 10;
    p.becomeProbe(3);
    assert.deepEqual([p.state, p.next, p.fetching, p.probing, p.inflightAppends], ['PROBE', 8, 0, false, 0]);
    p.becomeProbe(9);
    assert.equal(p.next, 9);
    p.probing = true;
    p.becomeReplicate();
    assert.deepEqual([p.state, p.next, p.probing], ['REPLICATE', 8, false]);
  });
});
