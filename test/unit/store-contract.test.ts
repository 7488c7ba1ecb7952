/** The contract of the log store, the same cases over the store on SQLite and its twin in memory. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ChainHash,
  type Entry,
  EntryKind,
  type HardState,
  ORIGIN,
  ZERO_HASH,
} from '../../shared/entry.ts';
import { type RecordHead, sealEntries } from '../../shared/wire/record.ts';
import { encodeSkip } from '../../shared/wire/skip-entry.ts';
import { type LogWrite, type Store, type StoredState, StoreError } from '../../sidecar/store/contract.ts';
import { MemoryDisk, MemoryStore } from '../../sidecar/store/memory-store.ts';
import { SqliteStore } from '../../sidecar/store/sqlite-store.ts';
import { batch, Driven, everything, plain, TEMPORARY } from './store-support.ts';

interface Twin {
  readonly name: string;
  /** A place for a log; `open` may be called again after `close`. */
  place(): { open(): Store; remove(): void };
}

const TWINS: readonly Twin[] = [
  {
    name: 'SqliteStore',
    place() {
      const folder = mkdtempSync(join(TEMPORARY, 'outrigger-store-'));
      return {
        open: () => new SqliteStore({ folder }),
        remove: () => rmSync(folder, { recursive: true }),
      };
    },
  },
  {
    name: 'MemoryStore',
    place() {
      const disk = new MemoryDisk();
      return { open: () => new MemoryStore({ disk }), remove: () => undefined };
    },
  },
];

/** A small seeded generator (mulberry32). */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

