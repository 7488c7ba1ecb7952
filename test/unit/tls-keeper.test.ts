/** A certificate kept: what is taken, what is refused, what is said before and after its end. Files are looked at when the test says so. */
import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeUri } from '../../shared/node-certificate.ts';
import { issueNode } from '../../sidecar/cli/certs/issue.ts';
import { Certificates } from '../../sidecar/tls/certificates.ts';
import { CertificateError, checkCredentials } from '../../sidecar/tls/credentials.ts';
import { CertificateKeeper } from '../../sidecar/tls/keeper.ts';
import { DAY_MS, period, TestCa, writeIssued } from '../support/certificates.ts';

const NODE = { cluster: 'c', node: 'n1' };

describe('tls: a certificate kept', () => {
  const ca = new TestCa('c');
  let folder: string;
  let now: number;
  let news: string[];
  let changes: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'outrigger-tls-'));
    await writeFile(join(folder, 'ca.crt'), ca.issued.cert);
    await writeIssued(folder, 'n1', ca.node('n1'));
    now = Date.now();
    news = [];
    changes = 0;
  });
  afterEach(() => rm(folder, { recursive: true }));

  const files = () => ({
    ca: join(folder, 'ca.crt'),
    cert: join(folder, 'n1.crt'),
    key: join(folder, 'n1.key'),
  });

  async function keeper(): Promise<CertificateKeeper> {
    const opened = await CertificateKeeper.open({
      ...{ files: files(), uses: ['PEERS', 'HTTP'], purpose: { node: NODE } },
      news: (what, sentence) => news.push(`${what} ${sentence}`),
      now: () => now,
    });
    opened.onChange(() => {
      changes++;
    });
    return opened;
  }
  const look = async (kept: CertificateKeeper, times = 2): Promise<void> => {
    for (let at = 0; at < times; at++) await kept.look();
  };

  it('takes new files once two looks saw the same', async () => {
    const kept = await keeper();
    const before = kept.current();
    const next = ca.node('n1');
    await writeIssued(folder, 'n1', next);
    await look(kept, 1);
    assert.equal(kept.current(), before);
    await look(kept, 1);
    assert.equal(kept.current().cert, next.cert);
    await look(kept, 3);
    assert.deepEqual([changes, news.length], [1, 1]);
    assert.match(news[0] ?? '', /^RENEWED .*n1\.crt was read anew/);
  });

  it('says nothing of files that are replaced one after the other', async () => {
    const kept = await keeper();
    const next = ca.node('n1');
    await writeFile(files().cert, next.cert);
    await look(kept, 1);
    await rm(files().key);
    await look(kept, 1);
    await writeFile(files().key, next.key, { mode: 0o600 });
    await look(kept);
    assert.equal(kept.current().cert, next.cert);
    assert.equal(news.length, 1);
  });

  it('keeps the old one, and says once why the new files are not used', async () => {
    const kept = await keeper();
    const before = kept.current();
    const bad: readonly [RegExp, () => Promise<unknown>][] = [
      [/of the node n2, not of n1/, () => writeIssued(folder, 'n1', ca.node('n2'))],
      [/does not belong to/, () => writeFile(files().cert, ca.node('n1').cert)],
      [/was not made by a CA in/, () => writeIssued(folder, 'n1', new TestCa('c', 'x').node('n1'))],
      [/there is no such file/, () => rm(files().key)],
      [/larger than/, () => writeFile(files().cert, 'x'.repeat(300_000))],
    ];
    for (const [at, [why, write]] of bad.entries()) {
      await write();
      await look(kept, 4);
      assert.equal(news.length, at + 1, news.join('\n'));
      assert.match(news[at] ?? '', /^REFUSED new files are not used, the old certificate stays: /);
      assert.match(news[at] ?? '', why);
      assert.match(kept.status()[0]?.reason ?? '', why);
    }
    assert.deepEqual([kept.current(), changes], [before, 0]);
    await writeIssued(folder, 'n1', { cert: before.cert, key: before.key });
    await look(kept);
    assert.equal(kept.status()[0]?.reason, '', 'the old files are back');
    assert.equal(news.length, bad.length);
  });

  it('warns 14 days ahead, daily, and says when it is over; a new one ends that', async () => {
    const kept = await keeper();
    await look(kept);
    assert.deepEqual(news, []);
    now = kept.current() && kept.status()[0] ? (kept.status()[0]?.notAfter ?? 0) - 13 * DAY_MS : 0;
    await look(kept, 5);
    assert.equal(news.length, 1);
    assert.match(news[0] ?? '', /^EXPIRING .*n1\.crt ends .*: put a new one in its place$/);
    assert.equal(kept.status()[0]?.state, 'EXPIRING');
    now += DAY_MS;
    await look(kept, 2);
    assert.equal(news.length, 2);
    now += 12.5 * DAY_MS;
    await look(kept, 2);
    assert.match(news[2] ?? '', /^EXPIRED .* new connections are refused/);
    assert.deepEqual(
      kept.status().map(({ use, state }) => [use, state]),
      [
        ['PEERS', 'EXPIRED'],
        ['HTTP', 'EXPIRED'],
      ],
    );
    await writeIssued(folder, 'n1', ca.node('n1', period(50, 200)));
    await look(kept, 2);
    assert.match(news[3] ?? '', /^RENEWED/);
    assert.equal(kept.status()[0]?.state, 'VALID');
  });

  it('ends with the CA where that ends first', async () => {
    await writeIssued(folder, 'n1', ca.node('n1', period(-1, 1_000)));
    const kept = await keeper();
    assert.ok(kept.msLeft < 366 * DAY_MS && kept.msLeft > 364 * DAY_MS);
  });

  it('takes two CAs while one takes the place of the other', async () => {
    const next = new TestCa('c', 'next');
    await writeFile(files().ca, ca.issued.cert + next.issued.cert);
    await writeIssued(folder, 'n1', next.node('n1'));
    await keeper();
  });

  it('says which of the files is wrong', () => {
    const both = issueNode(
      { name: ca.name, key: createPrivateKey(ca.issued.key) },
      { name: 'n1', uri: nodeUri(NODE), hosts: [], ...period(-1, 1) },
    );
    const raw = { ...both, ca: ca.issued.cert };
    checkCredentials(raw, files(), { node: NODE }, now);
    assert.throws(
      () => checkCredentials({ ...raw, ca: 'none' }, files(), { node: NODE }, now),
      CertificateError,
    );
    assert.throws(
      () => checkCredentials({ ...raw, key: 'none' }, files(), { node: NODE }, now),
      /holds no private key/,
    );
  });

  it('knows by which CA local clients check HTTP', async () => {
    const open = (http?: { cert: string; key: string }) =>
      Certificates.open(
        { ca: files().ca, peers: files(), ...(http === undefined ? {} : { http }) },
        NODE,
        () => undefined,
      );
    assert.equal((await open()).httpCa, files().ca);
    const same = await writeIssued(folder, 'web', ca.node('web', { uri: '' }));
    assert.equal((await open(same)).httpCa, files().ca);
    const foreign = await writeIssued(folder, 'public', new TestCa('c', 'public').node('web', { uri: '' }));
    const opened = await open(foreign);
    assert.equal(opened.httpCa, undefined);
    const lost = Certificates.open({ ca: join(folder, 'none'), http: same }, NODE, () => undefined);
    await assert.rejects(
      lost,
      /^CertificateError: the CA file .*none cannot be read: there is no such file$/,
    );
    assert.deepEqual(
      opened.status().map(({ use }) => use),
      ['PEERS', 'HTTP'],
    );
  });
});
