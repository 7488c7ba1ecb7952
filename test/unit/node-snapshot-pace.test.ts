/** How large the pieces of a snapshot become, on connections of all kinds. */
import assert from 'node:assert/strict';
import { LIMITS } from '../../shared/limits.ts';
import { Pace, PIECE_MIN_BYTES } from '../../sidecar/node/snapshots/pace.ts';

/** What a piece takes: the way there and back, and its bytes. */
function run(roundTripMs: (ask: number) => number, bytesPerMs: number, asks = 200): number[] {
  const pace = new Pace();
  return Array.from({ length: asks }, (_, ask) => {
    const bytes = pace.next();
    pace.came(roundTripMs(ask) + bytes / bytesPerMs);
    return bytes;
  });
}

/** What most of the later pieces are like. */
const median = (pieces: readonly number[]): number =>
  pieces.slice(50).toSorted((a, b) => a - b)[75] ?? assert.fail();

describe('pieces of a snapshot', () => {
  it('are as large as allowed where bytes are fast, however far the peer is', () => {
    for (const roundTrip of [0.2, 5, 50, 300])
      assert.equal(median(run(() => roundTrip, 1e6)), LIMITS.snapshotChunkBytes, `${roundTrip} ms`);
  });

  it('are as large as allowed on a busy machine, which answers now soon and now late', () => {
    assert.equal(median(run((ask) => (ask % 3) * 30, 1e6)), LIMITS.snapshotChunkBytes);
  });

  it('take no longer than a few heartbeats may wait where bytes are slow, however far the peer is', () => {
    const slow = 1_250; // bytes a millisecond: 10 Mbit/s
    for (const roundTrip of [0.2, 50]) {
      const most = Math.max(...run(() => roundTrip, slow));
      assert.ok(most / slow < 60, `a piece of ${most} bytes takes ${most / slow} ms`);
    }
  });

  it('begin small again once one was lost', () => {
    const pace = new Pace();
    for (let at = 0; at < 14; at++) {
      pace.next();
      pace.came(1);
    }
    assert.equal(pace.next(), LIMITS.snapshotChunkBytes);
    pace.lost();
    assert.equal(pace.next(), PIECE_MIN_BYTES);
  });
});
