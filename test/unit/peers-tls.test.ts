/** Peers over TLS: who is taken, who is refused and how each side says so, new certificates, and what is never skipped. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectPlain, createServer as createPlainServer } from 'node:net';
import { type ConnectionOptions, connect, createServer, type TlsOptions } from 'node:tls';
import { LIMITS } from '../../shared/limits.ts';
import { FrameReader } from '../../sidecar/peers/framing.ts';
import { decodeHelloReply, encodeHello, type HelloReply } from '../../sidecar/peers/hello-codec.ts';
import { isTls } from '../../sidecar/peers/tls.ts';
import type { TransportOptions } from '../../sidecar/peers/transport.ts';
import { period, selfSigned, TestCa, type TestSource } from '../support/certificates.ts';
import { everyMessage, HOST, helloOf, plain, RawPeer, startCluster, TestNode } from './peers-support.ts';

const ca = new TestCa('c1');
const certificateOf = (id: string): TestSource => ca.source(ca.node(id));

describe('peers: TLS', () => {
  const open: { close(): unknown }[] = [];

  function node(id: string, options: Partial<TransportOptions> = { tls: certificateOf(id) }): TestNode {
    const created = new TestNode(id, options);
    open.push(created.transport);
    return created;
  }

  /** A node that knows a, b and c, and is dialled by hand. */
  async function target(id = 'b', options?: Partial<TransportOptions>): Promise<TestNode> {
    const created = await node(id, options).start();
    created.transport.setMembers(['a', 'c'].map((peer, at) => ({ id: peer, host: HOST, port: 1 + at })));
    return created;
  }

  /** Dials `port` with these certificates, says hello as `from`, and gives the reply; undefined where there was none. */
  async function greet(
    port: number,
    tls: ConnectionOptions,
    from = 'a',
    to = 'b',
  ): Promise<HelloReply | undefined> {
    const socket = connect({ host: HOST, port, rejectUnauthorized: false, ...tls });
    open.push({ close: () => socket.destroy() });
    let reply: HelloReply | undefined;
    const reader = new FrameReader(65_536, (payload) => {
      reply = decodeHelloReply(payload);
      socket.destroy();
      return true;
    });
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => reader.push(chunk));
    socket.on('secureConnect', () => socket.write(encodeHello(helloOf(from, to))));
    await new Promise((done) => socket.once('close', done));
    return reply;
  }

  /** Listens in place of b with these certificates, and gives what a says of it. */
  async function reasonFor(options: TlsOptions, tls = certificateOf('a')): Promise<string> {
    const server = createServer(options, (socket) => socket.on('error', () => socket.destroy()));
    server.on('tlsClientError', () => undefined);
    server.listen(0, HOST);
    await once(server, 'listening');
    open.push(server);
    return reasonAt((server.address() as AddressInfo).port, { tls });
  }

  async function reasonAt(port: number, options: Partial<TransportOptions>): Promise<string> {
    const a = await node('a', options).start();
    a.transport.setMembers([{ id: 'b', host: HOST, port }]);
    const settled = (): boolean => !['CONNECTING', 'CONNECTED'].includes(a.link('b').state);
    await a.until(() => a.logs.some((line) => line.includes('"peer":"b"')) && settled());
    const [line, ...more] = a.logs.filter((text) => text.includes('"peer":"b"'));
    assert.deepEqual(more, [], 'one line says it');
    assert.ok(line?.includes(JSON.stringify(a.link('b').reason).slice(1, -1)), line);
    return a.link('b').reason;
  }

  const refusalsOf = (at: TestNode): string[] => at.logs.filter((line) => line.startsWith('peer refused'));

  afterEach(async () => {
    await Promise.all(open.splice(0).map((closable) => closable.close()));
  });

  it('carries every message, in both directions', async () => {
    const [a, b] = [node('a'), node('b')];
    await startCluster([a, b]);
    const there = everyMessage('a', 'b');
    for (const message of there) a.transport.send(message);
    for (const message of everyMessage('b', 'a')) b.transport.send(message);
    await b.until(() => b.messages.length === there.length);
    await a.until(() => a.messages.length === there.length);
    assert.deepEqual(b.messages.map(plain), there.map(plain));
  });

  it('may leave this machine with TLS, and may not without', async () => {
    const afar = { listen: { host: '0.0.0.0', port: 0 } };
    const members = [{ id: 'b', host: '192.0.2.1', port: 1 }];
    assert.throws(() => new TestNode('a', afar), /not a loopback address; .* need TLS/);
    assert.throws(() => new TestNode('a', { members }), /the address of b .* need TLS/);
    const tls = certificateOf('a');
    node('a', { ...afar, tls, members });
  });

  describe('refuses, and says it to the dialer and in one line of the log', () => {
    const refused = async (tls: ConnectionOptions, from?: string): Promise<HelloReply> => {
      const b = await target();
      const reply = await greet(b.port, { ca: ca.issued.cert, minVersion: 'TLSv1.3', ...tls }, from);
      assert.ok(reply !== undefined, 'it was not told');
      assert.equal(reply.ok, false);
      const lines = refusalsOf(b);
      assert.equal(lines.length, 1, lines.join('\n'));
      assert.ok(lines[0]?.includes(JSON.stringify(reply.message).slice(1, -1)), lines[0]);
      assert.deepEqual(b.links, [], 'nobody came in');
      return reply;
    };

    it('no certificate', async () => {
      assert.match((await refused({})).message, /^b refuses the certificate: it showed no certificate$/);
    });

    it('an expired certificate', async () => {
      const reply = await refused(ca.node('a', period(-30, -1)));
      assert.match(reply.message, /the certificate has expired \(\d{4}-\d\d-\d\d\)/);
    });

    it('a certificate that is not valid yet', async () => {
      assert.match((await refused(ca.node('a', period(1, 2)))).message, /not valid yet/);
    });

    it('a self-signed certificate', async () => {
      assert.match((await refused(selfSigned('c1', 'a'))).message, /self-signed/);
    });

    it('a certificate of another CA, also of one with the same name', async () => {
      assert.match((await refused(new TestCa('c1', 'other').node('a'))).message, /another CA/);
      assert.match((await refused(new TestCa('c1').node('a'))).message, /another CA/);
    });

    it('a certificate of another cluster', async () => {
      const reply = await refused(ca.node('a', { cluster: 'c2' }));
      assert.deepEqual(
        [reply.code, reply.message],
        ['WRONG_CLUSTER', 'b belongs to cluster "c1", and the certificate is of "c2"'],
      );
    });

    it('a hello that says another name than the certificate', async () => {
      const reply = await refused(ca.node('c'), 'a');
      assert.equal(reply.code, 'CERTIFICATE');
      assert.equal(reply.message, 'the certificate is of "c1/c", and its hello says "c1/a"');
    });

    it('a node that is no member, whatever its certificate says', async () => {
      assert.equal((await refused(ca.node('z'), 'z')).code, 'UNKNOWN_NODE');
    });

    it('a certificate that names no node, or two', async () => {
      assert.match((await refused(ca.node('a', { uri: '' }))).message, /names no node/);
      assert.match((await refused(ca.node('a', { uri: 'outrigger://c1/a/b' }))).message, /form that is not/);
    });

    it('plain TCP, with a frame that a plain dialer understands', async () => {
      const b = await target();
      const raw = new RawPeer(b.port);
      open.push({ close: () => raw.socket.destroy() });
      const reply = await raw.greet(helloOf('a', 'b'));
      assert.deepEqual(
        [reply.ok, reply.code, reply.message],
        [false, 'TLS_REQUIRED', 'b takes TLS connections only'],
      );
      await raw.closed;
      assert.equal(refusalsOf(b).length, 1);
      assert.deepEqual(b.links, []);
    });
  });

  it('takes no older TLS than 1.3', async () => {
    const b = await target();
    assert.equal(await greet(b.port, { ...ca.node('a'), maxVersion: 'TLSv1.2' }), undefined);
    await b.until(() => refusalsOf(b).some((line) => line.includes('no version of TLS that we take')));
  });

  describe('a dialer refuses what answers, and its link says why', () => {
    const server = (id: string, more: Parameters<TestCa['node']>[1] = {}, by = ca): TlsOptions => ({
      ...by.node(id, more),
      ca: ca.issued.cert,
      requestCert: true,
      rejectUnauthorized: false,
    });

    it('another node', async () => {
      assert.equal(
        await reasonFor(server('c')),
        'at the address of b: the certificate is of the node c, not of b',
      );
    });

    it('another cluster', async () => {
      assert.equal(
        await reasonFor(server('b', { cluster: 'c2' })),
        'at the address of b: the certificate is of the cluster c2, not of c1',
      );
    });

    it('an expired certificate', async () => {
      assert.match(await reasonFor(server('b', period(-30, -1))), /the certificate has expired/);
    });

    it('another CA', async () => {
      assert.match(await reasonFor(server('b', {}, new TestCa('c1', 'other'))), /another CA/);
    });

    it('a self-signed certificate', async () => {
      assert.match(await reasonFor(selfSigned('c1', 'b')), /self-signed/);
    });

    it('a port that speaks plainly', async () => {
      const b = await target('b', {});
      assert.equal(await reasonAt(b.port, { tls: certificateOf('a') }), 'the other side does not speak TLS');
      assert.match(refusalsOf(b).join(), /it speaks TLS, and this node has no certificate/);
    });

    it('a port that hangs up', async () => {
      const closing = createPlainServer((socket) => socket.destroy());
      closing.listen(0, HOST);
      await once(closing, 'listening');
      open.push(closing);
      const reason = await reasonAt((closing.address() as AddressInfo).port, { tls: certificateOf('a') });
      assert.match(reason, /ended within the TLS handshake|was reset|closed the connection/);
    });
  });

  it('says on both sides why, where a node of the same cluster shows an expired certificate', async () => {
    const b = await target();
    const expired = ca.source(ca.node('a', period(-30, -1)));
    const reason = await reasonAt(b.port, { tls: expired });
    assert.match(reason, /^CERTIFICATE: b refuses the certificate: the certificate has expired/);
    assert.equal(refusalsOf(b).length, 1);
  });

  it('tells a plain dialer that TLS is wanted', async () => {
    const b = await target();
    assert.equal(await reasonAt(b.port, {}), 'TLS_REQUIRED: b takes TLS connections only');
  });

  it('uses new certificates for new connections, and keeps those that are there', async () => {
    const b = await target();
    const [old, renewed] = [ca.node('a'), new TestCa('c1', 'next')];
    const socket = connect({
      host: HOST,
      port: b.port,
      ...old,
      ca: ca.issued.cert,
      checkServerIdentity: () => undefined,
    });
    open.push({ close: () => socket.destroy() });
    await once(socket, 'secureConnect');
    socket.write(encodeHello(helloOf('a', 'b')));
    await b.until(() => b.links.includes('a IN up'));

    const source = certificateOf('c');
    const d = await node('d', { tls: source }).start();
    const next = renewed.material(renewed.node('d'));
    source.change(next);
    const issuer = async (): Promise<string> => {
      const seen = connect({ host: HOST, port: d.port, ...renewed.node('a'), rejectUnauthorized: false });
      await once(seen, 'secureConnect');
      const name = seen.getPeerX509Certificate()?.issuer ?? '';
      seen.destroy();
      return name;
    };
    assert.equal(await issuer(), 'CN=next');
    assert.ok(!socket.destroyed && !b.links.includes('a IN down'));
  });

  it('resumes no session: each connection proves itself', async () => {
    const b = await target();
    const good = ca.node('a');
    const sessions: Buffer[] = [];
    const first = connect({ host: HOST, port: b.port, ...good, rejectUnauthorized: false });
    first.on('session', (session: Buffer) => sessions.push(session));
    first.on('error', () => first.destroy());
    await once(first, 'secureConnect');
    first.write(encodeHello(helloOf('a', 'b')));
    await once(first, 'data');
    // The certificate of the first connection would let this one in.
    for (const session of sessions.length > 0 ? sessions : [undefined]) {
      const again = connect({
        host: HOST,
        port: b.port,
        rejectUnauthorized: false,
        ...(session === undefined ? {} : { session }),
      });
      again.on('error', () => again.destroy());
      await Promise.race([once(again, 'secureConnect'), once(again, 'close')]);
      assert.equal(again.isSessionReused(), false);
      again.write(encodeHello(helloOf('a', 'b')));
      const reply = await Promise.race([once(again, 'data'), once(again, 'close')]);
      if (reply[0] instanceof Buffer) assert.match(reply[0].toString('latin1'), /no certificate/);
      again.destroy();
    }
    first.destroy();
    assert.equal(b.links.filter((link) => link === 'a IN up').length, 1);
  });

  it('opens no more handshakes at once than its limit, and closes those that do not come to an end', async () => {
    const b = await target();
    const idle = Array.from({ length: LIMITS.tlsHandshakes }, () => connectPlain(b.port, HOST));
    open.push(...idle.map((socket) => ({ close: () => socket.destroy() })));
    for (const socket of idle) socket.on('error', () => socket.destroy());
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    const late = connectPlain(b.port, HOST);
    late.on('error', () => late.destroy());
    await once(late, 'close');
    assert.ok(b.logs.some((line) => line.includes(`over ${LIMITS.tlsHandshakes} TLS handshakes`)));
    await Promise.all(idle.map((socket) => (socket.destroyed ? undefined : once(socket.resume(), 'close'))));
    assert.equal((await greet(b.port, ca.node('a')))?.ok, true, 'there is room again');
  });

  it('closes at once, also over handshakes that are open', async () => {
    const b = await target();
    const silent = connectPlain(b.port, HOST);
    silent.on('error', () => silent.destroy());
    await once(silent, 'connect');
    await b.transport.close();
    if (!silent.destroyed) await once(silent.resume(), 'close');
  });

  it('harms nobody by what is not TLS at all', async () => {
    const b = await target();
    for (const bytes of [
      [0x16],
      [0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5],
      [0],
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    ]) {
      const socket = connectPlain(b.port, HOST);
      socket.on('error', () => socket.destroy());
      socket.resume();
      socket.end(Buffer.from(bytes));
      await once(socket, 'close');
    }
    assert.equal((await greet(b.port, ca.node('a')))?.ok, true);
  });

  it('knows TLS by its first bytes from every hello that could be', () => {
    assert.ok(isTls(Buffer.from([0x16, 3, 1, 2, 0])) && isTls(Buffer.from([0x16, 3, 3])));
    // A hello of 790 bytes begins 16 03 00 00.
    assert.ok(!isTls(Buffer.from([0x16, 3, 0, 0])));
    assert.ok(!isTls(Buffer.from('{')) && !isTls(Buffer.from([0x15, 3, 1])));
  });
});
