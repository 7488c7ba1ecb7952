/** What an operator may ask of a membership. */
import assert from 'node:assert/strict';
import type { Membership } from '../../shared/entry.ts';
import type { MemberChange } from '../../shared/messages.ts';
import { nameDisk, planChange } from '../../sidecar/node/membership/change.ts';

const ASKED: MemberChange = { act: 'ADD', id: 'n4', peer: '', learner: false, replaces: '', priority: 0 };
const peerOf = (id: string): string => `127.0.0.1:700${id.slice(1)}`;

const NOW: Membership = {
  ...{ voters: ['n1', 'n2', 'n3'], outgoing: [], learners: [] },
  book: ['n1', 'n2', 'n3'].map((id) => ({ id, peer: peerOf(id) })),
};

function planned(now: Membership, change: Partial<MemberChange>): Membership {
  const membership = planChange(now, { ...ASKED, ...change });
  if (typeof membership === 'string') assert.fail(membership);
  return membership;
}

describe('a change of the membership', () => {
  const joined = planned(NOW, { peer: peerOf('n4') });

  it('puts a new node in the place of a member once it is promoted', () => {
    const comes = planned(NOW, { peer: peerOf('n4'), replaces: 'n2' });
    const after = planned(comes, { act: 'PROMOTE' });
    assert.deepEqual([after.voters, after.learners], [['n1', 'n3', 'n4'], []]);
    assert.deepEqual(
      after.book?.find(({ id }) => id === 'n4'),
      { id: 'n4', peer: peerOf('n4') },
    );
  });

  it('lets a learner that is there already take the place of a member', () => {
    const learner = planned(NOW, { peer: peerOf('n4'), learner: true });
    const after = planned(planned(learner, { act: 'UPDATE', replaces: 'n2' }), { act: 'PROMOTE' });
    assert.deepEqual(after.voters, ['n1', 'n3', 'n4']);
  });

  it('lets no voter take the place of another one', () => {
    const four = planned(joined, { act: 'PROMOTE' });
    assert.equal(
      planChange(four, { ...ASKED, act: 'UPDATE', replaces: 'n2' }),
      "n4 votes already: it can take nobody's place; remove n2 instead",
    );
  });

  it('keeps what else is known of a member', () => {
    const named = nameDisk(joined, 'n4', 'd4');
    const preferred = planned(named, { act: 'UPDATE', priority: 7 });
    const moved = planned(planned(preferred, { act: 'PROMOTE' }), {
      act: 'UPDATE',
      peer: peerOf('n9'),
      priority: 7,
    });
    assert.deepEqual(
      moved.book?.find(({ id }) => id === 'n4'),
      { id: 'n4', peer: peerOf('n9'), priority: 7, disk: 'd4' },
    );
  });
});