for (const twin of TWINS) {
  describe(`store contract: ${twin.name}`, () => {
    let place: ReturnType<Twin['place']>;
    let driven: Driven;

    beforeEach(async () => {
      place = twin.place();
      driven = await new Driven(place.open()).open();
    });

    afterEach(async () => {
      await driven.store.close();
      place.remove();
      assert.deepEqual(driven.faults, []);
    });

    const reopen = async (): Promise<StoredState> => {
      await driven.store.close();
      driven = await new Driven(place.open()).open();
      return driven.state;
    };

    it('starts empty, whole and fresh, and is fresh only once', async () => {
      const { incarnation, ...rest } = driven.state;
      assert.match(incarnation, /^[0-9a-f]{32}$/);
      assert.deepEqual(rest, {
        hardState: { term: 0, vote: '' },
        base: ORIGIN,
        firstIndex: 1,
        lastIndex: 0,
        logBytes: 0,
        configs: [],
        disks: new Map(),
        lastHash: ZERO_HASH,
        runs: [],
        tail: [],
        skips: [],
        proof: { whole: true },
        fresh: true,
      });
      const again = await reopen();
      assert.equal(again.fresh, false);
      assert.equal(again.incarnation, incarnation);
    });

    it('numbers writes from 1 and reports them durable in order, several at once', async () => {
      const sequences = Array.from({ length: 50 }, (_, at) => driven.append(batch(at + 1, 1, 1)));
      assert.deepEqual(
        sequences,
        Array.from({ length: 50 }, (_, at) => at + 1),
      );
      assert.deepEqual(driven.durable, [], 'nothing is durable before the call returns');
      assert.equal(driven.store.stats().queuedWrites, 50);
      assert.ok(driven.store.stats().queuedBytes > 50 * 40);
      await driven.settled(50);
      assert.deepEqual(
        driven.durable,
        [...driven.durable].sort((a, b) => a - b),
      );
      assert.ok(driven.durable.length < 50, `${driven.durable.length} commits for 50 writes`);
      assert.equal(
        driven.commits.reduce((sum, entries) => sum + entries, 0),
        50,
      );
      const { queuedWrites, queuedBytes, oldestWriteMs, entriesWritten, commits } = driven.store.stats();
      assert.deepEqual([queuedWrites, queuedBytes, oldestWriteMs, entriesWritten], [0, 0, 0, 50]);
      assert.equal(commits, driven.durable.length);
    });

    it('gives back what was written, also after a reopen, with runs, tail and hard state', async () => {
      const entries = [...batch(1, 3, 1), ...batch(4, 2, 4), ...batch(6, 5, 9)];
      await driven.settled(driven.append(entries, { hardState: { term: 9, vote: 'n2' } }));
      const expected = entries.map(plain);
      assert.deepEqual((await everything(driven.store, 10)).map(plain), expected);
      const state = await reopen();
      assert.deepEqual((await everything(driven.store, 10)).map(plain), expected);
      assert.deepEqual(state.tail.map(plain), expected);
      assert.deepEqual(state.hardState, { term: 9, vote: 'n2' });
      assert.deepEqual(state.runs, [
        { term: 1, first: 1, last: 3 },
        { term: 4, first: 4, last: 5 },
        { term: 9, first: 6, last: 10 },
      ]);
      assert.equal(state.lastHash, entries.at(-1)?.hash);
      assert.deepEqual(state.proof, { whole: true });
    });

    for (const [from, where] of [
      [1, 'at the start'],
      [4, 'inside the first row'],
      [6, 'between rows'],
      [8, 'inside the last row'],
      [11, 'after the end'],
    ] as const) {
      it(`truncates ${where} and goes on from there`, async () => {
        const before = [...batch(1, 5, 1), ...batch(6, 5, 1)];
        await driven.settled(driven.append(before.slice(0, 5)));
        await driven.settled(driven.append(before.slice(5)));
        const kept = before.slice(0, from - 1);
        driven.hash = kept.at(-1)?.hash ?? ZERO_HASH;
        const after = batch(from, 3, 2);
        await driven.settled(driven.append(after, { truncateFrom: from }));
        const expected = [...kept, ...after].map(plain);
        assert.deepEqual((await everything(driven.store, from + 2)).map(plain), expected);
        await reopen();
        assert.equal(driven.state.lastIndex, from + 2);
        assert.deepEqual(driven.state.proof, { whole: true });
        assert.deepEqual((await everything(driven.store, from + 2)).map(plain), expected);
      });
    }

    it('finds its SKIP entries again, and none that were truncated', async () => {
      const marked = (first: number, targets: readonly number[]): Entry[] =>
        batch(first, targets.length, 1).map((entry, at) => {
          const target = targets[at] ?? 0;
          if (target === 0) return entry;
          return { ...entry, kind: EntryKind.SKIP, command: encodeSkip({ index: target, reason: 'x' }) };
        });
      await driven.settled(driven.append(marked(1, [0, 0, 1, 0, 2])));
      await driven.settled(driven.append(marked(6, [4, 0])));
      assert.deepEqual((await reopen()).skips, [
        { at: 3, target: 1 },
        { at: 5, target: 2 },
        { at: 6, target: 4 },
      ]);
      // The cut goes through the middle of a row: what is kept of it is still marked.
      driven.hash = (await driven.store.hashAt(4)) ?? ZERO_HASH;
      await driven.settled(driven.append(marked(5, [0, 3]), { truncateFrom: 5 }));
      assert.deepEqual((await reopen()).skips, [
        { at: 3, target: 1 },
        { at: 6, target: 3 },
      ]);
    });

    it('truncates without new entries', async () => {
      const entries = batch(1, 9, 1);
      await driven.settled(driven.append(entries));
      await driven.settled(driven.store.write({ truncateFrom: 4, previousHash: ZERO_HASH, entries: [] }));
      assert.equal(await driven.store.hashAt(3), entries[2]?.hash);
      assert.equal(await driven.store.hashAt(4), undefined);
      const state = await reopen();
      assert.deepEqual(state.runs, [{ term: 1, first: 1, last: 3 }]);
      assert.deepEqual(state.proof, { whole: true });
    });

    it('merges truncations and appends that wait together', async () => {
      const first = batch(1, 6, 1);
      driven.append(first.slice(0, 3));
      driven.append(first.slice(3));
      driven.hash = first[3]?.hash as ChainHash;
      const second = batch(5, 4, 2);
      driven.append(second, { truncateFrom: 5, hardState: { term: 2, vote: 'n1' } });
      driven.hash = first[1]?.hash as ChainHash;
      const third = batch(3, 2, 3);
      const last = driven.append(third, { truncateFrom: 3, hardState: { term: 3, vote: '' } });
      await driven.settled(last);
      const expected = [...first.slice(0, 2), ...third].map(plain);
      assert.deepEqual((await everything(driven.store, 4)).map(plain), expected);
      const state = await reopen();
      assert.deepEqual(state.hardState, { term: 3, vote: '' });
      assert.deepEqual(state.tail.map(plain), expected);
    });

    it('reads after the writes before it, and by pages of at least one entry', async () => {
      driven.append(batch(1, 20, 1, 100));
      assert.equal((await driven.store.read(1, 20, 1 << 20)).length, 20, 'the write was queued before');
      assert.deepEqual(
        (await driven.store.read(3, 20, 250)).map(({ index }) => index),
        [3, 4],
      );
      assert.deepEqual(
        (await driven.store.read(19, 99, 1)).map(({ index }) => index),
        [19],
      );
      assert.deepEqual(
        (await driven.store.read(7, 7, 1 << 20)).map(({ index }) => index),
        [7],
      );
    });

    it('refuses ranges that are not in the log', async () => {
      await driven.settled(driven.append(batch(1, 3, 1)));
      for (const [from, to] of [
        [0, 3],
        [4, 5],
        [2, 1],
        [1.5, 2],
        [Number.NaN, 2],
      ] as const) {
        await assert.rejects(driven.store.read(from, to, 100), RangeError, `${from} to ${to}`);
      }
    });

    it('selects from the log part by part, wherever a part begins', async () => {
      const entries = [...batch(1, 9, 1), ...batch(10, 6, 3), ...batch(16, 5, 3, 300_000)];
      for (const [from, to] of [
        [0, 7],
        [7, 9],
        [9, 15],
        [15, 20],
      ] as const)
        await driven.settled(driven.append(entries.slice(from, to)));
      const wanted = ({ index, session, kind, term }: RecordHead): boolean =>
        kind === EntryKind.COMMAND && session === 7 && index % 3 === term % 3;
      for (let first = 1; first <= 20; first++) {
        const found: Entry[] = [];
        for (let from = first; from <= 20; ) {
          const { through, entries: some } = await driven.store.select(from, 20, wanted);
          assert.ok(
            through >= from && through <= 20 && some.every(({ index }) => index >= from && index <= through),
          );
          found.push(...some);
          from = through + 1;
        }
        assert.deepEqual(
          found.map(plain),
          entries.filter((entry) => entry.index >= first && wanted(entry)).map(plain),
        );
      }
      const { through } = await driven.store.select(2, 4, () => true);
      assert.ok(through <= 4);
      await assert.rejects(driven.store.select(21, 22, wanted), RangeError);
    });

    it('knows the hash at every index', async () => {
      const entries = [...batch(1, 4, 1), ...batch(5, 4, 2)];
      await driven.settled(driven.append(entries));
      assert.equal(await driven.store.hashAt(0), ZERO_HASH);
      for (const { index, hash } of entries) assert.equal(await driven.store.hashAt(index), hash);
      assert.equal(await driven.store.hashAt(9), undefined);
    });

    it('refuses a write that breaks the contract, and takes the right one after it', async () => {
      await driven.settled(driven.append(batch(1, 3, 5)));
      const { hash } = driven;
      const sealed = (entries: Entry[], previousHash = hash): LogWrite => {
        sealEntries(entries, previousHash);
        return { previousHash, entries };
      };
      const unsafe = batch(4, 1, 5).map((entry) => ({ ...entry, term: 2 ** 53 }));
      const odd = sealed(batch(4, 1, 5));
      const withIndex = (index: unknown) =>
        odd.entries.map((entry) => Object.assign({ ...entry }, { index }));
      const bad: [string, LogWrite][] = [
        ['a gap', sealed(batch(5, 1, 5))],
        ['an old index', sealed(batch(3, 1, 5))],
        ['an older term', sealed(batch(4, 1, 4))],
        ['another chain', sealed(batch(4, 1, 5), ZERO_HASH)],
        ['a record that is missing', { previousHash: hash, entries: batch(4, 1, 5) }],
        [
          'an unsafe term',
          { ...odd, entries: unsafe.map((entry) => ({ ...entry, record: new Uint8Array(1), hash })) },
        ],
        ['a BigInt index', { ...odd, entries: withIndex(4n) }],
        ['a truncation at 0', { previousHash: hash, entries: [], truncateFrom: 0 }],
        ['a truncation past the end', { previousHash: hash, entries: [], truncateFrom: 5 }],
        ['an unsafe term voted', { previousHash: hash, entries: [], hardState: { term: -1, vote: '' } }],
        ['a long vote', { previousHash: hash, entries: [], hardState: { term: 6, vote: 'n'.repeat(129) } }],
      ];
      for (const [what, write] of bad) assert.throws(() => driven.store.write(write), RangeError, what);
      assert.equal(driven.store.stats().queuedWrites, 0);
      assert.equal(driven.append(batch(4, 2, 5)), 2, 'refused writes take no number');
      await driven.settled(2);
      assert.equal((await reopen()).lastIndex, 5);
    });

    it('keeps the hard state of the last write, also without entries', async () => {
      const states: HardState[] = [
        { term: 1, vote: 'n1' },
        { term: 2, vote: '' },
        { term: 2, vote: "it's n\u00e9 3" },
      ];
      let sequence = 0;
      for (const hardState of states) {
        sequence = driven.store.write({ hardState, previousHash: ZERO_HASH, entries: [] });
      }
      await driven.settled(sequence);
      assert.deepEqual((await reopen()).hardState, states.at(-1));
    });

    it('closes once, after what is queued, and answers nothing then', async () => {
      driven.append(batch(1, 5, 1));
      const closing = driven.store.close();
      assert.throws(() => driven.append(batch(6, 1, 1)), StoreError);
      await closing;
      await driven.store.close();
      assert.deepEqual(driven.durable, [1]);
      await assert.rejects(driven.store.read(1, 1, 1), StoreError);
      assert.equal((await reopen()).lastIndex, 5);
    });

    it('agrees with a naive model over 200 random sequences of operations', async () => {
      for (let seed = 1; seed <= 200; seed++) await randomRun(twin, seed);
    });
  });
}

