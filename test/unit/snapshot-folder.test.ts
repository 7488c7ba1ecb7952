/** The snapshots of a data folder: which of them may be given to somebody. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ZERO_HASH } from '../../shared/entry.ts';
import { type Snapshot, SnapshotFolder } from '../../sidecar/store/snapshots/folder.ts';

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
});
