/** The parts of the longevity campaign that its verdict stands on. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { boundsOf } from './limits.ts';
import { atLeast, atMost, figureTable } from './report.ts';
import { LeanState, Restoring } from './state.ts';

describe('the longevity campaign', () => {
  it('hands a state over as it was when it was frozen, in whatever pieces it comes', () => {
    const state = new LeanState();
    for (let at = 0; at < 3_000; at++)
      state.set(`k${String(at).padStart(7, '0')}`, Buffer.alloc(at % 300, at));
    const digest = state.digest();
    const { bytes, chunks } = state.freeze(700_000);
    state.set('k0000007', Buffer.from('later'));
    const whole = Buffer.concat([...chunks]);
    assert.equal(whole.length, bytes);
    for (const piece of [999, 65_536, whole.length]) {
      const restoring = new Restoring();
      for (let at = 0; at < whole.length; at += piece) restoring.add(whole.subarray(at, at + piece));
      assert.ok(restoring.isWhole(createHash('sha256').update(whole).digest()));
      assert.equal(restoring.fillerBytes, 700_000);
      assert.equal(restoring.state.digest(), digest);
    }
  });

  it('says which limit is broken', () => {
    const text = figureTable([atMost('a', 3, 2, String), atLeast('b', 3, 2, String)]);
    assert.match(text, /a .* 3 .* ≤ 2 .* BROKEN/);
    assert.match(text, /b .* 3 .* ≥ 2 .* kept/);
  });

  it('takes its limits from the settings of the nodes', () => {
    const small = boundsOf({ snapshotBytes: 1e6, stateBytes: 1e5, rssBytes: 1 });
    const large = boundsOf({ snapshotBytes: 1e6, stateBytes: 1e9, rssBytes: 1 });
    assert.ok(small.logFileBytes < 30e6, 'a log of 1 MB between snapshots');
    assert.ok(large.logFileBytes > 5e9, 'a log as large as the state');
  });
});
