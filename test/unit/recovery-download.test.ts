/** The file of a snapshot on its way to a backup: cut off, replaced meanwhile, and held on the disk of its node. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ORIGIN } from '../../shared/entry.ts';
import { Client } from '../../sidecar/cli/client.ts';
import { download } from '../../sidecar/cli/recovery/download.ts';
import { SnapshotGiver } from '../../sidecar/node/snapshots/giver.ts';
import { type Snapshot, SnapshotFolder } from '../../sidecar/store/snapshots/folder.ts';
import { TEMPORARY } from './store-support.ts';

describe('the file of a snapshot, downloaded', () => {
  let root: string;
  let server: Server | undefined;

  beforeEach(() => {
    root = mkdtempSync(join(TEMPORARY, 'outrigger-download-'));
  });

  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
    server = undefined;
    rmSync(root, { recursive: true });
  });

  /** Answers each request with the file that `which` says, cut off after so many bytes. */
  async function serve(which: (request: number) => { bytes: Buffer; digest: string; cutAfter: number }) {
    const offsets: number[] = [];
    server = createServer((request, response) => {
      const offset = Number(new URL(request.url ?? '', 'http://x').searchParams.get('offset'));
      const { bytes, digest, cutAfter } = which(offsets.push(offset));
      response.setHeader('Content-Length', bytes.length - offset);
      response.setHeader('Outrigger-Snapshot-Bytes', bytes.length);
      response.setHeader('Outrigger-Snapshot-Digest', digest);
      const part = bytes.subarray(offset, offset + cutAfter);
      if (offset + part.length === bytes.length) response.end(part);
      else response.write(part, () => response.destroy());
    });
    const listening = server;
    await new Promise<void>((done) => listening.listen(0, '127.0.0.1', done));
    const tokenFile = join(root, 'tokens.json');
    const token = 'a'.repeat(43);
    writeFileSync(tokenFile, JSON.stringify({ view: `${token}v`, write: `${token}w`, admin: `${token}a` }), {
      mode: 0o600,
    });
    const http = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
    const path = join(root, 'file');
    const file = await open(path, 'wx');
    try {
      return { digest: await download(new Client({ name: 'n1', http, tokenFile }), 7, file), offsets, path };
    } finally {
      await file.close();
    }
  }

  it('goes on where the connection was cut', async () => {
    const bytes = randomBytes(100_000);
    const digest = 'aa'.repeat(32);
    const got = await serve((request) => ({ bytes, digest, cutAfter: request < 3 ? 40_000 : 100_000 }));
    assert.equal(got.digest, digest);
    assert.ok(readFileSync(got.path).equals(bytes));
    assert.deepEqual([got.offsets[0], got.offsets.length], [0, 3]);
    assert.ok((got.offsets[1] ?? 0) > 0);
  });

  it('begins again where another snapshot took its place', async () => {
    const [one, two] = [randomBytes(60_000), randomBytes(60_000)];
    const got = await serve((request) =>
      request === 1
        ? { bytes: one, digest: 'aa'.repeat(32), cutAfter: 20_000 }
        : { bytes: two, digest: 'bb'.repeat(32), cutAfter: 60_000 },
    );
    assert.equal(got.digest, 'bb'.repeat(32));
    assert.ok(readFileSync(got.path).equals(two));
  });

  it('gives up on a node that brings nothing', async () => {
    const bytes = randomBytes(100);
    await assert.rejects(
      serve(() => ({ bytes, digest: 'aa'.repeat(32), cutAfter: 0 })),
      /n1/,
    );
  });

  it('is kept on the disk while it is read, and is the same file to the end', async () => {
    const folder = await SnapshotFolder.open(root);
    const snapshot = await take(folder);
    const giver = new SnapshotGiver(folder, {
      bytesPerSecond: 2 ** 40,
      send: () => assert.fail(),
      wanted: assert.fail,
      usable: () => Promise.resolve(true),
      fault: assert.fail,
    });
    const expected = readFileSync(join(root, 'snapshots', '5-1.snap'));
    const pieces: Buffer[] = [];
    assert.equal(giver.inUse(snapshot, performance.now()), false);
    for await (const piece of giver.read(snapshot, 10)) {
      if (pieces.push(piece) > 1) continue;
      assert.deepEqual([giver.inUse(snapshot, performance.now()), giver.readers], [true, 1]);
      // Nobody does that while it is in use; the reader would not even notice.
      await folder.strip(snapshot);
    }
    assert.ok(Buffer.concat(pieces).equals(expected.subarray(10)));
    assert.ok(pieces.length > 2);
    const now = performance.now();
    assert.deepEqual(
      [giver.readers, giver.inUse(snapshot, now), giver.inUse(snapshot, now + 1e6)],
      [0, true, false],
    );
  });

  async function take(folder: SnapshotFolder): Promise<Snapshot> {
    const writer = await folder.begin();
    await writer.add(randomBytes(1_500_000));
    const membership = { voters: ['n1'], outgoing: [], learners: [] };
    const own = {
      ...{ cluster: 'orders', node: 'n1', point: { ...ORIGIN, index: 5, term: 1 } },
      ...{ config: { index: 0, membership }, sessions: Buffer.from('s'), replies: Buffer.from('r') },
    };
    return folder.keep(writer, own, { format: 'test', full: true, sha256: writer.appDigest() });
  }
});
