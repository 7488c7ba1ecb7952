/** What waits for the disk leaves in order, in its own term, and not before. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { RaftMessage } from '../../shared/messages.ts';
import { Outbox } from '../../sidecar/raft/outbox.ts';

const HEADER = { group: '', from: 'n2', to: 'n1' };

function ack(index: number, term = 1, round = 0): RaftMessage {
  const refusal = { hintIndex: 0, hintTerm: 0 };
  return { type: 'AppendReply', ...HEADER, term, ok: true, index, round, applied: 0, ...refusal };
}

function refusal(index: number): RaftMessage {
  return { ...ack(index), ok: false } as RaftMessage;
}

function vote(term = 1): RaftMessage {
  return { type: 'VoteReply', ...HEADER, term, preVote: false, granted: true, reason: '' };
}

describe('raft outbox', () => {
  it('holds a message until its write is durable', () => {
    const outbox = new Outbox();
    const message = vote();
    outbox.hold(message, 3, 1);
    assert.deepEqual(outbox.release(2, 1), []);
    assert.deepEqual(outbox.release(3, 1), [message]);
    assert.deepEqual(outbox.release(3, 1), [], 'only once');
  });

  it('forgets the messages of an older term', () => {
    const outbox = new Outbox();
    outbox.hold(ack(5, 1), 1, 1);
    outbox.hold(ack(2, 2), 2, 2);
    assert.deepEqual(outbox.release(2, 2), [ack(2, 2)]);
    assert.deepEqual(outbox.release(9, 1), [], 'nor do they come back');
  });

  it('lets the largest acknowledgement speak for all', () => {
    const outbox = new Outbox();
    outbox.hold(ack(2), 1, 1);
    outbox.hold(refusal(9), 1, 1);
    outbox.hold(ack(4), 2, 1);
    outbox.hold(vote(), 2, 1);
    outbox.hold(ack(3), 2, 1);
    assert.deepEqual(outbox.release(2, 1), [refusal(9), ack(4), vote()]);
  });

  it('prefers the later of equal acknowledgements: it confirms the newer round', () => {
    const outbox = new Outbox();
    outbox.hold(ack(2, 1, 1), 1, 1);
    outbox.hold(ack(2, 1, 2), 1, 1);
    assert.deepEqual(outbox.release(1, 1), [ack(2, 1, 2)]);
  });

  it('holds only so many, and drops the oldest', () => {
    const outbox = new Outbox();
    for (let i = 1; i <= 1025; i++) outbox.hold(refusal(i), 1, 1);
    const free = outbox.release(1, 1);
    assert.equal(free.length, 1024);
    assert.deepEqual(free[0], refusal(2));
  });

  it('releases like a list that is searched from the start', () => {
    const held = fc.record({ after: fc.nat(5), term: fc.integer({ min: 1, max: 2 }), index: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(held, { maxLength: 12 }), fc.nat(5), fc.nat(5), (list, first, second) => {
        const outbox = new Outbox();
        for (const h of list) outbox.hold(refusal(h.index), h.after, h.term);
        const ofTerm = list.filter((h) => h.term === 2);
        const before = ofTerm.filter((h) => h.after <= first);
        const then = ofTerm.filter((h) => h.after > first && h.after <= second);
        assert.deepEqual(
          outbox.release(first, 2),
          before.map((h) => refusal(h.index)),
        );
        assert.deepEqual(
          outbox.release(second, 2),
          then.map((h) => refusal(h.index)),
        );
      }),
    );
  });
});
