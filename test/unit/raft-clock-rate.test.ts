/** The proof that another node's clock keeps within the bound of ours. */
import assert from 'node:assert/strict';
import { ClockRate } from '../../sidecar/raft/clock-rate.ts';

const WINDOW_MS = 1_000;

/** Readings every 50 ms of ours, of a clock that goes `rate` times as fast, with answers that take `tripMs`. */
function watch(clock: ClockRate, rate: number, from: number, through: number, tripMs = 1): void {
  for (let at = from; at <= through; at += 50) {
    clock.add({ sentAt: at, receivedAt: at + tripMs, clockMs: Math.floor(5_000 + (at + tripMs / 2) * rate) });
  }
}

describe('the clock of another node', () => {
  it('is proven by two readings, and not by one', () => {
    const clock = new ClockRate(0.2, WINDOW_MS);
    watch(clock, 1, 0, 0);
    assert.equal(clock.holds(1), false);
    watch(clock, 1, 50, 50);
    assert.equal(clock.holds(51), true);
  });

  it('keeps within the bound when it is faster by less, or slower by anything', () => {
    for (const rate of [0, 0.1, 0.9, 1, 1.1, 1.2]) {
      const clock = new ClockRate(0.2, WINDOW_MS);
      watch(clock, rate, 0, 400);
      assert.equal(clock.holds(400), true, `rate ${rate}`);
    }
  });

  it('is never proven when it is faster by more, however long one looks and however long answers take', () => {
    for (const rate of [1.26, 1.5, 2, 10]) {
      for (const tripMs of [0, 1, 20, 200]) {
        const clock = new ClockRate(0.2, WINDOW_MS);
        for (let at = 0; at < 10_000; at += 50) {
          watch(clock, rate, at, at, tripMs);
          assert.equal(clock.holds(at + tripMs), false, `rate ${rate}, ${tripMs} ms, at ${at}`);
        }
      }
    }
  });

  it('is proven later where answers take long: the comparison must span more', () => {
    const clock = new ClockRate(0.2, WINDOW_MS);
    watch(clock, 1, 0, 100, 40);
    assert.equal(clock.holds(140), false);
    watch(clock, 1, 150, 500, 40);
    assert.equal(clock.holds(540), true);
  });

  it('loses the proof as soon as it is faster for certain, and wins it anew when it is right again', () => {
    const clock = new ClockRate(0.2, WINDOW_MS);
    watch(clock, 1, 0, 200);
    clock.add({ sentAt: 250, receivedAt: 251, clockMs: 5_400 });
    assert.equal(clock.holds(251), false);
    clock.add({ sentAt: 300, receivedAt: 301, clockMs: 5_450 });
    assert.equal(clock.holds(301), true);
  });

  it('loses the proof when our own clock stood still: theirs went on', () => {
    const clock = new ClockRate(0.2, WINDOW_MS);
    watch(clock, 1, 0, 200);
    clock.add({ sentAt: 205, receivedAt: 206, clockMs: 25_000 });
    assert.equal(clock.holds(206), false);
  });

  it('is watched anew when it begins from nothing: that node was restarted', () => {
    const clock = new ClockRate(0.2, WINDOW_MS);
    watch(clock, 1, 0, 200);
    clock.add({ sentAt: 250, receivedAt: 251, clockMs: 3 });
    assert.equal(clock.holds(251), false);
    clock.add({ sentAt: 300, receivedAt: 301, clockMs: 53 });
    assert.equal(clock.holds(301), true);
  });

  it('needs proof again and again: readings that prove nothing keep it for one window at most', () => {
    const clock = new ClockRate(0.2, WINDOW_MS);
    watch(clock, 1, 0, 200);
    for (let at = 250; at < 1_200; at += 50)
      clock.add({ sentAt: at - 500, receivedAt: at, clockMs: 5_000 + at });
    assert.equal(clock.holds(1_201), true);
    assert.equal(clock.holds(1_202), false);
  });

  it('notices within a third of a window that it became twice as fast', () => {
    const clock = new ClockRate(0.2, WINDOW_MS);
    watch(clock, 1, 0, 950);
    let at = 1_000;
    for (; clock.holds(at); at += 50)
      clock.add({ sentAt: at, receivedAt: at + 1, clockMs: 5_950 + (at - 950) * 2 });
    assert.ok(at <= 950 + WINDOW_MS / 3 + 100, `noticed at ${at}`);
  });
});
