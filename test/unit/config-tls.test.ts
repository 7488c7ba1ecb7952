/** TLS in the configuration of `run`: what goes together, and that nothing is off this machine without it. */
import assert from 'node:assert/strict';
import { loadConfig } from '../../sidecar/cli/config.ts';
import { CliError } from '../../sidecar/cli/errors.ts';

const GOOD = {
  id: 'n1',
  cluster: 'orders',
  data: '/tmp/orders/n1',
  members: 'n1=127.0.0.1:7001,n2=127.0.0.1:7002',
};
const PEERS = { tlsCa: '/certs/ca.crt', tlsCert: '/certs/n1.crt', tlsKey: '/certs/n1.key' };
const HTTP = { httpTlsCert: '/certs/web.crt', httpTlsKey: '/certs/web.key' };
type Flags = Parameters<typeof loadConfig>[0];

function complaint(change: Flags, env: NodeJS.ProcessEnv = {}): string {
  try {
    loadConfig({ ...GOOD, ...change }, env);
  } catch (error) {
    assert.ok(error instanceof CliError && error.exitCode === 2, String(error));
    assert.doesNotMatch(error.message, /\n/);
    return error.message;
  }
  return assert.fail('it was taken');
}

const tlsOf = (change: Flags, env: NodeJS.ProcessEnv = {}) => loadConfig({ ...GOOD, ...change }, env).tls;

describe('configuration of TLS', () => {
  it('is off without files', () => assert.equal(tlsOf({}), undefined));

  it('takes the files from flags and from the environment, and one certificate for peers and HTTP', () => {
    const peers = { cert: '/certs/n1.crt', key: '/certs/n1.key' };
    assert.deepEqual(tlsOf(PEERS), { ca: '/certs/ca.crt', peers });
    const env = { OUTRIGGER_TLS_CA: '/e/ca', OUTRIGGER_TLS_CERT: '/e/cert', OUTRIGGER_TLS_KEY: '/e/key' };
    assert.deepEqual(tlsOf({}, env), { ca: '/e/ca', peers: { cert: '/e/cert', key: '/e/key' } });
  });

  it('takes another certificate for HTTP, also where peers have none', () => {
    const http = { cert: '/certs/web.crt', key: '/certs/web.key' };
    assert.deepEqual(tlsOf({ ...PEERS, ...HTTP })?.http, http);
    assert.deepEqual(tlsOf(HTTP), { http });
    assert.deepEqual(tlsOf({ ...HTTP, tlsCa: '/certs/ca.crt' }), { ca: '/certs/ca.crt', http });
  });

  it('refuses halves', () => {
    assert.equal(complaint({ tlsCert: '/c', tlsCa: '/a' }), '--tls-cert needs --tls-key too.');
    assert.equal(complaint({ tlsKey: '/k', tlsCa: '/a' }), '--tls-key needs --tls-cert too.');
    assert.equal(complaint({ tlsCert: '/c', tlsKey: '/k' }), '--tls-cert needs --tls-ca too.');
    assert.equal(complaint({ tlsCa: '/a' }), '--tls-ca needs --tls-cert too.');
    assert.equal(complaint({ httpTlsCert: '/c' }), '--http-tls-cert needs --http-tls-key too.');
    assert.equal(
      complaint({}, { OUTRIGGER_HTTP_TLS_KEY: '/k' }),
      'OUTRIGGER_HTTP_TLS_KEY needs --http-tls-cert too.',
    );
  });

  const afar: readonly [string, Flags, string][] = [
    ['the peer address', { peerListen: '0.0.0.0:7001' }, '--peer-listen has the host 0.0.0.0'],
    ['IPv6 of all kinds', { peerListen: '[::]:7001' }, '--peer-listen has the host ::'],
    ['its own address', { members: 'n1=10.0.0.1:7001' }, '--members has the host 10.0.0.1'],
    [
      'the address of another node',
      { members: 'n1=127.0.0.1:7001,n2=n2.example.org:7002' },
      '--members has the host n2.example.org',
    ],
    ['HTTP', { httpListen: '0.0.0.0:8001' }, '--http-listen has the host 0.0.0.0'],
    [
      'an address that only looks like loopback',
      { httpListen: '128.0.0.1:8001' },
      '--http-listen has the host 128.0.0.1',
    ],
  ];
  for (const [what, change, sentence] of afar) {
    it(`refuses ${what} off this machine without TLS, and takes it with TLS`, () => {
      const said = complaint(change);
      assert.ok(said.startsWith(sentence), said);
      assert.match(said, /and that needs TLS: give --tls-ca, --tls-cert and --tls-key/);
      loadConfig({ ...GOOD, ...change, ...PEERS }, {});
    });
  }

  it('takes HTTP off this machine with a certificate of its own, and peers not by that', () => {
    loadConfig({ ...GOOD, ...HTTP, httpListen: '0.0.0.0:8001' }, {});
    assert.match(
      complaint({ ...HTTP, peerListen: '0.0.0.0:7001' }),
      /^--peer-listen .* needs TLS: give --tls-ca/,
    );
  });

  it('takes all of loopback without TLS', () => {
    for (const host of ['127.0.0.1', '127.0.0.2', 'localhost'])
      loadConfig({ ...GOOD, httpListen: `${host}:0` }, {});
    loadConfig({ ...GOOD, httpListen: '[::1]:0' }, {});
  });

  it('keeps on this machine what knows no TLS: agent-checks and the app socket', () => {
    assert.match(complaint({ ...PEERS, agentListen: '0.0.0.0:1' }), /agent-check knows no TLS/);
    assert.match(complaint({ ...PEERS, agentReadyListen: '10.0.0.1:1' }), /agent-check knows no TLS/);
    assert.match(complaint({ ...PEERS, appSocket: 'tcp://10.0.0.1:1' }), /must be on this machine/);
  });
});