/** Ten random steps (append, truncate, vote, read, wait, reopen) against a plain array. */
async function randomRun(twin: Twin, seed: number): Promise<void> {
  const random = seeded(seed);
  const place = twin.place();
  let driven = await new Driven(place.open()).open();
  let model: Entry[] = [];
  let hardState: HardState = { term: 0, vote: '' };
  let sequence = 0;
  try {
    for (let step = 0; step < 10; step++) {
      const action = random(10);
      if (action < 7) {
        const truncateFrom = random(3) === 0 ? 1 + random(model.length + 1) : undefined;
        if (truncateFrom !== undefined) model = model.slice(0, truncateFrom - 1);
        driven.hash = model.at(-1)?.hash ?? ZERO_HASH;
        const entries = batch(
          model.length + 1,
          random(6),
          (model.at(-1)?.term ?? 1) + random(2),
          1 + random(90),
        );
        if (random(4) === 0) hardState = { term: hardState.term + random(2), vote: `n${random(3)}` };
        sequence = driven.append(entries, {
          hardState,
          ...(truncateFrom === undefined ? {} : { truncateFrom }),
        });
        model = [...model, ...entries];
      } else if (action === 7) {
        await driven.settled(sequence);
      } else if (action === 8 && model.length > 0) {
        const from = 1 + random(model.length);
        const found = await driven.store.read(from, model.length, 200);
        assert.deepEqual(found.map(plain), model.slice(from - 1, from - 1 + found.length).map(plain));
      } else if (action === 9) {
        await driven.store.close();
        driven = await new Driven(place.open()).open();
        sequence = 0;
      }
    }
    await driven.store.close();
    driven = await new Driven(place.open()).open();
    const { state } = driven;
    assert.deepEqual(state.proof, { whole: true }, `seed ${seed}`);
    assert.deepEqual(state.tail.map(plain), model.map(plain), `seed ${seed}`);
    assert.deepEqual(state.hardState, hardState, `seed ${seed}`);
    assert.equal(state.runs.at(-1)?.last ?? 0, model.length, `seed ${seed}`);
  } finally {
    await driven.store.close();
    place.remove();
  }
}
