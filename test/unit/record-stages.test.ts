/** Stage times by watermark say the same as a map with a time per entry would. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Batches, EntryStages, Watermark } from '../../sidecar/record/stages.ts';

type WatermarkStep = { readonly rise: number } | { readonly cut: number } | { readonly jump: number };

const index = fc.integer({ min: 0, max: 40 });
const watermarkSteps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ rise: index }) },
    { weight: 1, arbitrary: fc.record({ cut: index }) },
    { weight: 1, arbitrary: fc.record({ jump: index }) },
  ),
  { maxLength: 60 },
);

/** The time of every entry, written down one by one. */
class NaiveWatermark {
  readonly times = new Map<number, number | undefined>();
  last: number;
  constructor(floor: number) {
    this.last = floor;
  }
  rise(to: number, time: number | undefined): void {
    for (let i = this.last + 1; i <= to; i++) this.times.set(i, time);
    this.last = Math.max(this.last, to);
  }
  cut(to: number): void {
    for (const i of this.times.keys()) if (i > to) this.times.delete(i);
    this.last = Math.min(this.last, to);
  }
}

describe('stage times of a watermark', () => {
  it('are those of a map with a time per entry, as long as nothing was forgotten', () => {
    fc.assert(
      fc.property(index, watermarkSteps, (floor, steps) => {
        const watermark = new Watermark(floor, 64);
        const naive = new NaiveWatermark(floor);
        steps.forEach((step, at) => {
          const time = 1_000 + at;
          apply(step, watermark, naive, time);
          assert.equal(watermark.last, naive.last);
        });
        for (let i = 0; i <= 41; i++) assert.equal(watermark.at(i), naive.times.get(i), `entry ${i}`);
      }),
      { numRuns: 500 },
    );
  });

  it('are right or absent when old samples were forgotten', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), watermarkSteps, (capacity, steps) => {
        const watermark = new Watermark(0, capacity);
        const naive = new NaiveWatermark(0);
        for (const [at, step] of steps.entries()) apply(step, watermark, naive, 1_000 + at);
        assert.equal(watermark.last, naive.last);
        for (let i = 0; i <= 41; i++) {
          const time = watermark.at(i);
          if (time !== undefined) assert.equal(time, naive.times.get(i), `entry ${i}`);
        }
        // A new rise is never the one that is forgotten.
        watermark.rise(50, 5_000);
        assert.equal(watermark.at(50), 5_000);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps as many samples as it was told to', () => {
    const watermark = new Watermark(0, 3);
    for (let i = 1; i <= 5; i++) watermark.rise(10 * i, i);
    assert.deepEqual(
      [10, 20, 21, 30, 50, 51].map((i) => watermark.at(i)),
      [undefined, undefined, 3, 3, 5, undefined],
    );
    assert.equal(watermark.atLatest(5), 3, 'it passed before the oldest that is known');
  });

  it('a cut in the middle of a rise keeps the part before it', () => {
    const watermark = new Watermark();
    watermark.rise(10, 1);
    watermark.rise(20, 2);
    watermark.cut(15);
    watermark.rise(18, 3);
    assert.deepEqual(
      [10, 11, 15, 16, 18, 19].map((i) => watermark.at(i)),
      [1, 2, 2, 3, 3, undefined],
    );
  });
});

function apply(step: WatermarkStep, watermark: Watermark, naive: NaiveWatermark, time: number): void {
  if ('rise' in step) {
    watermark.rise(step.rise, time);
    naive.rise(step.rise, time);
  } else if ('cut' in step) {
    watermark.cut(step.cut);
    naive.cut(step.cut);
  } else {
    watermark.jump(step.jump);
    naive.cut(step.jump);
    naive.rise(step.jump, undefined);
  }
}

describe('places of proposed batches', () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ first: index, count: fc.integer({ min: 1, max: 6 }) }) },
      { weight: 1, arbitrary: fc.record({ cut: index }) },
    ),
    { maxLength: 40 },
  );

  it('are those of a map with a time per entry', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const batches = new Batches(100);
        const naive = new Map<number, number>();
        const forget = (after: number): void => {
          for (const i of naive.keys()) if (i > after) naive.delete(i);
        };
        all.forEach((step, time) => {
          if ('cut' in step) {
            batches.cut(step.cut);
            forget(step.cut);
            return;
          }
          const { first, count } = step;
          batches.add(first, first + count - 1, time);
          forget(first - 1);
          for (let i = first; i < first + count; i++) naive.set(i, time);
        });
        for (let i = 0; i <= 50; i++) assert.equal(batches.at(i), naive.get(i), `entry ${i}`);
      }),
      { numRuns: 500 },
    );
  });

  it('forgets the oldest', () => {
    const batches = new Batches(10);
    for (let i = 1; i <= 100; i++) batches.add(i, i, i);
    assert.equal(batches.at(1), undefined);
    for (let i = 91; i <= 100; i++) assert.equal(batches.at(i), i);
  });
});

describe('stages of an entry', () => {
  it('knows nothing of what was there before, and only what has happened', () => {
    const stages = new EntryStages(5);
    stages.proposed.add(6, 6, 1);
    stages.appended.rise(6, 2);
    stages.committed.rise(6, 3);
    assert.deepEqual(stages.of(5), { committed: 3 });
    assert.deepEqual(stages.of(6), { proposed: 1, appended: 2, committed: 3 });
    stages.durable.rise(6, 4);
    stages.appIsAt(5);
    stages.delivered.rise(6, 5);
    stages.applied.rise(6, 6);
    assert.deepEqual(stages.of(6), {
      proposed: 1,
      appended: 2,
      durable: 4,
      committed: 3,
      delivered: 5,
      applied: 6,
    });
    assert.deepEqual(stages.of(7), {});
  });

  it('forgets truncated entries, and what an app says it had applied before', () => {
    const stages = new EntryStages(0);
    stages.proposed.add(1, 4, 1);
    stages.appended.rise(4, 2);
    stages.durable.rise(4, 3);
    stages.truncated(2);
    stages.appended.rise(4, 9);
    assert.deepEqual(stages.of(2), { proposed: 1, appended: 2, durable: 3 });
    assert.deepEqual(stages.of(3), { appended: 9 });
    stages.appIsAt(2);
    stages.applied.rise(3, 12);
    assert.equal(stages.of(2).applied, undefined);
    assert.equal(stages.of(3).applied, 12);
  });
});
