/**
 * Sessions on real daemons: retries through any node, order whichever way commands came, and what outlives a restart.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { EchoMachine } from '../support/echo-machine.ts';
import { TEST_MS } from '../support/patience.ts';

/** Long enough for a slow machine to use the session before it expires. */
const TTL_MS = 3_000;

describe('sessions on three daemons', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  let all: Daemon[];
  let machines: EchoMachine[];
  let clients: AppClient[];

  beforeEach(async () => {
    daemons = await Daemons.begin();
    all = await daemons.cluster(3);
    machines = await Promise.all(all.map(({ socket }) => EchoMachine.attach(socket)));
    clients = await Promise.all(all.map(({ socket }) => AppClient.greet(socket, 'protobuf')));
  });

  afterEach(async () => {
    await Promise.all([...clients, ...machines].map((one) => one.close()));
    await daemons.end();
  });

  let nextId = 1;
  const open = async (client: AppClient): Promise<number> => {
    const id = nextId++;
    client.send({ type: 'openSession', id });
    return (await client.next('sessionOpened', (frame) => frame.id === id)).session;
  };
  const propose = (client: AppClient, session: number, sequence: number, text: string): number => {
    const id = nextId++;
    client.send({ type: 'propose', id, command: Buffer.from(text), session, sequence });
    return id;
  };
  const answer = (client: AppClient, id: number) =>
    Promise.race([
      client.next('proposed', (frame) => frame.id === id),
      client.next('error', (frame) => frame.id === id),
    ]);

  it('let a command take effect once, and answer its retries alike through every node', async () => {
    const [first] = clients as [AppClient];
    const session = await open(first);
    const told = [];
    for (const client of [first, ...clients]) {
      const { type, ...rest } = await answer(client, propose(client, session, 1, 'hello'));
      assert.equal(type, 'proposed', JSON.stringify(rest));
      const { index, term, result, duplicate } = rest as {
        index: number;
        term: number;
        result: Uint8Array;
        duplicate?: boolean;
      };
      told.push({ index, term, result: String(Buffer.from(result)), duplicate: duplicate ?? false });
    }
    const [original, ...retries] = told;
    assert.equal(original?.duplicate, false);
    for (const retry of retries) assert.deepEqual(retry, { ...original, duplicate: true });
    for (const machine of machines) {
      await machine.through(told[0]?.index ?? 0);
      assert.deepEqual(machine.commands, ['hello']);
    }
  });

  it('keep their order when commands come out of order through different nodes', async () => {
    const [a, b, c] = clients as [AppClient, AppClient, AppClient];
    const session = await open(a);
    const ids = [
      [c, propose(c, session, 3, 'three')],
      [b, propose(b, session, 2, 'two')],
      [a, propose(a, session, 1, 'one')],
    ] as const;
    for (const [client, id] of ids) assert.equal((await answer(client, id)).type, 'proposed');
    for (const machine of machines) {
      await machine.count(3);
      assert.deepEqual(machine.commands, ['one', 'two', 'three']);
    }
  });

  it('refuse a gap that nobody fills, and a session that does not exist', async () => {
    const [a] = clients as [AppClient];
    const session = await open(a);
    for (const [id, code] of [
      [propose(a, session, 2, 'two'), 'SEQUENCE_GAP'],
      [propose(a, 999_999, 1, 'x'), 'SESSION_UNKNOWN'],
    ] as const) {
      const told = await answer(a, id);
      assert.deepEqual(told.type === 'error' ? [told.code, told.definite] : told, [code, true]);
    }
    assert.equal((await answer(a, propose(a, session, 1, 'one'))).type, 'proposed');
    await machines[0]?.count(1);
    assert.deepEqual(machines[0]?.commands, ['one']);
  });

  it('outlive the death of every daemon and a new app: a retry is still one', async () => {
    const [a] = clients as [AppClient];
    const session = await open(a);
    const before = await answer(a, propose(a, session, 1, 'once'));
    assert.equal(before.type, 'proposed');
    await Promise.all([...clients, ...machines].map((one) => one.close()));
    await Promise.all(all.map(({ child }) => child.kill()));
    all = await Promise.all(all.map((daemon) => daemons.launch(daemon, daemon.members)));
    machines = await Promise.all(all.map(({ socket }) => EchoMachine.attach(socket)));
    clients = await Promise.all(all.map(({ socket }) => AppClient.greet(socket, 'protobuf')));
    const [again] = clients as [AppClient];
    const after = await answer(again, propose(again, session, 1, 'once'));
    assert.deepEqual({ ...after, id: before.id }, { ...before, duplicate: true });
    assert.equal((await answer(again, propose(again, session, 2, 'twice'))).type, 'proposed');
    await machines[0]?.count(2);
    assert.deepEqual(machines[0]?.commands, ['once', 'twice']);
  });

  it('let an app that kept its state go on where it is', async () => {
    const [a] = clients as [AppClient];
    const [daemon] = all as [Daemon];
    const session = await open(a);
    const first = await answer(a, propose(a, session, 1, 'one'));
    const through = (first as { index: number }).index;
    await machines[0]?.close();
    await daemons.until(
      'the app is gone',
      async () => (await daemons.status(daemon))?.app.state === 'ABSENT',
    );
    await daemon.child.kill();
    await clients[0]?.close();
    all[0] = await daemons.launch(daemon, daemon.members);
    machines[0] = await EchoMachine.attach(daemon.socket, through);
    const again = await AppClient.greet(daemon.socket, 'protobuf');
    clients[0] = again;
    // This node has lost the reply, since its app does not apply the command again; the others have it.
    const retry = await answer(again, propose(again, session, 1, 'one'));
    assert.deepEqual({ ...retry, id: first.id }, { ...first, duplicate: true });
    assert.equal((await answer(again, propose(again, session, 2, 'two'))).type, 'proposed');
    await machines[0]?.count(1);
    assert.deepEqual(machines[0]?.commands, ['two']);
  });

  it('expire when nobody is heard, and say so to who used them', async () => {
    const [a, b] = clients as [AppClient, AppClient];
    const id = nextId++;
    a.send({ type: 'openSession', id, ttlMs: TTL_MS });
    const { session } = await a.next('sessionOpened');
    const keep = nextId++;
    b.send({ type: 'keepSession', id: keep, session });
    await b.next('sessionKept', (frame) => frame.id === keep);
    for (const client of [a, b]) assert.equal((await client.next('sessionExpired')).session, session);
    const told = await answer(a, propose(a, session, 1, 'late'));
    assert.equal(told.type === 'error' && told.code, 'SESSION_UNKNOWN');
    await daemons.until(
      'no session is open',
      async () => (await daemons.status(all[0] as Daemon))?.sessions.open === 0,
    );
  });

  it('work over HTTP', async () => {
    const [daemon] = all as [Daemon];
    const tokens = await readTokenFile(join(daemon.dir, 'tokens.json'));
    const ask = async (method: string, path: string, headers = {}, body?: string) =>
      fetch(`http://${daemon.http}${path}`, {
        method,
        headers: { authorization: `Bearer ${tokens?.write}`, 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body }),
      });
    const opened = await ask('POST', '/v1/sessions', {}, '{"ttlMs":5000}');
    const { session, ttlMs } = (await opened.json()) as { session: number; ttlMs: number };
    assert.equal(ttlMs, 5_000);
    const headers = { 'Outrigger-Session': String(session), 'Outrigger-Sequence': '1' };
    const first = await ask('POST', '/v1/propose', headers, 'x');
    const second = await ask('POST', '/v1/propose', headers, 'x');
    assert.deepEqual([first.status, second.status], [200, 200]);
    assert.equal(await first.text(), await second.text());
    assert.equal(first.headers.get('outrigger-index'), second.headers.get('outrigger-index'));
    assert.deepEqual(
      [first.headers.get('outrigger-duplicate'), second.headers.get('outrigger-duplicate')],
      [null, 'true'],
    );
    assert.equal((await ask('POST', `/v1/sessions/${session}/keep`)).status, 200);
    assert.equal((await ask('DELETE', `/v1/sessions/${session}`)).status, 200);
    const gone = await ask('POST', `/v1/sessions/${session}/keep`);
    assert.equal(((await gone.json()) as { code: string }).code, 'SESSION_UNKNOWN');
  });
});
