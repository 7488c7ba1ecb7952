/** The parts of the longevity campaign that its verdict stands on. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { joinFigures, type Span } from './joining.ts';
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

  it('judges what nodes cost that join by all of them, and names the worst', () => {
    const span = (commits: number, ms: number): Span => ({ commits, ms, leaderMicros: 20 * commits });
    const before = span(100_000, 5_000);
    const text = (...during: Span[]): string =>
      figureTable(
        joinFigures(
          'load',
          during.map((one) => ({ before, during: one })),
          true,
        ),
      );
    assert.match(
      text(span(36_000, 2_000), span(40_000, 2_000)),
      /2 nodes join .* 19,000\/s .* ≥ 18,000\/s .* kept/,
    );
    assert.match(
      text(span(36_000, 2_000), span(40_000, 2_000)),
      /worst .* 20,000\/s before, 18,000\/s for 2\.0 s/,
    );
    // Few commits in a long time weigh more than many in a short one.
    assert.match(text(span(10_000, 1_000), span(160_000, 10_000)), /2 nodes join .* 15,455\/s .* BROKEN/);
  });

  it('takes its limits from the settings of the nodes', () => {
    const small = boundsOf({ snapshotBytes: 1e6, stateBytes: 1e5, rssBytes: 1 });
    const large = boundsOf({ snapshotBytes: 1e6, stateBytes: 1e9, rssBytes: 1 });
    assert.ok(small.logFileBytes < 30e6, 'a log of 1 MB between snapshots');
    assert.ok(large.logFileBytes > 5e9, 'a log as large as the state');
  });
});
