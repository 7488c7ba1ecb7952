/** What clients of a gateway see: where their requests go, whose turn it is, what is too much, and how it stops. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import { AppServer } from '../../sidecar/app/server.ts';
import { AppClient } from '../support/app-client.ts';
import { FakeHost } from '../support/app-host.ts';
import { GatewayFixture } from '../support/gateway.ts';
import { ScriptedReplica } from '../support/scripted-replica.ts';

describe('gateway: clients', () => {
  let gateway: GatewayFixture;
  const start = async (...args: Parameters<typeof GatewayFixture.start>) => {
    gateway = await GatewayFixture.start(...args);
    await gateway.ready();
    return { n1: gateway.replica('n1'), client: await gateway.client() };
  };
  const narrow = (inFlight: number) => ({
    limits: { frameBytes: 4_194_304, commandBytes: 1_048_576, inFlight },
  });
  afterEach(() => gateway.stop());
  const command = (text: string) => ({ type: 'propose', command: Buffer.from(text) }) as const;

  it('welcomes a client as a node that does not lead', async () => {
    await start();
    const client = await AppClient.open(gateway.gateway.appSocket, 'json');
    client.hello();
    const welcome = await client.next('welcome');
    await client.close();
    assert.deepEqual(
      [welcome.cluster, welcome.node, welcome.role, welcome.term, welcome.leader, welcome.limits.inFlight],
      ['orders', 'gw', 'FOLLOWER', 1, 'n1', 256],
    );
  });

  it('refuses a state machine with one sentence', async () => {
    await start();
    const client = await AppClient.open(gateway.gateway.appSocket, 'protobuf');
    client.hello({});
    const error = await client.next('error');
    assert.deepEqual([error.code, error.definite], ['UNSUPPORTED', true]);
    assert.match(error.message, /^a gateway has no log to deliver/);
    assert.equal((await client.next('goodbye')).reason, 'UNSUPPORTED');
    await client.closed;
  });

  it('answers each client its own, though both use the same ids', async () => {
    const { n1, client } = await start();
    const other = await gateway.client();
    client.send({ ...command('mine'), id: 1 });
    const mine = await n1.proposal();
    other.send({ ...command('yours'), id: 1 });
    const yours = await n1.proposal();
    assert.notEqual(mine.id, yours.id);
    n1.send({ type: 'proposed', id: yours.id, index: 2, term: 1, result: Buffer.from('yours') });
    n1.send({ type: 'proposed', id: mine.id, index: 3, term: 1, result: Buffer.from('mine') });
    assert.equal(String((await client.next('proposed')).result), 'mine');
    assert.equal(String((await other.next('proposed')).result), 'yours');
  });

  it('hands every field on, there and back', async () => {
    const { n1, client } = await start();
    const fields = { session: 3, sequence: 4, ackBelow: 2, expectedTerm: 1, wait: 'COMMITTED' } as const;
    client.send({ ...command('a'), id: 1, ...fields });
    const { id, timeoutMs, text, session, sequence, ackBelow, expectedTerm, wait } = await n1.proposal();
    assert.deepEqual({ text, session, sequence, ackBelow, expectedTerm, wait }, { text: 'a', ...fields });
    assert.ok(timeoutMs !== undefined && timeoutMs > 9_000 && timeoutMs <= 10_000);
    n1.send({ type: 'proposed', id, index: 3, term: 1, duplicate: true, resultLost: true });
    const { duplicate, resultLost } = await client.next('proposed');
    assert.deepEqual([duplicate, resultLost], [true, true]);
    client.send({ type: 'read', id: 2, consistency: 'AT_LEAST', index: 12 });
    const read = await n1.next('read');
    assert.deepEqual([read.consistency, read.index], ['AT_LEAST', 12]);
  });

  it('opens, keeps and closes sessions, and tells those that used them when they end', async () => {
    const { n1, client } = await start();
    const other = await gateway.client();
    client.send({ type: 'openSession', id: 1, ttlMs: 5_000 });
    const open = await n1.next('openSession');
    assert.equal(open.ttlMs, 5_000);
    n1.send({ type: 'sessionOpened', id: open.id, session: 77 });
    assert.equal((await client.next('sessionOpened')).session, 77);
    client.send({ type: 'keepSession', id: 2, session: 77 });
    const keep = await n1.next('keepSession');
    assert.equal(keep.session, 77);
    n1.send({ type: 'sessionKept', id: keep.id });
    assert.equal((await client.next('sessionKept')).id, 2);
    n1.send({ type: 'sessionExpired', session: 77 });
    assert.equal((await client.next('sessionExpired')).session, 77);
    client.send({ type: 'closeSession', id: 3, session: 77 });
    n1.refuse((await n1.next('closeSession')).id, 'SESSION_UNKNOWN');
    assert.equal((await client.next('error')).code, 'SESSION_UNKNOWN');
    await other.roundTrip();
    assert.deepEqual(other.inbox, []);
  });

  it('goes to the next leader when the replicas say so, and tells its clients', async () => {
    const { client } = await start();
    const n2 = gateway.replica('n2');
    n2.leads(2);
    const changed = await client.next('roleChanged');
    assert.deepEqual([changed.role, changed.term, changed.leader], ['FOLLOWER', 2, 'n2']);
    client.send({ ...command('a'), id: 1 });
    assert.equal((await n2.proposal()).text, 'a');
  });

  it('does not go back to an old leader because the new one is out of reach', async () => {
    const { n1, client } = await start({ limits: { gatewayHoldMs: 600_000 } });
    const n2 = gateway.replica('n2');
    n2.leads(2);
    await gateway.until(({ leader }) => leader === 'n2');
    await n2.die();
    await gateway.until(({ upstreams }) => upstreams[1]?.state !== 'OPEN');
    n1.send({ type: 'pressure', level: 'OK' });
    client.send({ ...command('a'), id: 1, timeoutMs: 50 });
    const { code, definite } = await client.next('error');
    assert.deepEqual([code, definite], ['OVERLOADED', true]);
    const { leader, term } = await gateway.status();
    assert.deepEqual([leader, term], ['n2', 2]);
    assert.ok(!n1.inbox.some(({ type }) => type === 'propose'));
  });

  it('keeps what it has not sent while no leader is known, and serves what needs none', async () => {
    const { n1, client } = await start();
    const n2 = gateway.replica('n2');
    n1.follows(undefined, 2);
    n2.follows(undefined, 2);
    await gateway.until(({ leader }) => leader === null);
    client.send({ ...command('a'), id: 1 }, { type: 'read', id: 2, consistency: 'STALE' });
    const stale = await n1.next('read');
    n1.send({ type: 'readReady', id: stale.id, index: 1 });
    assert.equal((await client.next('readReady')).id, 2);
    n2.leads(3);
    assert.equal((await n2.proposal()).text, 'a');
    assert.ok(!n1.inbox.some(({ type }) => type === 'propose'));
  });

  it('says definitely that it did not happen when it was never sent', async () => {
    const { n1, client } = await start({}, [await ScriptedReplica.start('n1')]);
    await n1.die();
    await gateway.until(({ upstreams }) => upstreams[0]?.state !== 'OPEN');
    client.send({ ...command('a'), id: 1, timeoutMs: 10 });
    const error = await client.next('error');
    assert.deepEqual([error.code, error.definite], ['OVERLOADED', true]);
    assert.match(error.message, /no replica was in reach in time, so it did not happen/);
    assert.ok((error.retryAfterMs ?? 0) > 0);
  });

  it('takes any replica when the one of the leader stays out of reach', async () => {
    const { n1, client } = await start();
    const n2 = gateway.replica('n2');
    await n1.die();
    client.send({ ...command('a'), id: 1 });
    assert.equal((await n2.proposal()).text, 'a');
  });

  it('never has more at a replica than it allows', async () => {
    const { n1, client } = await start({}, [await ScriptedReplica.start('n1', narrow(3))]);
    for (let id = 1; id <= 10; id++) client.send({ ...command(`c${id}`), id });
    await client.roundTrip();
    const [first] = [await n1.proposal(), await n1.proposal(), await n1.proposal()];
    await gateway.until(({ requests }) => requests.waiting === 7);
    assert.ok(!n1.inbox.some(({ type }) => type === 'propose'));
    n1.send({ type: 'proposed', id: first.id, index: 2, term: 1 });
    assert.equal((await n1.proposal()).text, 'c4');
  });

  it('serves one that asks once before those that flood', async () => {
    const { n1, client: flooder } = await start({}, [await ScriptedReplica.start('n1', narrow(1))]);
    const other = await gateway.client();
    for (let id = 1; id <= 100; id++) flooder.send({ ...command('flood'), id });
    await flooder.roundTrip();
    const first = await n1.proposal();
    other.send({ ...command('once'), id: 1 });
    await other.roundTrip();
    n1.send({ type: 'proposed', id: first.id, index: 2, term: 1 });
    assert.equal((await n1.proposal()).text, 'once');
  });

  it('refuses one client what is too much for one, and goes on with the others', async () => {
    const { n1, client } = await start();
    const other = await gateway.client();
    for (let id = 1; id <= 257; id++) client.send({ ...command('a'), id });
    const error = await client.next('error');
    assert.deepEqual([error.id, error.code, error.definite], [257, 'OVERLOADED', true]);
    assert.ok((error.retryAfterMs ?? 0) > 0);
    other.send({ ...command('b'), id: 1 });
    while ((await answerNext(n1)) !== 'b');
    assert.equal((await other.next('proposed')).id, 1);
  });

  it('gives no client more of what all share than it leaves free', async () => {
    const { n1, client } = await start({ limits: { gatewayRequests: 4 } });
    const other = await gateway.client();
    for (let id = 1; id <= 3; id++) client.send({ ...command('a'), id });
    const error = await client.next('error');
    assert.deepEqual([error.id, error.code, error.definite], [3, 'OVERLOADED', true]);
    other.send({ ...command('b'), id: 1 }, { ...command('b'), id: 2 });
    assert.equal((await other.next('error')).id, 2);
    const third = await gateway.client();
    third.send({ ...command('c'), id: 1 });
    const sent = [await n1.proposal(), await n1.proposal(), await n1.proposal(), await n1.proposal()];
    assert.deepEqual(sent.map(({ text }) => text).sort(), ['a', 'a', 'b', 'c']);
  });

  it('bounds the bytes of commands in the same way', async () => {
    const { n1, client } = await start({ limits: { gatewayRequestBytes: 1000 } });
    client.send({ ...command('a'.repeat(400)), id: 1 }, { ...command('a'.repeat(400)), id: 2 });
    assert.deepEqual([(await client.next('error')).id, (await n1.proposal()).text.length], [2, 400]);
    const other = await gateway.client();
    other.send({ ...command('b'.repeat(300)), id: 1 });
    assert.equal((await n1.proposal()).text.length, 300);
  });

  it('does not send what a client left behind', async () => {
    const { n1, client } = await start({}, [await ScriptedReplica.start('n1', narrow(1))]);
    const other = await gateway.client();
    client.send({ ...command('a'), id: 1 }, { ...command('left'), id: 2 });
    const first = await n1.proposal();
    client.send({ type: 'goodbye' });
    await gateway.until(({ clients, requests }) => clients === 1 && requests.open === 0);
    other.send({ ...command('b'), id: 1 });
    await other.roundTrip();
    n1.send({ type: 'proposed', id: first.id, index: 2, term: 1 });
    assert.equal((await n1.proposal()).text, 'b');
  });

  it('holds proposals while the leader says STOP, and passes it on', async () => {
    const { n1, client } = await start();
    n1.send({ type: 'pressure', level: 'STOP' });
    assert.equal((await client.next('pressure')).level, 'STOP');
    client.send({ ...command('a'), id: 1 }, { type: 'read', id: 2, consistency: 'STALE' });
    await n1.next('read');
    assert.ok(!n1.inbox.some(({ type }) => type === 'propose'));
    n1.send({ type: 'pressure', level: 'OK' });
    assert.equal((await n1.proposal()).text, 'a');
    assert.equal((await client.next('pressure')).level, 'OK');
  });

  it('sends nothing more to a replica that says goodbye, and takes the answers that still come', async () => {
    const { n1, client } = await start();
    const n2 = gateway.replica('n2');
    client.send({ ...command('a'), id: 1 });
    const asked = await n1.proposal();
    n1.send({ type: 'goodbye', reason: 'SHUTTING_DOWN' });
    await gateway.until(({ upstreams }) => upstreams[0]?.state === 'LEAVING');
    n1.send({ type: 'proposed', id: asked.id, index: 3, term: 1 });
    assert.equal((await client.next('proposed')).index, 3);
    n2.leads(2);
    client.send({ ...command('b'), id: 2 });
    assert.equal((await n2.proposal()).text, 'b');
  });

  it('refuses a replica of another cluster or by another name', async () => {
    const stranger = await ScriptedReplica.start('n2', { cluster: 'other' });
    const misnamed = await ScriptedReplica.start('n3', { node: 'n4' });
    gateway = await GatewayFixture.start({}, [await ScriptedReplica.start('n1'), stranger, misnamed]);
    const { upstreams } = await gateway.until((status) =>
      status.upstreams.slice(1).every(({ state }) => state === 'REFUSED'),
    );
    assert.match(upstreams[1]?.reason ?? '', /n2 of other answers where n2 of orders was expected/);
    assert.match(upstreams[2]?.reason ?? '', /n4 of orders answers where n3 of orders was expected/);
  });

  it('says why a replica refuses it, and asks again', async () => {
    const n1 = await ScriptedReplica.start('n1');
    n1.instead = { type: 'error', code: 'UNAUTHORIZED', definite: true, message: 'hello.token is wrong' };
    gateway = await GatewayFixture.start({ limits: { gatewayRefusedMs: 10 } }, [n1]);
    const { upstreams } = await gateway.until((status) => status.upstreams[0]?.state === 'REFUSED');
    assert.equal(upstreams[0]?.reason, 'UNAUTHORIZED: hello.token is wrong');
    n1.instead = undefined;
    await gateway.ready();
  });

  it('reaches a replica on TCP with its token, and is told when it is wrong', async () => {
    const host = new FakeHost();
    host.answer = () => ({ index: 4, term: 3, result: Buffer.from('ok') });
    const listen = { tcp: { host: '127.0.0.1', port: 0 } };
    const app = new AppServer({ host, listen, token: 'secret', onFault: assert.fail });
    const at = await app.listen();
    assert.ok('tcp' in at);
    try {
      const replica = { id: 'n1', address: at.tcp, http: undefined };
      gateway = await GatewayFixture.start({ replicas: [{ ...replica, token: 'wrong' }] }, []);
      const { upstreams } = await gateway.until((status) => status.upstreams[0]?.state === 'REFUSED');
      assert.match(upstreams[0]?.reason ?? '', /^UNAUTHORIZED: /);
      await gateway.stop();
      gateway = await GatewayFixture.start({ replicas: [{ ...replica, token: 'secret' }] }, []);
      await gateway.ready();
      const client = await gateway.client();
      client.send({ ...command('a'), id: 1 });
      assert.equal((await client.next('proposed')).index, 4);
    } finally {
      await gateway.stop();
      await app.close();
    }
  });

  it('is read slowly: takes no more of a client that does not take its answers, and serves others', async () => {
    const { n1, client } = await start();
    const other = await gateway.client();
    client.socket.pause();
    const result = Buffer.alloc(1_000_000);
    for (let id = 1; id <= 2; id++) client.send({ ...command('big'), id });
    for (let i = 0; i < 2; i++) {
      n1.send({ type: 'proposed', id: (await n1.proposal()).id, index: 2 + i, term: 1, result });
    }
    await outputOver(500_000);
    client.send({ ...command('more'), id: 3 });
    other.send({ ...command('b'), id: 1 });
    assert.equal((await n1.proposal()).text, 'b');
    client.socket.resume();
    assert.equal((await client.next('proposed', ({ id }) => id === 2)).result?.length, 1_000_000);
    assert.equal((await n1.proposal()).text, 'more');
  });

  it('finds the replicas of this machine, also those that come later', async () => {
    gateway = await GatewayFixture.start({}, []);
    assert.equal((await gateway.status()).upstreams.length, 0);
    const n1 = await ScriptedReplica.start('n1');
    gateway.replicas.push(n1);
    const folder = join(gateway.folder, 'run', 'orders');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = {
      pid: process.pid,
      cluster: 'orders',
      node: 'n1',
      http: 'http://127.0.0.1:9',
      appSocket: n1.path,
    };
    const rest = { tokenFile: '/nowhere', control: false, version: '0.1.0' };
    writeFileSync(join(folder, 'n1.json'), JSON.stringify({ ...file, ...rest }), { mode: 0o600 });
    await gateway.until(({ upstreams }) => upstreams[0]?.state === 'OPEN');
    const { headers } = await fetch(`${gateway.gateway.http}/leader`);
    assert.equal(headers.get('x-outrigger-leader-http'), 'http://127.0.0.1:9');
  });

  it('stops in order: answers what is open, then says goodbye', async () => {
    const { n1, client } = await start();
    client.send({ ...command('a'), id: 1 });
    const asked = await n1.proposal();
    const stopped = gateway.gateway.stop();
    client.send({ ...command('b'), id: 2 });
    const refused = await client.next('error');
    assert.deepEqual([refused.id, refused.code, refused.definite], [2, 'OVERLOADED', true]);
    n1.send({ type: 'proposed', id: asked.id, index: 3, term: 1 });
    assert.equal((await client.next('proposed')).id, 1);
    assert.equal((await client.next('goodbye')).reason, 'SHUTTING_DOWN');
    await stopped;
    assert.equal((await n1.next('goodbye')).type, 'goodbye');
  });

  it('serves HTTP: health, who leads, proposals, reads, and one sentence for what it does not have', async () => {
    const { n1 } = await start();
    const { http } = gateway.gateway;
    const tokens = await readTokenFile(join(gateway.folder, 'tokens.json'));
    const authorization = `Bearer ${tokens?.admin}`;
    assert.equal((await fetch(`${http}/livez`)).status, 200);
    assert.equal((await fetch(`${http}/readyz`)).status, 200);
    const leader = await fetch(`${http}/leader`);
    assert.deepEqual([leader.status, leader.headers.get('x-outrigger-leader')], [503, 'n1']);
    const proposing = fetch(`${http}/v1/propose`, { method: 'POST', body: 'a', headers: { authorization } });
    const asked = await n1.proposal();
    n1.send({ type: 'proposed', id: asked.id, index: 8, term: 1, result: Buffer.from('ok') });
    const proposed = await proposing;
    assert.deepEqual([await proposed.text(), proposed.headers.get('outrigger-index')], ['ok', '8']);
    const reading = fetch(`${http}/v1/read`, {
      method: 'POST',
      body: '{}',
      headers: { authorization, 'content-type': 'application/json' },
    });
    n1.send({ type: 'readReady', id: (await n1.next('read')).id, index: 8 });
    assert.deepEqual(await (await reading).json(), { index: 8 });
    const opening = fetch(`${http}/v1/sessions`, {
      method: 'POST',
      body: '{"ttlMs": 1}',
      headers: { authorization, 'content-type': 'application/json' },
    });
    n1.send({ type: 'sessionOpened', id: (await n1.next('openSession')).id, session: 9 });
    assert.deepEqual(await (await opening).json(), { session: 9, ttlMs: 1_000 });
    const log = await fetch(`${http}/v1/log`, { headers: { authorization } });
    assert.equal(log.status, 501);
    assert.match(((await log.json()) as { message: string }).message, /a gateway keeps no log/);
    assert.equal((await fetch(`${http}/v1/log`)).status, 401);
    assert.equal((await fetch(`${http}/v1/nothing`)).status, 404);
    const metrics = await (await fetch(`${http}/metrics`)).text();
    assert.match(metrics, /outrigger_gateway_requests_total\{kind="propose",outcome="OK"\} 1\n/);
    assert.match(metrics, /outrigger_gateway_replica_state\{replica="n1",state="OPEN"\} 1\n/);
  });

  it('is not ready while it knows no replica or no leader', async () => {
    gateway = await GatewayFixture.start({}, [
      await ScriptedReplica.start('n1', { role: 'FOLLOWER', leader: undefined }),
    ]);
    await gateway.ready();
    const answer = await fetch(`${gateway.gateway.http}/readyz`);
    assert.equal(answer.status, 503);
    assert.match(((await answer.json()) as { message: string }).message, /^leader: no leader is known$/);
  });

  /** Resolves once so many bytes wait to be read by clients. */
  async function outputOver(bytes: number): Promise<void> {
    for (let waiting = 0; waiting < bytes; ) {
      const text = await (await fetch(`${gateway.gateway.http}/metrics`)).text();
      waiting = Number(/^outrigger_gateway_output_bytes (\d+)$/m.exec(text)?.[1]);
    }
  }

  async function answerNext(replica: ScriptedReplica): Promise<string> {
    const { id, text } = await replica.proposal();
    replica.send({ type: 'proposed', id, index: 2, term: 1 });
    return text;
  }
});
