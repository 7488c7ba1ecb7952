/** The snapshots of a data folder: which of them may be given to somebody. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ZERO_HASH } from '../../shared/entry.ts';
import { type Snapshot, SnapshotFolder } from '../../sidecar/store/snapshots/folder.ts';
import { SnapshotGone } from '../../sidecar/store/snapshots/turns.ts';

const APP_BYTES = Buffer.alloc(3_000_000, 'state ');

describe('the snapshots of a data folder', () => {
  let data: string;
  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'outrigger-snapshots-'));
  });
  afterEach(() => rmSync(data, { recursive: true, force: true }));

  async function take(folder: SnapshotFolder, index: number): Promise<Snapshot> {
    const writer = await folder.begin();
    await writer.add(APP_BYTES);
    const own = {
      ...{ cluster: 'c', node: 'n1', point: { index, term: 1, time: 5, hash: ZERO_HASH } },
      config: { index: 0, membership: { voters: ['n1'], outgoing: [], learners: [] } },
      ...{ sessions: Buffer.from('sessions'), replies: Buffer.from('replies') },
    };
    return folder.keep(writer, own, { format: '', full: true, sha256: writer.appDigest() });
  }

  function damage(index: number, at: number): void {
    const path = join(data, 'snapshots', `${index}-1.snap`);
    const bytes = readFileSync(path);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  }

  it('may be given on when they are what was written, before and after a start', async () => {
    const folder = await SnapshotFolder.open(data);
    assert.equal(await folder.usable(await take(folder, 7)), true);
    const again = await SnapshotFolder.open(data);
    const [found] = again.all as [Snapshot];
    assert.deepEqual(await Promise.all([again.usable(found), again.usable(found)]), [true, true]);
    assert.deepEqual(readdirSync(join(data, 'snapshots')), ['7-1.snap']);
  });

  it("are gone, and nobody's, when the app's bytes are not what was written", async () => {
    const before = await SnapshotFolder.open(data);
    await take(before, 7);
    await take(before, 9);
    damage(9, APP_BYTES.length / 2);
    const folder = await SnapshotFolder.open(data);
    // A start does not read all of it.
    assert.deepEqual(folder.damaged, []);
    const [older, newest] = folder.all as [Snapshot, Snapshot];
    assert.deepEqual(await Promise.all([folder.usable(newest), folder.usable(newest)]), [false, false]);
    assert.equal(await folder.usable(older), true);
    assert.deepEqual(folder.all, [older]);
    assert.deepEqual(readdirSync(join(data, 'snapshots')), ['7-1.snap']);
  });

  it('has its own parts in it, and can be read while it becomes bare, and after', async () => {
    const folder = await SnapshotFolder.open(data);
    const full = await take(folder, 7);
    const reads: Promise<Buffer>[] = [];
    const read = (): void => void reads.push(folder.read(full, 'sessions'), folder.read(full, 'replies'));
    const stripped = folder.strip(full).finally(() => {
      for (let at = 0; at < 5; at++) read();
    });
    for (let at = 0; at < 50; at++) {
      read();
      await new Promise(setImmediate);
    }
    await stripped;
    const texts = (await Promise.all(reads)).map(String);
    assert.deepEqual([...new Set(texts)], ['sessions', 'replies']);
    assert.equal(folder.newest?.meta.full, false);
  });

  it("keeps the app's bytes for who holds them, and to the end for who reads them", async () => {
    const folder = await SnapshotFolder.open(data);
    const full = await take(folder, 7);
    folder.hold(7, Number.POSITIVE_INFINITY);
    await folder.strip(full);
    assert.equal(folder.newestFull?.meta.point.index, 7);
    folder.hold(7, 0);
    const pieces = folder.app(full);
    const first = (await pieces.next()).value as Buffer;
    await folder.strip(full);
    assert.equal(folder.newestFull?.meta.point.index, 7);
    await folder.strip(full, true);
    assert.equal(folder.newestFull, undefined);
    const rest: Buffer[] = [];
    for await (const piece of pieces) rest.push(piece);
    assert.ok(Buffer.concat([first, ...rest]).equals(APP_BYTES));
    await assert.rejects(folder.app(full).next(), SnapshotGone);
    await assert.rejects(folder.chunk(full, 0, 10), SnapshotGone);
    await folder.remove(full);
    await assert.rejects(folder.read(full, 'sessions'), SnapshotGone);
  });
});
