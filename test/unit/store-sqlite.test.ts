/** What only the store on SQLite can get wrong: settings, locks, damage on the disk, a full disk. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Entry, ZERO_HASH } from '../../shared/entry.ts';
import { sealEntries } from '../../shared/wire/record.ts';
import { type StoredState, StoreError, type StoreFaultKind } from '../../sidecar/store/contract.ts';
import { prepareFolder } from '../../sidecar/store/data-folder.ts';
import { GuardFile } from '../../sidecar/store/guard.ts';
import { LogShape } from '../../sidecar/store/log-shape.ts';
import { LogTable } from '../../sidecar/store/log-table.ts';
import { LogWriter } from '../../sidecar/store/log-writer.ts';
import { newIncarnation, PRAGMAS, type Pragma, prepareDatabase } from '../../sidecar/store/schema.ts';
import { SqliteDriver } from '../../sidecar/store/sqlite-driver.ts';
import { SqliteStore } from '../../sidecar/store/sqlite-store.ts';
import { tellTime } from '../support/patience.ts';
import { batch, Driven, everything, guardIndex, plain, TEMPORARY } from './store-support.ts';

describe('store on SQLite', () => {
  let root: string;
  let folder: string;
  let opened: SqliteStore[];
  let images: number;

  beforeEach(() => {
    root = mkdtempSync(join(TEMPORARY, 'outrigger-store-'));
    folder = join(root, 'data');
    opened = [];
    images = 0;
  });

  afterEach(async () => {
    for (const store of opened) await store.close();
    rmSync(root, { recursive: true });
  });

  const open = (at = folder, pragmas: readonly Pragma[] = PRAGMAS): Promise<Driven> => {
    const store = new SqliteStore({ folder: at, pragmas });
    opened.push(store);
    return new Driven(store).open();
  };

  /** The folder as a crash of the process would leave it now. */
  const crashImage = (): string => {
    images++;
    const image = join(root, `image-${images}`);
    cpSync(folder, image, { recursive: true });
    return image;
  };

  /** A folder with `count` entries of term 1, each in a commit of its own, that was never closed in order. */
  const crashed = async (count: number): Promise<{ image: string; entries: Entry[] }> => {
    const driven = await open();
    const entries = batch(1, count, 1, 100);
    const vote = { hardState: { term: 1, vote: 'n1' } };
    for (const entry of entries) await driven.settled(driven.append([entry], vote));
    await guardReaches(count);
    return { image: crashImage(), entries };
  };

  /** The guard file follows the commits a moment later: waits until it says `index`. */
  const guardReaches = async (index: number): Promise<void> => {
    while (guardIndex(folder) !== index) await new Promise((resolve) => setImmediate(resolve));
  };

  const notWhole = ({ proof }: StoredState, mustReach: number, reason: RegExp): void => {
    assert.ok(!proof.whole, 'the log passed as whole');
    assert.equal(proof.mustReach, mustReach);
    assert.match(proof.reason, reason);
  };

  const fails = async (kind: StoreFaultKind, message: RegExp, work: Promise<unknown>): Promise<void> => {
    await assert.rejects(work, (error) => {
      assert.ok(error instanceof StoreError, String(error));
      assert.equal(error.kind, kind, error.message);
      assert.match(error.message, message);
      return true;
    });
  };

  describe('settings', () => {
    const tampered: Readonly<Record<string, string | number>> = {
      locking_mode: 'NORMAL',
      journal_mode: 'DELETE',
      synchronous: 1,
      wal_autocheckpoint: 1000,
      journal_size_limit: -1,
      mmap_size: 1 << 20,
      trusted_schema: 1,
      cache_size: -1,
    };
    for (const [name, set] of Object.entries(tampered)) {
      it(`refuses to start when ${name} is ${set}`, async () => {
        const pragmas = PRAGMAS.map((pragma) => (pragma.name === name ? { ...pragma, set } : pragma));
        await fails('FAULT', new RegExp(`PRAGMA ${name} is `), open(folder, pragmas));
        assert.deepEqual(
          (await open()).state.proof,
          { whole: true },
          'the right settings are taken after it',
        );
      });
    }

    it('leaves the folder and its files to their owner', async () => {
      mkdirSync(folder, { mode: 0o755 });
      await open();
      const names = readdirSync(folder).sort();
      const files = ['guard', 'log.sqlite', 'log.sqlite-wal'];
      assert.deepEqual(names, [...files, 'snapshots'], 'and makes no -shm file');
      assert.equal(statSync(folder).mode & 0o777, 0o700);
      assert.equal(statSync(join(folder, 'snapshots')).mode & 0o777, 0o700);
      for (const name of files) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name);
    });

    it('refuses a folder that all users share', async () => {
      mkdirSync(folder);
      chmodSync(folder, 0o1777);
      await fails('FAULT', /shared by all users/, open());
    });

    it('refuses a file that is no log', async () => {
      mkdirSync(folder);
      writeFileSync(join(folder, 'log.sqlite'), 'this is not a database, it is a poem, and not a good one');
      await fails('FAULT', /SQLITE_NOTADB/, open());
    });

    it('opens and closes 200 times', async () => {
      for (let round = 1; round <= 200; round++) {
        const driven = await new Driven(new SqliteStore({ folder })).open();
        assert.equal(driven.state.lastIndex, round - 1);
        driven.append(batch(round, 1, 1));
        await driven.store.close();
      }
    });

    it('refuses values the driver would bend', async () => {
      await open();
      writeFileSync(join(root, 'other.sqlite'), '');
      const driver = await SqliteDriver.open(join(root, 'other.sqlite'));
      for (const value of [1n, undefined, Number.NaN, 2 ** 53, 0.5, {}, Symbol('s')]) {
        assert.throws(() => driver.query('SELECT ?', value as never), RangeError, String(value));
      }
      await driver.close();
    });
  });

  describe('lock', () => {
    it('is held against a second store of this process', async () => {
      await open();
      const started = performance.now();
      await fails('LOCKED', /another daemon/, open());
      tellTime('a store that is locked was given up', performance.now() - started, 2_000);
    });

    it('is held against another process, and given back when that ends', async () => {
      await (await open()).store.close();
      const script = `
        const { Database } = require(${JSON.stringify(createRequire(import.meta.url).resolve('sqlite3'))});
        const db = new Database(process.argv[1]);
        const sql = 'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; COMMIT';
        db.exec(sql, (error) => console.log(error ?? 'held'));
        setInterval(() => db, 1000);`;
      const child = spawn(process.execPath, ['-e', script, join(folder, 'log.sqlite')]);
      try {
        const [said] = await once(child.stdout, 'data');
        assert.equal(String(said).trim(), 'held');
        await fails('LOCKED', /another daemon/, open());
      } finally {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await open();
    });
  });

  describe('crash and damage', () => {
    it('has everything that was reported durable after a crash', async () => {
      const { image, entries } = await crashed(12);
      const { state } = await open(image);
      assert.deepEqual(state.proof, { whole: true });
      assert.deepEqual(state.tail.map(plain), entries.map(plain));
      assert.deepEqual(state.hardState, { term: 1, vote: 'n1' });
    });

    it('tells the guard before it tells the node', async () => {
      const driven = await open();
      const image = await new Promise<string>((resolve) => {
        driven.store.listen({ durable: () => resolve(crashImage()), fault: assert.ifError });
        driven.append(batch(1, 5, 3), { hardState: { term: 3, vote: 'n2' } });
      });
      rmSync(join(image, 'log.sqlite-wal'));
      const { state } = await open(image);
      notWhole(state, 5, /ends at 0, but 5 was durable/);
      assert.deepEqual(state.hardState, { term: 3, vote: 'n2' });
    });

    const walDamage: [string, (wal: string) => void][] = [
      ['cut in half', (wal) => truncateSync(wal, statSync(wal).size >> 1)],
      ['with one bit flipped in the middle', (wal) => flipBit(wal, statSync(wal).size >> 1)],
      ['lost', (wal) => rmSync(wal)],
    ];
    for (const [what, damage] of walDamage) {
      it(`notices a WAL ${what}, until it is whole again`, async () => {
        const { image, entries } = await crashed(12);
        damage(join(image, 'log.sqlite-wal'));
        const first = await open(image);
        const { lastIndex } = first.state;
        assert.ok(lastIndex < 12);
        notWhole(first.state, 12, new RegExp(`ends at ${lastIndex}, but 12 was durable`));
        assert.deepEqual(first.state.tail.map(plain), entries.slice(0, lastIndex).map(plain));
        await first.store.close();

        const second = await open(image);
        notWhole(second.state, 12, /but 12 was durable/);
        await second.settled(second.append(batch(lastIndex + 1, 12 - lastIndex, 2)));
        await second.store.close();

        const third = await open(image);
        assert.equal(third.state.lastIndex, 12);
        notWhole(third.state, 12, /but 12 was durable/);
        third.store.markWhole();
        await third.store.close();
        assert.deepEqual((await open(image)).state.proof, { whole: true });
      });
    }

    it('notices a log that went back to what it was before a truncation', async () => {
      const driven = await open();
      await driven.settled(driven.append(batch(1, 6, 1)));
      const before = crashImage();
      driven.hash = (await driven.store.hashAt(3)) ?? '';
      await driven.settled(driven.append(batch(4, 3, 2), { truncateFrom: 4 }));
      await guardReaches(6);
      cpSync(join(folder, 'guard'), join(before, 'guard'));
      const { state } = await open(before);
      assert.equal(state.lastIndex, 6);
      notWhole(state, 6, /entry 6 is not the one that was durable/);
    });

    it('is whole after a crash between the commit of a truncation and the guard', async () => {
      const driver = await SqliteDriver.open(prepareFolder(folder));
      const incarnation = newIncarnation();
      await prepareDatabase(driver, incarnation);
      const guard = new GuardFile(folder, assert.ifError);
      const table = await LogTable.open(driver);
      const writer = new LogWriter(table, guard, {
        incarnation,
        shape: new LogShape(),
        relies: false,
        hardState: { term: 0, vote: '' },
        damage: undefined,
      });
      const entries = batch(1, 6, 1);
      sealEntries(entries, ZERO_HASH);
      const write = {
        hardState: undefined,
        truncateFrom: undefined,
        reset: undefined,
        previousHash: ZERO_HASH,
      };
      await writer.commit({ ...write, entries });
      const commit = table.commit.bind(table);
      let image = '';
      table.commit = async () => {
        await commit();
        image = crashImage();
      };
      await writer.commit({ ...write, truncateFrom: 4, entries: [] });
      guard.close();
      await driver.close();
      const { state } = await open(image);
      assert.deepEqual(state.proof, { whole: true });
      assert.deepEqual(state.tail.map(plain), entries.slice(0, 3).map(plain));
    });

    it('takes the newer term and vote, and knows that the log forgot them', async () => {
      const driven = await open();
      await driven.settled(driven.append(batch(1, 2, 1), { hardState: { term: 1, vote: 'n1' } }));
      const before = crashImage();
      const vote = { hardState: { term: 7, vote: 'n3' }, previousHash: ZERO_HASH, entries: [] };
      await driven.settled(driven.store.write(vote));
      cpSync(join(folder, 'guard'), join(before, 'guard'));
      const { state } = await open(before);
      assert.deepEqual(state.hardState, { term: 7, vote: 'n3' });
      notWhole(state, 2, /knows term 1, but 7 was durable/);
    });

    it('cuts the log back to the last row that its hash proves', async () => {
      const { image, entries } = await crashed(12);
      await (await open(image)).store.close();
      flipIn(join(image, 'log.sqlite'), entries[8]?.command);
      const first = await open(image);
      assert.equal(first.state.lastIndex, 8);
      assert.deepEqual(first.state.tail.map(plain), entries.slice(0, 8).map(plain));
      assert.equal(first.state.lastHash, entries[7]?.hash);
      notWhole(first.state, 12, /entries from 9 on are damaged/);
      await first.settled(first.append(batch(9, 1, 1)));
      await first.store.close();
      const again = await open(image);
      assert.equal(again.state.lastIndex, 9);
      notWhole(again.state, 12, /damaged/);
    });

    it('cuts the log back where two rows do not follow each other', async () => {
      const { image, entries } = await crashed(12);
      await (await open(image)).store.close();
      const driver = await SqliteDriver.open(join(image, 'log.sqlite'));
      await driver.exec('DELETE FROM log WHERE first_index = 5');
      await driver.close();
      const { state } = await open(image);
      assert.deepEqual(state.tail.map(plain), entries.slice(0, 4).map(plain));
      assert.deepEqual(state.runs, [{ term: 1, first: 1, last: 4 }]);
      notWhole(state, 12, /entries from 5 on/);
    });

    it('checks old rows when they are read, and all of them at the start after one was bad', async () => {
      const first = await open();
      const entries = batch(1, 70, 1, 1024 * 1024 - 100);
      for (const entry of entries) await first.settled(first.append([entry]));
      await first.store.close();
      flipIn(join(folder, 'log.sqlite'), entries[1]?.command.subarray(-2000));

      const second = await open();
      assert.deepEqual(second.state.proof, { whole: true }, 'only the newest rows are checked');
      assert.ok(second.state.tail.length >= 7 && second.state.tail.length <= 8);
      assert.equal((await second.store.read(1, 1, 1)).length, 1);
      await fails('FAULT', /entries 2 to 2 do not match their chain hash/, second.store.read(2, 2, 1));
      assert.deepEqual(
        second.faults.map(({ kind }) => kind),
        ['FAULT'],
      );
      await fails('FAULT', /chain hash/, second.store.read(1, 1, 1));
      assert.throws(() => second.append(batch(71, 1, 1)), StoreError);
      await second.store.close();

      const third = await open();
      assert.equal(third.state.lastIndex, 1);
      notWhole(third.state, 70, /entries from 2 on are damaged/);
    });

    it('selects nothing from a damaged row, and what is before it all the same', async () => {
      const first = await open();
      const entries = batch(1, 70, 1, 1024 * 1024 - 100);
      for (const entry of entries) await first.settled(first.append([entry]));
      await first.store.close();
      flipIn(join(folder, 'log.sqlite'), entries[2]?.command.subarray(-2000));

      const second = await open();
      const before = await second.store.select(1, 70, () => false);
      assert.deepEqual([before.through, before.entries], [1, []]);
      assert.equal((await second.store.select(2, 70, () => true)).entries[0]?.index, 2);
      await fails(
        'FAULT',
        /entries 3 to 3 do not match their chain hash/,
        second.store.select(3, 70, () => false),
      );
    });

    it('uses the other slot of the guard when one is torn', async () => {
      for (const slot of [0, 1]) {
        const { image } = await crashed(3);
        flipBit(join(image, 'guard'), slot * 4096 + 50);
        const { state } = await open(image);
        assert.deepEqual(state.proof, { whole: true });
        assert.equal(state.lastIndex, 3);
        await opened.shift()?.close();
        rmSync(folder, { recursive: true });
      }
    });

    it('does not trust a log without a guard', async () => {
      const { image } = await crashed(3);
      const torn = crashImage();
      for (const slot of [0, 1]) flipBit(join(torn, 'guard'), slot * 4096 + 50);
      rmSync(join(image, 'guard'));
      for (const at of [image, torn]) {
        const { state } = await open(at);
        notWhole(state, 3, /the guard file is missing or cannot be read/);
        assert.deepEqual(state.hardState, { term: 1, vote: 'n1' });
      }
    });

    it('remembers term, vote and identity without a database, but no entries', async () => {
      const { image } = await crashed(3);
      for (const name of ['log.sqlite', 'log.sqlite-wal']) rmSync(join(image, name));
      const { state } = await open(image);
      notWhole(state, 3, /ends at 0, but 3 was durable/);
      assert.deepEqual(state.hardState, { term: 1, vote: 'n1' });
      assert.equal(state.incarnation, opened[0] && (await incarnationOf(folder)));
      assert.equal(state.fresh, false);
      await opened.at(-1)?.close();
      assert.deepEqual((await open(image)).state.hardState, { term: 1, vote: 'n1' });
    });

    it('refuses to start on a damaged guard alone', async () => {
      const { image } = await crashed(3);
      for (const name of ['log.sqlite', 'log.sqlite-wal']) rmSync(join(image, name));
      for (const slot of [0, 1]) flipBit(join(image, 'guard'), slot * 4096 + 50);
      await fails('FAULT', /add it under a new id/, open(image));
    });

    it('refuses a guard of another folder', async () => {
      const { image } = await crashed(3);
      const other = join(root, 'other');
      await (await open(other)).store.close();
      cpSync(join(other, 'guard'), join(image, 'guard'));
      await fails('FAULT', /two different data folders/, open(image));
    });
  });

  it('stops for good at the first fault: one report, nothing durable, nothing read', async () => {
    const driven = await open();
    await driven.settled(driven.append(batch(1, 3, 1)));
    driven.hash = 'x'.repeat(32); // Not the hash at 1, which only the disk knows after the truncation.
    const fault = new Promise<StoreError>((resolve) => {
      driven.store.listen({ durable: (sequence) => driven.durable.push(sequence), fault: resolve });
    });
    driven.append(batch(2, 1, 2), { truncateFrom: 2 });
    driven.append(batch(3, 1, 2));
    const read = driven.store.read(1, 1, 1);
    const { kind, sequence } = await fault;
    assert.deepEqual([kind, sequence], ['FAULT', 2]);
    await fails('FAULT', /do not continue the log/, read);
    assert.throws(() => driven.append(batch(4, 1, 2)), /do not continue the log/);
    await fails('FAULT', /do not continue the log/, driven.store.hashAt(1));
    await driven.store.close();
    assert.deepEqual(driven.durable, [1]);
    const { state } = await open(crashImage());
    assert.equal(state.lastIndex, 3);
    assert.deepEqual(state.proof, { whole: true });
  });

  describe('full disk', () => {
    let disk: string;
    before(function () {
      disk = mkdtempSync(join(TEMPORARY, 'outrigger-full-'));
      const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]);
      if (status === 0) return;
      console.warn(`      SKIPPED: a small disk cannot be mounted here (${String(stderr).trim()})`);
      this.skip();
    });
    after(() => {
      spawnSync('umount', [disk]);
      rmSync(disk, { recursive: true });
    });

    it('refuses writes, reads on, and takes writes again when there is room', async () => {
      const driven = await open(join(disk, 'data'));
      writeFileSync(join(disk, 'filler'), Buffer.alloc(1300 * 1024));
      const fault = new Promise<StoreError>((resolve) => {
        driven.store.listen({
          durable: (sequence) => {
            driven.durable.push(sequence);
            if (driven.faults.length === 0) driven.append(batch(driven.last + 1, 1, 1, 60_000));
          },
          fault: (error) => {
            driven.faults.push(error);
            resolve(error);
          },
        });
      });
      driven.append(batch(1, 1, 1, 60_000));
      const { kind, sequence } = await fault;
      const kept = driven.durable.length;
      assert.ok(kept > 0);
      assert.deepEqual([kind, sequence], ['NO_SPACE', kept + 1]);
      assert.throws(() => driven.append(batch(kept + 1, 1, 1)), /disk is full/);
      const entries = await everything(driven.store, kept);
      assert.deepEqual(
        entries.map(({ index }) => index),
        driven.durable,
      );
      await fails('NO_SPACE', /disk is full/, driven.store.resume());

      rmSync(join(disk, 'filler'));
      await driven.store.resume();
      driven.hash = entries.at(-1)?.hash ?? '';
      assert.equal(driven.append(batch(kept + 1, 1, 1)), kept + 2, 'numbers go on');
      await driven.store.close();
      assert.equal(driven.durable.at(-1), kept + 2);
      assert.equal(driven.faults.length, 1);

      const again = await open(join(disk, 'data'));
      assert.deepEqual(again.state.proof, { whole: true });
      assert.equal(again.state.lastIndex, kept + 1);
      await again.store.close();
      rmSync(join(disk, 'data'), { recursive: true });
    });

    it('refuses what comes while it finds out with the rest, and for the same reason', async () => {
      const store = new SqliteStore({ folder: join(disk, 'busy'), reserveBytes: 4096 });
      opened.push(store);
      const driven = await new Driven(store).open();
      const filler = join(disk, 'filler');
      fillUp(filler);
      const faults: StoreError[] = [];
      store.listen({ durable: () => undefined, fault: (error) => void faults.push(error) });
      const first = driven.append(batch(1, 1, 1, 400_000));
      for (let term = 1; faults.length === 0; term++) {
        store.write({ hardState: { term, vote: '' }, previousHash: ZERO_HASH, entries: [] });
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.deepEqual(
        faults.map(({ kind, sequence }) => [kind, sequence]),
        [['NO_SPACE', first]],
      );
      const write = { hardState: { term: 9_999_999, vote: '' }, previousHash: ZERO_HASH, entries: [] };
      assert.throws(() => store.write(write), { kind: 'NO_SPACE' });
      await store.close();
      rmSync(filler);
      rmSync(join(disk, 'busy'), { recursive: true });
    });

    it('gives its reserve back, and takes no writes before there is room for it and as much beside it', async () => {
      const reserveBytes = 200 * 1024;
      const data = join(disk, 'reserved');
      const reserve = join(data, 'reserve');
      const filler = join(disk, 'filler');
      const store = new SqliteStore({ folder: data, reserveBytes });
      opened.push(store);
      const driven = await new Driven(store).open();
      assert.equal(statSync(reserve).size, reserveBytes);
      fillUp(filler);
      const fault = new Promise<StoreError>((resolve) => {
        driven.store.listen({ durable: () => undefined, fault: resolve });
      });
      driven.append(batch(1, 1, 1, 400_000));
      assert.equal((await fault).kind, 'NO_SPACE');
      assert.equal(existsSync(reserve), false);
      // What it gave back is not enough to begin again.
      await fails('NO_SPACE', /no space for the reserve/, store.resume());
      assert.equal(existsSync(reserve), false);

      rmSync(filler);
      await store.resume();
      assert.equal(statSync(reserve).size, reserveBytes);
      await store.close();

      // A disk that is full at a start is no reason not to start.
      rmSync(reserve);
      fillUp(filler);
      const again = new SqliteStore({ folder: data, reserveBytes });
      opened.push(again);
      assert.deepEqual((await again.open()).proof, { whole: true });
      assert.equal(existsSync(reserve), false);
      await again.close();
      rmSync(filler);
    });

    it('keeps no reserve on a disk of less than eight of it, and goes on there once there is room', async () => {
      const data = join(disk, 'small');
      const filler = join(disk, 'filler');
      const store = new SqliteStore({ folder: data, reserveBytes: 300 * 1024 });
      opened.push(store);
      const driven = await new Driven(store).open();
      assert.equal(existsSync(join(data, 'reserve')), false);
      fillUp(filler);
      const fault = new Promise<StoreError>((resolve) => {
        driven.store.listen({ durable: () => undefined, fault: resolve });
      });
      driven.append(batch(1, 1, 1, 400_000));
      assert.equal((await fault).kind, 'NO_SPACE');

      rmSync(filler);
      await store.resume();
      assert.equal(existsSync(join(data, 'reserve')), false);
      await store.close();
    });
  });
});

/** A file that takes what is left of a disk. */
function fillUp(path: string): void {
  const { status } = spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=4096']);
  assert.equal(status, 1, 'the disk did not become full');
}

/** What a folder that is open says of itself, from its guard file. */
async function incarnationOf(folder: string): Promise<string> {
  return readFileSync(join(folder, 'guard')).toString('hex', 16, 32);
}

function flipBit(path: string, at: number): void {
  const content = readFileSync(path);
  content[at] = (content[at] ?? 0) ^ 1;
  writeFileSync(path, content);
}

/** Flips one bit in the only place of the file that holds `needle`. */
function flipIn(path: string, needle: Uint8Array = new Uint8Array()): void {
  // An entry may be spread over several pages: its last bytes are on one.
  const tail = Buffer.from(needle.subarray(-40));
  const at = readFileSync(path).indexOf(tail);
  assert.ok(at > 0, 'the bytes are not in the file');
  flipBit(path, at);
}
