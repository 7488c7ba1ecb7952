/**
 * When recent entries passed each stage, without any work per entry: every stage is a watermark that rises, and each rise
 * is one sample (index, time). An entry passed a stage with the first sample whose index is not before its own.
 *
 * MUST: cost one push per rise; hold a bounded number of samples, the newest; know nothing of an entry rather than
 * something wrong: what was there before we looked, what was forgotten, and what was truncated has no time.
 * Times are milliseconds since the epoch, with fractions.
 */
import type { StageTimes } from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';

/** The rises of one watermark. */
export class Watermark {
  readonly #indexes: Float64Array;
  readonly #times: Float64Array;
  /** Samples ever pushed, less those cut off: the newest is at `#count - 1`, modulo the size of the ring. */
  #count = 0;
  /** The oldest sample kept. */
  #oldest = 0;
  /** Nothing is known of entries up to here. */
  #floor: number;

  constructor(floor = 0, capacity: number = LIMITS.stageSamples) {
    this.#indexes = new Float64Array(capacity);
    this.#times = new Float64Array(capacity);
    this.#floor = floor;
  }

  /** How far the watermark is. */
  get last(): number {
    return this.#count === this.#oldest ? this.#floor : this.#indexAt(this.#count - 1);
  }

  /** The watermark is at `index` since `time`. Only a rise counts. */
  rise(index: number, time: number): void {
    if (index <= this.last) return;
    const { length } = this.#indexes;
    if (this.#count - this.#oldest === length) {
      this.#floor = this.#indexAt(this.#oldest);
      this.#oldest++;
    }
    this.#indexes[this.#count % length] = index;
    this.#times[this.#count % length] = time;
    this.#count++;
  }

  /** The watermark is at `index`, wherever it was: entries that it jumped over have no time, those after `index` lose theirs. */
  jump(index: number): void {
    if (index > this.last) this.rise(index, Number.NaN);
    else this.cut(index);
  }

  /** The watermark goes back to `index` at most. */
  cut(index: number): void {
    while (this.#count > this.#oldest) {
      const newest = this.#count - 1;
      if (this.#indexAt(newest) <= index) return;
      const before = newest === this.#oldest ? this.#floor : this.#indexAt(newest - 1);
      // This sample stands for the entries after the one before it: some of them stay.
      if (before < index) {
        this.#indexes[newest % this.#indexes.length] = index;
        return;
      }
      this.#count = newest;
    }
    this.#floor = Math.min(this.#floor, index);
  }

  /** When `index` passed, or undefined where that is not known (or has not happened). */
  at(index: number): number | undefined {
    if (index <= this.#floor || index > this.last) return undefined;
    let low = this.#oldest;
    let high = this.#count - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#indexAt(middle) >= index) high = middle;
      else low = middle + 1;
    }
    const time = this.#times[low % this.#times.length] as number;
    return Number.isNaN(time) ? undefined : time;
  }

  /** When `index` passed, or, where that was forgotten, the time of the oldest sample: it passed before that. */
  atLatest(index: number): number | undefined {
    return this.at(Math.max(index, this.#floor + 1));
  }

  #indexAt(sample: number): number {
    return this.#indexes[sample % this.#indexes.length] as number;
  }
}

/** Where batches of this node's own clients stand in the log, and since when they waited. */
export class Batches {
  readonly #capacity: number;
  /** Rising and apart; the oldest are cut off when they are twice as many as wanted. */
  #ranges: { readonly first: number; readonly last: number; readonly time: number }[] = [];

  constructor(capacity: number = LIMITS.stageSamples) {
    this.#capacity = capacity;
  }

  /** What was learned before about `first` and later indexes was of a leader that lost them: it is forgotten. */
  add(first: number, last: number, time: number): void {
    this.cut(first - 1);
    this.#ranges.push({ first, last, time });
    if (this.#ranges.length >= 2 * this.#capacity) this.#ranges = this.#ranges.slice(-this.#capacity);
  }

  /** Forgets everything after `index`. */
  cut(index: number): void {
    for (let newest = this.#ranges.at(-1); newest !== undefined && newest.last > index; ) {
      this.#ranges.pop();
      if (newest.first <= index) this.#ranges.push({ ...newest, last: index });
      newest = this.#ranges.at(-1);
    }
  }

  at(index: number): number | undefined {
    let low = 0;
    let high = this.#ranges.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#ranges[middle]?.first ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    const range = this.#ranges[low];
    return range !== undefined && range.first <= index && index <= range.last ? range.time : undefined;
  }
}

/** All stages of the log of one node. */
export class EntryStages {
  readonly proposed = new Batches();
  readonly appended: Watermark;
  readonly durable: Watermark;
  readonly committed = new Watermark();
  readonly delivered = new Watermark();
  readonly applied = new Watermark();

  /** `lastIndex`: the log as it was found on the disk, of which we know nothing. */
  constructor(lastIndex: number) {
    this.appended = new Watermark(lastIndex);
    this.durable = new Watermark(lastIndex);
  }

  /** The log ends at `index` now; what comes after it will be other entries. */
  truncated(index: number): void {
    for (const stage of [this.proposed, this.appended, this.durable]) stage.cut(index);
  }

  /** The app is at `index`: it connected, or asked for entries again. */
  appIsAt(index: number): void {
    this.delivered.jump(index);
    this.applied.jump(index);
  }

  /** When the entry at `index` passed each stage; only what is known. */
  of(index: number): StageTimes {
    const proposed = this.proposed.at(index);
    const appended = this.appended.at(index);
    const durable = this.durable.at(index);
    const committed = this.committed.at(index);
    const delivered = this.delivered.at(index);
    const applied = this.applied.at(index);
    return {
      ...(proposed === undefined ? {} : { proposed }),
      ...(appended === undefined ? {} : { appended }),
      ...(durable === undefined ? {} : { durable }),
      ...(committed === undefined ? {} : { committed }),
      ...(delivered === undefined ? {} : { delivered }),
      ...(applied === undefined ? {} : { applied }),
    };
  }
}
