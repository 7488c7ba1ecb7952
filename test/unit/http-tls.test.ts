/** HTTPS: which Hosts and Origins are ours, what is open to other machines, new certificates, and everything that is not TLS. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import { LIMITS } from '../../shared/limits.ts';
import { createApp } from '../../sidecar/http/app.ts';
import { EventStreams } from '../../sidecar/http/event-stream.ts';
import { addressToBind } from '../../sidecar/http/gate.ts';
import { ROUTES } from '../../sidecar/http/routes.ts';
import { tokenCheck } from '../../sidecar/http/tokens.ts';
import { Traffic } from '../../sidecar/http/traffic.ts';
import { TestCa, type TestSource } from '../support/certificates.ts';
import {
  type Answer,
  type Ask,
  ask,
  type Fixture,
  parseAnswer,
  requestBytes,
  startFixture,
  TOKENS,
} from './http-support.ts';

const ca = new TestCa('orders');
const HOSTS = ['localhost', '127.0.0.1', 'n1.example.org', '10.0.0.1', '2001:db8::1', '*.wild.example.org'];

describe('http: TLS', () => {
  let fixture: Fixture;
  let tls: TestSource;
  let warnings: object[];

  beforeEach(async () => {
    tls = ca.source(ca.node('n1', { hosts: HOSTS }));
    warnings = [];
    const log = {
      info: () => undefined,
      warn: (fields: object) => warnings.push(fields),
      error: () => undefined,
    };
    fixture = await startFixture({ tls, log });
  });
  afterEach(() => fixture.server.close());

  async function askTls(question: Ask = {}, trusted = ca): Promise<Answer> {
    const socket = connect({ host: '127.0.0.1', port: fixture.port, ca: trusted.issued.cert });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.write(requestBytes(fixture.port, question));
    await once(socket, 'close');
    return parseAnswer(Buffer.concat(chunks).toString('latin1'));
  }

  it('serves, under an https:// URL', async () => {
    assert.equal(fixture.server.url, `https://127.0.0.1:${fixture.port}`);
    assert.equal(
      (await askTls({ method: 'POST', target: '/v1/propose', token: TOKENS.write, body: 'x' })).status,
      200,
    );
    assert.equal((await askTls({ method: 'POST', target: '/v1/propose', body: 'x' })).status, 401);
  });

  it('shows a certificate that a client can check', async () => {
    await assert.rejects(askTls({}, new TestCa('orders', 'other')), /unable|self/);
  });

  it('takes the hosts that the certificate names, at any port, and no others', async () => {
    const good = [
      '127.0.0.1',
      'localhost:1',
      'n1.example.org',
      'N1.Example.org:8443',
      '10.0.0.1:443',
      '[2001:DB8:0::1]:9',
    ];
    for (const host of good) assert.equal((await askTls({ hosts: [host] })).status, 200, host);
    const bad = [
      'evil.example',
      'n1.example.org.evil.example',
      'a.wild.example.org',
      '*.wild.example.org',
      '127.0.0.2',
      '[::1]',
      'n1.example.org:x',
      'n1.example.org:1:2',
      'a@n1.example.org',
    ];
    for (const host of bad) assert.equal((await askTls({ hosts: [host] })).status, 403, host);
    assert.equal((await askTls({ hosts: [] })).status, 400);
    assert.equal((await askTls({ hosts: ['localhost', 'localhost'] })).status, 400);
  });

  it('takes an Origin that is the Host itself, by https', async () => {
    const of = async (host: string, origin: string): Promise<number> =>
      (await askTls({ hosts: [host], headers: [['Origin', origin]] })).status;
    assert.equal(await of('n1.example.org:8443', 'https://n1.example.org:8443'), 200);
    assert.equal(await of('n1.example.org', 'https://N1.example.org'), 200);
    for (const origin of [
      'http://n1.example.org:8443',
      'https://n1.example.org',
      'https://localhost:8443',
      'https://evil.example',
      'null',
      '',
    ]) {
      assert.equal(await of('n1.example.org:8443', origin), 403, origin);
    }
  });

  it('answers nothing to plain HTTP, and says so once', async () => {
    for (let at = 0; at < 3; at++) await assert.rejects(ask(fixture.port), /without an answer|ECONNRESET/);
    assert.deepEqual(warnings, [
      { from: '127.0.0.1', reason: 'it was plain HTTP, and this port takes TLS only' },
    ]);
    assert.equal((await askTls()).status, 200);
  });

  it('shows a new certificate to new connections, and judges Hosts by it', async () => {
    const next = new TestCa('orders', 'next');
    tls.change(next.material(next.node('n1', { hosts: ['127.0.0.1', 'new.example.org'] })));
    assert.equal((await askTls({ hosts: ['new.example.org'] }, next)).status, 200);
    assert.equal((await askTls({ hosts: ['n1.example.org'] }, next)).status, 403);
  });

  it('has no more handshakes open than its limit', async () => {
    const idle = Array.from({ length: LIMITS.tlsHandshakes }, () => connectPlain(fixture.port, '127.0.0.1'));
    for (const socket of idle) socket.on('error', () => socket.destroy());
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    const late = connectPlain(fixture.port, '127.0.0.1');
    late.on('error', () => late.destroy());
    late.resume();
    await once(late, 'close');
    assert.deepEqual(warnings, [{ limit: LIMITS.tlsHandshakes }]);
    for (const socket of idle) socket.destroy();
    for (;;) {
      const answer = await askTls().catch(() => undefined);
      if (answer?.status === 200) break;
    }
  });

  it('binds any IP address with TLS, and no name', () => {
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '2001:db8::1'])
      assert.equal(addressToBind(host, true), host);
    for (const host of ['', 'example.org', '127.1', 'localhost6']) {
      assert.throws(() => addressToBind(host, true), /^RangeError: HTTP listens on an IP address, not on/);
    }
  });

  it('wants a token of other machines for whatever says how the cluster is, and keeps open what balancers ask', async () => {
    const app = createApp({
      ...{
        host: fixture.host,
        routes: ROUTES,
        tokens: tokenCheck(TOKENS),
        gate: () => undefined,
        afar: true,
      },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      ...{ traffic: new Traffic(), streams: new EventStreams() },
    });
    const server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const status = async (target: string, token?: string): Promise<number> =>
      (await ask(port, { target, ...(token === undefined ? {} : { token }) })).status;
    for (const target of ['/livez', '/readyz', '/leader']) assert.equal(await status(target), 200, target);
    for (const target of ['/metrics', '/v1/status']) {
      assert.equal(await status(target), 401, target);
      assert.equal(await status(target, TOKENS.view), 200, target);
      assert.equal(await status(target, TOKENS.write), 200, target);
    }
    server.close();
  });
});
