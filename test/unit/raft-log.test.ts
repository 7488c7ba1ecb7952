/** The log in memory against a plain array, over random appends, truncations and trims. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Entry, EntryKind, entryBytes, ZERO_HASH } from '../../shared/entry.ts';
import { RaftLog } from '../../sidecar/raft/log.ts';

function entry(index: number, term: number, bytes = 1): Entry {
  const command = new Uint8Array(bytes);
  return {
    index,
    term,
    kind: EntryKind.COMMAND,
    time: 100 * index,
    session: 0,
    sequence: 0,
    command,
    hash: `hash ${index}@${term}`,
  };
}

function runsOf(entries: readonly Entry[]) {
  return entries.map(({ term, index }) => ({ term, first: index, last: index }));
}

/** Everything the log keeps, and how many of the newest it must have in memory. */
class NaiveLog {
  all: Entry[] = [];
  inMemory = 0;

  get tail(): Entry[] {
    return this.inMemory === 0 ? [] : this.all.slice(-this.inMemory);
  }

  bytes(): number {
    return this.tail.reduce((sum, { command }) => sum + 2 * command.length + 512, 0);
  }

  append(entries: readonly Entry[]): void {
    this.all.push(...entries);
    this.inMemory += entries.length;
  }

  truncateFrom(index: number): void {
    const dropped = Math.max(0, this.all.length - index + 1);
    this.all.length -= dropped;
    this.inMemory = Math.max(0, this.inMemory - dropped);
  }

  trim(maxBytes: number, upTo: number): void {
    while (this.bytes() > maxBytes && this.all.length - this.inMemory + 1 <= upTo) this.inMemory--;
  }

  slice(from: number, through: number, maxEntries: number, maxBytes: number): Entry[] | undefined {
    if (from > this.all.length) return [];
    if (from <= this.all.length - this.inMemory) return undefined;
    const slice: Entry[] = [];
    let bytes = 0;
    for (const e of this.all.slice(from - 1, through).slice(0, maxEntries)) {
      bytes += entryBytes(e);
      if (bytes > maxBytes && slice.length > 0) break;
      slice.push(e);
    }
    return slice;
  }
}

type Step =
  | { readonly do: 'append'; readonly sizes: readonly number[]; readonly newTerm: boolean }
  | { readonly do: 'truncate'; readonly index: number }
  | { readonly do: 'trim'; readonly maxBytes: number; readonly upTo: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant<'append'>('append'),
      sizes: fc.array(fc.nat(100), { minLength: 1, maxLength: 5 }),
      newTerm: fc.boolean(),
    }),
    fc.record({ do: fc.constant<'truncate'>('truncate'), index: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ do: fc.constant<'trim'>('trim'), maxBytes: fc.nat(6_000), upTo: fc.nat(30) }),
  ),
  { maxLength: 30 },
);

function compare(log: RaftLog, naive: NaiveLog): void {
  const last = naive.all.at(-1);
  assert.equal(log.lastIndex, last?.index ?? 0);
  assert.equal(log.lastTerm, last?.term ?? 0);
  assert.equal(log.tailFirst, naive.all.length - naive.inMemory + 1);
  assert.equal(log.tailBytes, naive.bytes());
  for (let i = 0; i <= naive.all.length + 1; i++) {
    const here = naive.all[i - 1];
    assert.equal(log.termAt(i), i === 0 ? 0 : here?.term, `term at ${i}`);
    assert.equal(log.entryAt(i), i >= log.tailFirst ? here : undefined, `entry at ${i}`);
  }
}

describe('raft log', () => {
  it('is an array of which only the newest entries are in memory', () => {
    fc.assert(
      fc.property(steps, fc.nat(30), fc.nat(10), fc.nat(300), (list, from, count, bytes) => {
        const log = new RaftLog([], []);
        const naive = new NaiveLog();
        let term = 1;
        for (const step of list) {
          if (step.do === 'append') {
            if (step.newTerm) term++;
            const entries = step.sizes.map((size, i) => entry(log.lastIndex + 1 + i, term, size));
            log.append(entries);
            naive.append(entries);
          } else if (step.do === 'truncate') {
            log.truncateFrom(step.index);
            naive.truncateFrom(step.index);
          } else {
            const upTo = Math.min(step.upTo, log.lastIndex);
            log.trim(step.maxBytes, upTo);
            naive.trim(step.maxBytes, upTo);
          }
          compare(log, naive);
          const start = from + 1;
          assert.deepEqual(
            log.slice(start, start + count, count + 1, bytes),
            naive.slice(start, start + count, count + 1, bytes),
          );
        }
      }),
      { numRuns: 200 },
    );
  });

  it('starts from term runs and a part of the entries', () => {
    const all = [entry(1, 1), entry(2, 1), entry(3, 4)];
    const log = new RaftLog(runsOf(all), all.slice(2));
    assert.deepEqual(
      [1, 2, 3].map((i) => log.termAt(i)),
      [1, 1, 4],
    );
    assert.equal(log.entryAt(2), undefined);
    assert.equal(log.entryAt(3), all[2]);
    assert.equal(log.lastTime, 300);
  });

  it('refuses a tail that does not end where the log ends', () => {
    assert.throws(() => new RaftLog(runsOf([entry(1, 1), entry(2, 1)]), [entry(1, 1)]), /does not end/);
  });

  it('knows the time and the hash just before the tail after a trim', () => {
    const log = new RaftLog([], []);
    log.append([entry(1, 1), entry(2, 1)]);
    assert.equal(log.hashAt(0), ZERO_HASH);
    log.trim(0, 2);
    assert.equal(log.tailBytes, 0);
    assert.equal(log.lastTime, 200);
    assert.equal(log.hashAt(2), 'hash 2@1');
    assert.equal(log.hashAt(1), undefined, 'only the disk knows it');
  });

  it('keeps what is not yet committed and durable, however large', () => {
    const log = new RaftLog([], []);
    log.append([entry(1, 1, 1000), entry(2, 1, 1000)]);
    log.trim(10, 1);
    assert.equal(log.tailFirst, 2);
  });

  it('gives one entry at least, however small the bound', () => {
    const log = new RaftLog([], []);
    log.append([entry(1, 1, 1000), entry(2, 1, 1000)]);
    assert.deepEqual(
      log.slice(1, 2, 10, 1)?.map((e) => e.index),
      [1],
    );
  });
});
