/** A gateway's HTTP with TLS, and that it is not off this machine without. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CliError } from '../../sidecar/cli/errors.ts';
import { loadGatewayConfig } from '../../sidecar/cli/gateway-config.ts';
import { fetchFrom } from '../../sidecar/cli/secure-fetch.ts';
import { period, TestCa, writeIssued } from '../support/certificates.ts';
import { GatewayFixture } from '../support/gateway.ts';

describe('gateway: TLS', () => {
  const ca = new TestCa('orders');
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'outrigger-gateway-tls-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('serves HTTPS with a certificate that names no node', async () => {
    const caFile = join(folder, 'ca.crt');
    await writeFile(caFile, ca.issued.cert);
    const httpTls = await writeIssued(folder, 'gw', ca.node('gw', { uri: '' }));
    const fixture = await GatewayFixture.start({ httpTls });
    try {
      const url = new URL('/v1/status', fixture.gateway.http);
      assert.equal(url.protocol, 'https:');
      const asked = { headers: new Headers(), signal: AbortSignal.timeout(60_000) };
      assert.equal((await fetchFrom(url, asked, { ca: caFile })).status, 200);
      await assert.rejects(fetchFrom(url, asked, {}), /unable to|self-signed/);
    } finally {
      await fixture.stop();
    }
  });

  it('does not start with files that cannot work', async () => {
    const httpTls = await writeIssued(folder, 'gw', ca.node('gw', period(-3, -2)));
    await assert.rejects(GatewayFixture.start({ httpTls }, []), /has expired/);
  });

  it('listens off this machine with a certificate only', async () => {
    const flags = { cluster: 'orders', appSocket: join(folder, 'app.sock'), httpListen: '0.0.0.0:8080' };
    const refused = (more: object, sentence: RegExp) =>
      assert.rejects(
        loadGatewayConfig({ ...flags, ...more }, {}),
        (error) => error instanceof CliError && sentence.test(error.message),
      );
    await refused({}, /^--http-listen has the host 0\.0\.0\.0, .* needs TLS: give --http-tls-cert/);
    await refused({ httpTlsCert: 'a' }, /^--http-tls-cert needs --http-tls-key too\.$/);
    await refused({ httpTlsKey: 'a' }, /^--http-tls-key needs --http-tls-cert too\.$/);
    const config = await loadGatewayConfig({ ...flags, httpTlsCert: '/a', httpTlsKey: '/b' }, {});
    assert.deepEqual(config.httpTls, { cert: '/a', key: '/b' });
  });
});
