/** Clusters of real daemons over TLS: what works, who is refused and how each side says so, and certificates that end or change. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect, createServer, type TlsOptions } from 'node:tls';
import { endpointPath, readEndpointFile } from '../../shared/endpoint-files.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import type { Issued } from '../../sidecar/cli/certs/issue.ts';
import { pickPorts } from '../../sidecar/cli/cluster/ports.ts';
import { FrameReader } from '../../sidecar/peers/framing.ts';
import { decodeHelloReply, encodeHello } from '../../sidecar/peers/hello-codec.ts';
import { AppClient } from '../support/app-client.ts';
import { DAY_MS, period, selfSigned, TestCa, writeIssued } from '../support/certificates.ts';
import { type Daemon, Daemons, exitOf } from '../support/daemons.ts';
import { EchoMachine } from '../support/echo-machine.ts';
import { TEST_MS } from '../support/patience.ts';
import { HOST, helloOf } from '../unit/peers-support.ts';

const CLUSTER = 'daemons';

describe('TLS between real daemons', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  let ca: TestCa;
  let folder: string;
  const open: { close(): unknown }[] = [];

  beforeEach(async () => {
    daemons = await Daemons.begin();
    ca = new TestCa(CLUSTER);
    folder = join(daemons.root, 'certs');
    await mkdir(folder);
    daemons.ca = join(folder, 'ca.crt');
    await writeFile(daemons.ca, ca.issued.cert);
  });

  afterEach(async () => {
    for (const closable of open.splice(0)) closable.close();
    await daemons.end();
  });

  const flagsOf = (id: string): string[] => [
    ...['--tls-ca', join(folder, 'ca.crt')],
    ...['--tls-cert', join(folder, `${id}.crt`), '--tls-key', join(folder, `${id}.key`)],
  ];

  async function cluster(size: number): Promise<Daemon[]> {
    for (let at = 1; at <= size; at++) await writeIssued(folder, `n${at}`, ca.node(`n${at}`));
    return daemons.cluster(size, { flagsOf });
  }

  /** n1 of n1 and n2; n2 is at a port where nobody listens yet. */
  async function alone(issued: Issued = ca.node('n1')): Promise<Daemon & { readonly other: number }> {
    await writeIssued(folder, 'n1', issued);
    const [own, other = 0, http] = await pickPorts(3);
    const plan = {
      ...{ id: 'n1', dir: join(daemons.root, 'n1'), socket: join(daemons.root, 's1', 'app.sock') },
      ...{ peer: `${HOST}:${own}`, http: `${HOST}:${http}` },
    };
    const members = `n1=${HOST}:${own},n2=${HOST}:${other}`;
    return { ...(await daemons.launch(plan, members, {}, flagsOf('n1'))), other };
  }

  const linesOf = ({ stderr }: Daemon, text: string): string[] =>
    stderr.filter((line) => line.includes(text));

  function outrigger(...args: string[]): { code: number | null; out: string; err: string } {
    const done = spawnSync(process.execPath, ['bin/outrigger.mjs', ...args], {
      env: { ...process.env, XDG_RUNTIME_DIR: daemons.runtimeDir },
      encoding: 'utf8',
    });
    return { code: done.status, out: done.stdout, err: done.stderr };
  }

  async function propose(daemon: Daemon, id: number): Promise<void> {
    const client = await AppClient.greet(daemon.socket, 'json');
    client.send({ type: 'propose', id, command: Buffer.from(`command ${id}`), wait: 'COMMITTED' } as never);
    await client.next('proposed');
    await client.close();
  }

  it('elects, replicates, and is found by the command line over HTTPS', async () => {
    const all = await cluster(3);
    const apps = await Promise.all(all.map(({ socket }) => EchoMachine.attach(socket)));
    for (const [at, daemon] of all.entries()) await propose(daemon, at);
    await Promise.all(apps.map((app) => app.count(3)));
    assert.deepEqual(new Set(apps.map(({ commands }) => commands.join())).size, 1);

    const [first] = all as [Daemon];
    const endpoint = await readEndpointFile(
      endpointPath(CLUSTER, 'n1', join(daemons.runtimeDir, 'outrigger')),
    );
    assert.deepEqual([endpoint?.http, endpoint?.ca], [`https://${first.http}`, daemons.ca]);
    const status = outrigger('status', '--json');
    assert.equal(status.code, 0, status.err);
    const nodes = JSON.parse(status.out) as NodeStatus[];
    assert.deepEqual(
      nodes.map(({ node, certificates }) => [node, certificates?.map(({ use, state }) => `${use} ${state}`)]),
      ['n1', 'n2', 'n3'].map((id) => [id, ['PEERS VALID', 'HTTP VALID']]),
    );
    assert.ok(
      nodes.every(({ members }) => members.every(({ http }) => http.startsWith('https://127.0.0.1:'))),
    );
    const log = outrigger('log', '--node', 'n2', '--json');
    assert.match(log.out, /"index":\s*[1-9]/, log.err);
    const named = ['--http', `https://${first.http}`, '--ca', daemons.ca ?? ''];
    assert.equal(outrigger('terms', ...named, '--token-file', join(first.dir, 'tokens.json')).code, 0);
    assert.match(outrigger('status', '--http', `https://${first.http}`).out, /another CA/);
    assert.match(outrigger('status', '--http', `http://${first.http}`).out, /cannot be reached/);
    await daemons.until('the log says why', async () => linesOf(first, 'it was plain HTTP').length === 1);
    for (const app of apps) await app.close();
  });

  it('takes nobody without the right certificate, and says so in one line and to the dialer', async () => {
    const daemon = await alone();
    const port = Number(daemon.peer.split(':')[1]);
    const cases: readonly [string, ConnectionOptions, RegExp][] = [
      ['a missing certificate', {}, /CERTIFICATE n1 refuses the certificate: it showed no certificate/],
      ['a self-signed one', selfSigned(CLUSTER, 'n2'), /self-signed/],
      ['one of another CA', new TestCa(CLUSTER, 'foreign').node('n2'), /another CA/],
      ['an expired one', ca.node('n2', period(-30, -1)), /has expired \(/],
      ['one of another cluster', ca.node('n2', { cluster: 'orders' }), /WRONG_CLUSTER .*"orders"/],
      [
        'one of another node',
        ca.node('n3'),
        /CERTIFICATE the certificate is of "daemons\/n3", and its hello says "daemons\/n2"/,
      ],
    ];
    for (const [what, options, sentence] of cases) {
      const before = linesOf(daemon, 'peer refused').length;
      const reply = await greet(port, options);
      assert.match(`${reply?.code} ${reply?.message}`, sentence, what);
      await daemons.until(
        `a line about ${what}`,
        async () => linesOf(daemon, 'peer refused').length > before,
      );
      const lines = linesOf(daemon, 'peer refused').slice(before);
      assert.equal(lines.length, 1, lines.join('\n'));
      const { reason } = JSON.parse(lines[0] ?? '') as { reason: string };
      assert.equal(reason, reply?.message, what);
    }
    assert.equal((await greet(port, ca.node('n2')))?.ok, true, 'the right one is taken');
    const plain = connectPlain(port, HOST);
    plain.on('error', () => plain.destroy());
    plain.resume();
    plain.write(encodeHello(helloOf('n2', 'n1', { cluster: CLUSTER })));
    await once(plain, 'close');
    await daemons.until(
      'plain TCP is told of',
      async () => linesOf(daemon, 'takes TLS connections only').length === 1,
    );
  });

  it('sends nothing to whom the certificate does not name, and its members say why', async () => {
    const daemon = await alone();
    const asks = { requestCert: true, rejectUnauthorized: false, ca: ca.issued.cert };
    const cases: readonly [TlsOptions | 'PLAIN', RegExp][] = [
      [ca.node('n3'), /^at the address of n2: the certificate is of the node n3, not of n2$/],
      [
        ca.node('n2', { cluster: 'orders' }),
        /^at the address of n2: the certificate is of the cluster orders/,
      ],
      [ca.node('n2', period(-30, -1)), /^the certificate has expired$/],
      [selfSigned(CLUSTER, 'n2'), /^the certificate is self-signed/],
      [new TestCa(CLUSTER, 'foreign').node('n2'), /^the certificate is of another CA/],
    ];
    for (const [options, reason] of cases) {
      let bytes = 0;
      const server = createServer({ ...asks, ...(options as TlsOptions) }, (socket) => {
        socket.on('error', () => socket.destroy());
        socket.on('data', (chunk) => {
          bytes += chunk.length;
        });
      });
      server.on('tlsClientError', () => undefined);
      server.listen(daemon.other, HOST);
      await once(server, 'listening');
      const said = async (): Promise<string> =>
        (await daemons.status(daemon))?.members.find(({ id }) => id === 'n2')?.reason ?? '';
      await daemons.until(`members say ${reason}`, async () => reason.test(await said()));
      const lines = daemon.stderr.filter((line) => {
        return (
          line.includes('peer link down') && reason.test((JSON.parse(line) as { reason: string }).reason)
        );
      });
      assert.equal(lines.length, 1, 'one line says it, however often it is tried');
      assert.equal(bytes, 0);
      await new Promise((closed) => server.close(closed));
    }
  });

  it('does not start with files that cannot work: exit code 2, one line', async () => {
    const start = async (
      issued: Issued,
      sentence: RegExp,
      prepare = async (): Promise<void> => undefined,
    ): Promise<void> => {
      await writeIssued(folder, 'n1', issued);
      await prepare();
      const { peer, http, dir, socket } = {
        peer: `${HOST}:7001`,
        http: `${HOST}:0`,
        dir: join(daemons.root, 'never'),
        socket: join(daemons.root, 'never.sock'),
      };
      const daemon = await daemons.launch(
        { id: 'n1', peer, http, dir, socket },
        `n1=${peer}`,
        {},
        flagsOf('n1'),
      );
      assert.equal((await exitOf(daemon)).code, 2, daemon.stderr.join('\n'));
      assert.equal(daemon.stderr.length, 1, daemon.stderr.join('\n'));
      assert.match(daemon.stderr[0] ?? '', sentence);
    };
    const good = ca.node('n1');
    await start(ca.node('n1', period(-30, -1)), /has expired/);
    await start(ca.node('n1', period(1, 2)), /not valid before/);
    await start(ca.node('n2'), /not for this node: the certificate is of the node n2, not of n1/);
    await start(ca.node('n1', { cluster: 'orders' }), /of the cluster orders, not of daemons/);
    await start(new TestCa(CLUSTER, 'foreign').node('n1'), /was not made by a CA in/);
    await start({ cert: good.cert, key: ca.node('n1').key }, /does not belong to the certificate/);
    await start(good, /may be read by every user .* chmod 600/, () => chmod(join(folder, 'n1.key'), 0o644));
    await start({ cert: 'nothing', key: good.key }, /has no certificate/);
  });

  it('warns before a certificate ends: log, status, metric, event', async () => {
    const daemon = await alone(ca.node('n1', period(-1, 1)));
    await daemons.until(
      'the log warns',
      async () => linesOf(daemon, 'put a new one in its place').length === 1,
    );
    const status = await daemons.status(daemon);
    const [peers, http] = status?.certificates ?? [];
    assert.deepEqual(
      [peers?.use, peers?.state, http?.use, http?.state],
      ['PEERS', 'EXPIRING', 'HTTP', 'EXPIRING'],
    );
    assert.ok(Math.abs((peers?.notAfter ?? 0) - Date.now() - DAY_MS) < DAY_MS / 2);
    const metrics = await (await daemons.ask(daemon, '/metrics')).text();
    const seconds = Number(/^outrigger_certificate_expiry_seconds\{use="peers"\} (\d+)$/m.exec(metrics)?.[1]);
    assert.ok(seconds > 0 && seconds <= 86_400, metrics);
    const events = outrigger('events', '--json', '--node', 'n1');
    assert.match(events.out, /"kind":\s*"CERTIFICATE"[^\n]*"cause":\s*"EXPIRING"/, events.err + events.out);
    assert.match(outrigger('status').out, /n1: certificate for PEERS EXPIRING/);
  });

  it('takes renewed files without a restart, refuses bad ones, and the cluster goes on', async () => {
    const all = await cluster(3);
    const leader = await daemons.leaderOf(all);
    const before = await Promise.all(all.map((daemon) => shown(daemon)));
    for (const { id } of all) await writeIssued(folder, id, ca.node(id));
    await daemons.until('all read them', async () =>
      all.every((daemon) => linesOf(daemon, 'was read anew').length === 1),
    );
    const after = await Promise.all(all.map((daemon) => shown(daemon)));
    for (const [at, serial] of after.entries()) assert.notEqual(serial, before[at], 'HTTP shows the new one');
    for (const [at, daemon] of all.entries()) await propose(daemon, at);
    assert.equal((await daemons.leaderOf(all))?.id, leader?.id, 'nobody noticed');

    // A restarted node meets the others with nothing but new certificates.
    const restarted = all.find((daemon) => daemon !== leader) as Daemon;
    process.kill(restarted.child.pid, 'SIGTERM');
    await exitOf(restarted);
    const again = await daemons.launch(restarted, restarted.members, {}, flagsOf(restarted.id));
    await daemons.until('it follows', async () => (await daemons.status(again))?.leader === leader?.id);

    const bad: readonly [string, RegExp, () => Promise<unknown>][] = [
      ['of another node', /of the node n9/, () => writeIssued(folder, 'n1', ca.node('n9'))],
      ['expired', /has expired/, () => writeIssued(folder, 'n1', ca.node('n1', period(-30, -1)))],
      ['not a certificate', /has no certificate/, () => writeFile(join(folder, 'n1.crt'), 'oops')],
    ];
    const first = all.find(({ id }) => id === 'n1') === restarted ? again : (all[0] as Daemon);
    const serial = await shown(first);
    for (const [what, sentence, write] of bad) {
      const known = linesOf(first, 'the old certificate stays').length;
      await write();
      await daemons.until(
        `one line: ${what}`,
        async () => linesOf(first, 'the old certificate stays').length > known,
      );
      const [line, ...more] = linesOf(first, 'the old certificate stays').slice(known);
      assert.match(line ?? '', sentence);
      assert.deepEqual(more, []);
      assert.match((await daemons.status(first))?.certificates?.[0]?.reason ?? '', sentence);
      assert.equal(await shown(first), serial, 'the old one stays');
    }
    await writeIssued(folder, 'n1', ca.node('n1'));
    await daemons.until(
      'good files heal it',
      async () => (await daemons.status(first))?.certificates?.[0]?.reason === '',
    );
    assert.notEqual(await shown(first), serial);
  });

  /** The serial number of the certificate at its HTTP port. */
  async function shown(daemon: Daemon): Promise<string> {
    const [host, port] = daemon.http.split(':');
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const serial = socket.getPeerX509Certificate()?.serialNumber ?? '';
    socket.destroy();
    return serial;
  }

  /** Says hello as n2 with these certificates. */
  async function greet(port: number, tls: ConnectionOptions) {
    const socket = connect({ host: HOST, port, rejectUnauthorized: false, ...tls });
    open.push({ close: () => socket.destroy() });
    let reply: ReturnType<typeof decodeHelloReply> | undefined;
    const reader = new FrameReader(65_536, (payload) => {
      reply = decodeHelloReply(payload);
      socket.destroy();
      return true;
    });
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => reader.push(chunk));
    socket.on('secureConnect', () => socket.write(encodeHello(helloOf('n2', 'n1', { cluster: CLUSTER }))));
    await new Promise((done) => socket.once('close', done));
    return reply;
  }
});
