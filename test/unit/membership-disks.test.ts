/** Which disk a node believes of the others. */
import assert from 'node:assert/strict';
import type { Membership } from '../../shared/entry.ts';
import { NodeDisks } from '../../sidecar/node/membership/disks.ts';

const membership = (
  voters: string[],
  learners: string[] = [],
  disks: Record<string, string> = {},
): Membership => ({
  ...{ voters, outgoing: [], learners },
  book: Object.entries(disks).map(([id, disk]) => ({ id, peer: '127.0.0.1:1', disk })),
});

describe('the disks of others', () => {
  let disks: NodeDisks;

  beforeEach(() => {
    disks = new NodeDisks((error) => assert.fail(error));
    assert.ok(disks.isOf('n2', 'first'));
  });

  it('are those that were seen first, as long as the node does not leave', () => {
    disks.follow(membership(['n1', 'n2']));
    assert.ok(!disks.isOf('n2', 'second'));
    disks.follow(membership(['n1']));
    assert.ok(disks.isOf('n2', 'second'));
    assert.equal(disks.of('n2'), 'second');
  });

  it('are those that were seen last of a learner whose disk is not named: it may have left and come again, unseen', () => {
    disks.follow(membership(['n1'], ['n2']));
    assert.equal(disks.of('n2'), 'first');
    assert.ok(disks.isOf('n2', 'second'));
    assert.equal(disks.of('n2'), 'second');
  });

  it('are those that the membership names, whatever was seen', () => {
    disks.follow(membership(['n1'], ['n2'], { n2: 'second' }));
    assert.ok(disks.isOf('n2', 'second'));
    assert.ok(!disks.isOf('n2', 'first'));
  });
});
