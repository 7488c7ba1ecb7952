/** Which protocol two sidecars speak, and what a sidecar of another version hears. */
import assert from 'node:assert/strict';
import { ANY_DISK } from '../../sidecar/peers/disks.ts';
import {
  agreedProtocol,
  FEATURE,
  FEATURES,
  PEER_PROTOCOL,
  PEER_PROTOCOL_OLDEST,
} from '../../sidecar/peers/features.ts';
import { answerHello } from '../../sidecar/peers/handshake.ts';
import { helloOf } from './peers-support.ts';

const us = {
  ...{ cluster: 'c1', self: 'b', disks: ANY_DISK, incarnation: '' },
  isMember: () => true,
  admits: () => false,
};

describe('sidecars of different versions', () => {
  it('speak the newest protocol that both know', () => {
    assert.equal(agreedProtocol(PEER_PROTOCOL, 0), PEER_PROTOCOL);
    assert.equal(agreedProtocol(PEER_PROTOCOL + 2, PEER_PROTOCOL_OLDEST), PEER_PROTOCOL);
    assert.equal(agreedProtocol(PEER_PROTOCOL + 2, PEER_PROTOCOL + 1), undefined);
    assert.equal(agreedProtocol(PEER_PROTOCOL + 1, 0), undefined);
    assert.equal(agreedProtocol(PEER_PROTOCOL_OLDEST - 1, 0), undefined);
  });

  it('let each other in where they have one, and say both ranges where not', () => {
    assert.equal(answerHello(helloOf('a', 'b', { protocol: 3, oldest: 1 }), us, '').ok, true);
    const { ok, code, message } = answerHello(helloOf('a', 'b', { protocol: 4, oldest: 2 }), us, '');
    assert.deepEqual([ok, code, message], [false, 'PROTOCOL', 'b speaks peer protocol 1, not 2 to 4']);
  });

  it('say what they know, and know what they say', () => {
    assert.equal(answerHello(helloOf('a', 'b'), us, '').features, FEATURES);
    assert.ok(Object.values(FEATURE).every((level) => level >= 1 && level <= FEATURES));
  });
});
