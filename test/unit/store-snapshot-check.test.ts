/** What a start believes of log and snapshots together. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChainHash, type Entry, ORIGIN } from '../../shared/entry.ts';
import { SqliteStore } from '../../sidecar/store/sqlite-store.ts';
import { batch, Driven } from './store-support.ts';

const END = 20;

describe('log and snapshots at a start', () => {
  let folder: string;
  const open: SqliteStore[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'outrigger-check-'));
  });

  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(): Promise<{ store: SqliteStore; driven: Driven }> {
    const store = new SqliteStore({ folder });
    open.push(store);
    return { store, driven: await new Driven(store).open() };
  }

  async function keep(store: SqliteStore, { index, term, time, hash }: Entry, full: boolean): Promise<void> {
    const writer = await store.snapshots.begin();
    if (full) await writer.add(Buffer.from('state'));
    const own = {
      ...{ cluster: 'c', node: 'n1', point: { index, term, time, hash: hash as ChainHash } },
      config: { index: 0, membership: { voters: ['n1'], outgoing: [], learners: [] } },
      ...{ sessions: Buffer.alloc(0), replies: Buffer.alloc(0) },
    };
    await store.snapshots.keep(writer, own, { format: '', full, sha256: writer.appDigest() });
  }

  /** A log that begins behind 5, and snapshots of 5 and 15: full ones or bare ones, as said. */
  async function fill(first: boolean, second: boolean): Promise<{ store: SqliteStore; driven: Driven }> {
    const { store, driven } = await start();
    const entries = batch(1, END, 1);
    // A row for each write: only whole ones are dropped.
    for (let at = 0; at < END; at += 5) await driven.settled(driven.append(entries.slice(at, at + 5)));
    const [fifth, fifteenth] = [entries[4], entries[14]] as [Entry, Entry];
    await keep(store, fifth, first);
    await keep(store, fifteenth, second);
    store.compact({ index: 5, term: 1, time: fifth.time, hash: fifth.hash as ChainHash }, first || second);
    // Behind it in the queue.
    await store.rememberDisk('n2', '');
    return { store, driven };
  }

  const indexes = ({ snapshots }: SqliteStore): number[] => snapshots.all.map(({ meta }) => meta.point.index);

  it('goes on with both where they fit', async () => {
    await (await fill(true, true)).store.close();
    const { store, driven } = await start();
    assert.deepEqual([driven.state.base.index, driven.state.lastIndex, indexes(store)], [5, END, [5, 15]]);
  });

  it('drops a snapshot without state that says more than the log has', async () => {
    const { store, driven } = await fill(false, false);
    await driven.settled(store.write({ previousHash: driven.hash, truncateFrom: 10, entries: [] }));
    await store.close();
    const again = await start();
    assert.deepEqual([again.driven.state.lastIndex, indexes(again.store)], [9, [5]]);
  });

  it('begins with one that has the state where the log ends before it', async () => {
    const { store, driven } = await fill(false, true);
    await driven.settled(store.write({ previousHash: driven.hash, truncateFrom: 10, entries: [] }));
    await store.close();
    const again = await start();
    const { base, lastIndex } = again.driven.state;
    assert.deepEqual([base.index, lastIndex, indexes(again.store)], [15, 15, [5, 15]]);
  });

  it('begins empty, without a snapshot and without its vote, where what the log relied on is gone', async () => {
    const { store } = await fill(true, false);
    const [relied] = store.snapshots.full;
    assert.ok(relied);
    await store.snapshots.remove(relied);
    await store.close();
    const again = await start();
    const { base, lastIndex, proof } = again.driven.state;
    assert.deepEqual([base, lastIndex, indexes(again.store)], [ORIGIN, 0, []]);
    assert.ok(!proof.whole && /no snapshot on this disk has what came before/.test(proof.reason));
  });
});
