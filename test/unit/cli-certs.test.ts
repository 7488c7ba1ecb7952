/** `outrigger certs`: what it makes, that it overwrites nothing, and its complaints. */
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeOf, readNames } from '../../shared/node-certificate.ts';
import { createCa, createNode } from '../../sidecar/cli/certs/folder.ts';
import { CliError } from '../../sidecar/cli/errors.ts';
import { checkCredentials, readCertificateFiles } from '../../sidecar/tls/credentials.ts';

describe('certs', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'outrigger-certs-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  const complaint = async (act: Promise<unknown>): Promise<string> => {
    const error = await act.then(
      () => assert.fail('it was done'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof CliError, String(error));
    return error.message;
  };
  const text = (name: string): Promise<string> => readFile(join(dir, name), 'utf8');

  it('makes a CA that issues, and a node that issues nothing', async () => {
    await createCa(dir, 'orders', 3_650);
    const made = await createNode(dir, dir, 'n1', ['10.0.0.1', 'n1.example.org'], 90);
    assert.equal(made.cluster, 'orders');
    const [ca, node] = [new X509Certificate(await text('ca.crt')), new X509Certificate(await text('n1.crt'))];
    assert.ok(ca.ca && ca.verify(ca.publicKey));
    assert.ok(!node.ca && node.checkIssued(ca) && node.verify(ca.publicKey));
    assert.ok(node.checkPrivateKey(createPrivateKey(await text('n1.key'))));
    assert.deepEqual(nodeOf(readNames(node.subjectAltName)), { cluster: 'orders', node: 'n1' });
    const files = { ca: join(dir, 'ca.crt'), cert: made.cert, key: made.key };
    const purpose = { node: { cluster: 'orders', node: 'n1' } };
    const checked = checkCredentials(await readCertificateFiles(files), files, purpose, Date.now());
    assert.ok(Math.abs(checked.notAfter - made.notAfter.getTime()) < 1_000);
  });

  it('keeps keys to their owner', async function () {
    if (process.platform === 'win32') this.skip();
    await createCa(dir, 'orders', 10);
    await createNode(dir, dir, 'n1', [], 5);
    for (const key of ['ca.key', 'n1.key']) assert.equal((await stat(join(dir, key))).mode & 0o777, 0o600);
  });

  it('overwrites nothing, and leaves no half of a pair', async () => {
    await createCa(dir, 'orders', 10);
    const before = await text('ca.key');
    assert.match(
      await complaint(createCa(dir, 'other', 10)),
      /ca\.crt is there already, and nothing is overwritten/,
    );
    assert.equal(await text('ca.key'), before);
    await writeFile(join(dir, 'n1.crt'), 'mine');
    assert.match(await complaint(createNode(dir, dir, 'n1', [], 5)), /n1\.crt is there already/);
    assert.equal(await text('n1.crt'), 'mine');
    await assert.rejects(stat(join(dir, 'n1.key')));
    const out = join(dir, 'new');
    await createNode(dir, out, 'n1', [], 5);
    await stat(join(out, 'n1.key'));
  });

  it('says what is missing or wrong', async () => {
    assert.match(
      await complaint(createNode(dir, dir, 'n1', [], 5)),
      /there is no CA in .*: make one with `outrigger certs ca/,
    );
    await createCa(dir, 'orders', 10);
    assert.match(
      await complaint(createNode(dir, dir, 'n1', [], 90)),
      /longer than the CA in .* lives: at most (9|10) now\.$/,
    );
    await writeFile(join(dir, 'ca.key'), 'no key');
    assert.match(await complaint(createNode(dir, dir, 'n1', [], 5)), /cannot be used/);
  });
});
