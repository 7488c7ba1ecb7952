/**
 * Single daemons as processes: exit codes, graceful stop, a full disk, hostile neighbours on the sockets. Real SQLite, real
 * sockets, real signals.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { LogPage } from '../../shared/inspect.ts';
import { pickPorts } from '../../sidecar/cli/cluster/ports.ts';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons, exitOf, membersOf } from '../support/daemons.ts';
import { TEST_MS, tellTime } from '../support/patience.ts';
import { guardIndex } from '../unit/store-support.ts';

/** Told, not judged: under what all three would take one after the other when each waits for its `shutdownMs`. */
const STOP_MS = 10_000;

describe('a daemon as a process', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;

  beforeEach(async () => {
    daemons = await Daemons.begin();
  });

  afterEach(() => daemons.end());

  it('all three stop in order when all three are told at once', async () => {
    const all = await daemons.cluster(3);
    const began = performance.now();
    for (const daemon of all) process.kill(daemon.child.pid, 'SIGTERM');
    const exits = await Promise.all(all.map((daemon) => exitOf(daemon)));
    tellTime('three daemons stopped', performance.now() - began, STOP_MS);
    assert.deepEqual(
      exits.map((exit) => exit.code),
      [0, 0, 0],
    );
  });

  it('a leader that is told to stop hands leadership over first', async () => {
    const all = await daemons.cluster(3);
    const before = await Promise.all(all.map((d) => daemons.status(d)));
    const leader = all[before.findIndex((s) => s?.role === 'LEADER')] as Daemon;
    const others = all.filter((daemon) => daemon !== leader);
    process.kill(leader.child.pid, 'SIGTERM');
    await exitOf(leader);
    await daemons.until('a new leader', async () =>
      (await Promise.all(others.map((d) => daemons.status(d)))).some((s) => s?.role === 'LEADER'),
    );
    const elections = others.flatMap((daemon) =>
      daemon.stderr.filter((line) => line.includes('TRANSFER_RECEIVED')),
    );
    assert.equal(elections.length, 1, 'it was not a transfer');
  });

  it('takes the request for a transfer on a follower, and passes it on', async () => {
    const all = await daemons.cluster(3);
    await daemons.until('all know the leader', async () =>
      (await Promise.all(all.map((d) => daemons.status(d)))).every((s) => s?.leader),
    );
    const found = await Promise.all(all.map((d) => daemons.status(d)));
    const follower = all[found.findIndex((s) => s?.role === 'FOLLOWER')] as Daemon;
    const tokens = await readTokenFile(join(follower.dir, 'tokens.json'));
    const response = await fetch(`http://${follower.http}/v1/leader/transfer`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokens?.admin}`, 'content-type': 'application/json' },
      body: JSON.stringify({ to: follower.id }),
    });
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(((await response.json()) as { leader: string }).leader, follower.id);
    assert.equal((await daemons.status(follower))?.role, 'LEADER');
  });

  it('exits with 4, and no stack, when another daemon has the folder', async () => {
    const [first] = (await daemons.cluster(1)) as [Daemon];
    const [port] = await pickPorts(1);
    const second = await daemons.launch(
      {
        ...first,
        id: 'n1',
        peer: `127.0.0.1:${port}`,
        http: '127.0.0.1:0',
        socket: join(daemons.root, 'x', 'app.sock'),
      },
      `n1=127.0.0.1:${port}`,
    );
    assert.equal((await exitOf(second)).code, 4);
    assert.equal(second.stderr.filter((line) => line.includes(' at ')).length, 0, second.stderr.join('\n'));
    assert.equal((await daemons.status(first))?.role, 'LEADER', 'the first one was harmed');
  });

  it('exits with 3 when its log cannot be read', async () => {
    const [daemon] = (await daemons.cluster(1)) as [Daemon];
    process.kill(daemon.child.pid, 'SIGTERM');
    await exitOf(daemon);
    const file = await open(join(daemon.dir, 'log.sqlite'), 'r+');
    await file.write(Buffer.alloc(100, 0xff), 0, 100, 0);
    await file.close();
    const again = await daemons.launch(daemon, `n1=${daemon.peer}`);
    assert.equal((await exitOf(again)).code, 3);
  });

  it('keeps its secrets to its owner, and refuses other Hosts and origins', async () => {
    const [daemon] = (await daemons.cluster(1)) as [Daemon];
    const tokenFile = join(daemon.dir, 'tokens.json');
    assert.equal((await stat(tokenFile)).mode & 0o777, 0o600);
    assert.equal((await stat(daemon.socket)).mode & 0o777, 0o600);
    assert.equal((await stat(join(daemon.socket, '..'))).mode & 0o777, 0o700);
    assert.equal(
      (await stat(join(daemons.root, 'run', 'outrigger', 'daemons', 'n1.json'))).mode & 0o777,
      0o600,
    );
    const tokens = await readTokenFile(tokenFile);
    assert.ok(tokens);
    assert.equal(await answer(daemon, '/v1/status', { host: 'evil.example' }), 403);
    assert.equal(await answer(daemon, '/v1/status', {}), 200);
    const forged = { origin: 'http://evil.example', authorization: `Bearer ${tokens.write}` };
    assert.equal(await answer(daemon, '/v1/propose', forged, 'POST'), 403);
    assert.equal(await answer(daemon, '/v1/propose', {}, 'POST'), 401);
  });

  async function answer(daemon: Daemon, path: string, headers: Record<string, string>, method = 'GET') {
    const [host, port] = daemon.http.split(':') as [string, string];
    const sent = request({ host, port, path, method, headers: { host: daemon.http, ...headers } });
    sent.end(method === 'POST' ? 'command' : undefined);
    const [response] = await once(sent, 'response');
    response.resume();
    return response.statusCode as number;
  }

  it('serves its app while others send garbage to every socket it has', async () => {
    const [daemon] = (await daemons.cluster(1)) as [Daemon];
    const app = await AppClient.greet(daemon.socket, 'json', {});
    const [peerHost, peerPort] = daemon.peer.split(':') as [string, string];
    const garbage = [
      Buffer.alloc(70_000, 0xff),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from('OUTRIG/1\xff\xff\xff\xff\x7f', 'latin1'),
      Buffer.from('{"hello"'),
    ];
    for (const bytes of garbage) {
      for (const to of [{ path: daemon.socket }, { host: peerHost, port: Number(peerPort) }]) {
        const socket = connect(to as never);
        // Being cut off is what is expected here.
        socket.on('error', () => undefined);
        socket.end(bytes);
        socket.resume();
        await new Promise((done) => socket.once('close', done));
      }
      app.send({ type: 'propose', id: 1, command: Buffer.from('x'), wait: 'COMMITTED' } as never);
      assert.ok((await app.next('proposed')).index > 0);
    }
    await app.close();
  });

  describe('on a small disk', () => {
    let disk: string;

    before(async function () {
      disk = await mkdtemp(join(tmpdir(), 'outrigger-small-'));
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk]);
      if (mounted.status === 0) return;
      console.warn('      SKIPPED: a small disk cannot be mounted here');
      this.skip();
    });

    after(async () => {
      spawnSync('umount', [disk]);
      await rm(disk, { recursive: true, force: true });
    });

    it('a full disk is an orderly state: NO_SPACE, reads go on, writes come back with space', async () => {
      const [daemon] = (await daemons.cluster(1, { dir: disk })) as [Daemon];
      const app = await AppClient.greet(daemon.socket, 'json', {});
      app.send({ type: 'propose', id: 1, command: Buffer.from('first'), wait: 'COMMITTED' } as never);
      const first = await app.next('proposed');
      const entries = await app.next('entries', (frame) => frame.through >= first.index);
      app.send({ type: 'applied', through: entries.through, results: [] } as never);
      const filler = join(disk, 'filler');
      const free = spawnSync('df', ['--output=avail', '-B1', disk]).stdout.toString().trim().split('\n')[1];
      await writeFile(filler, Buffer.alloc(Math.max(0, Number(free) - 64 * 1024)));

      const big = Buffer.alloc(200_000, 1);
      let code = '';
      for (let id = 10; code !== 'NO_SPACE'; id++) {
        assert.ok(id < 200, 'the disk does not get full');
        app.send({ type: 'propose', id, command: big, wait: 'COMMITTED', timeoutMs: 500 } as never);
        const outcome = await Promise.race([
          app.next('proposed', (f) => f.id === id),
          app.next('error', (f) => f.id === id),
        ]);
        if (outcome.type === 'error') code = outcome.code;
      }
      app.send({ type: 'read', id: 5, consistency: 'STALE' } as never);
      assert.ok((await app.next('readReady')).index >= first.index);
      assert.equal((await daemons.status(daemon))?.store.state, 'NO_SPACE');

      await unlink(filler);
      await daemons.until('it leads again', async () => (await daemons.status(daemon))?.role === 'LEADER');
      app.send({ type: 'propose', id: 6, command: Buffer.from('after'), wait: 'COMMITTED' } as never);
      assert.ok((await app.next('proposed', (f) => f.id === 6)).index > first.index);
      await app.close();
    });
  });

  it('a node that lost the end of its log says so, does not vote, and is repaired by its peers', async () => {
    const all = await daemons.cluster(3);
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const victim = all.find((daemon) => daemon !== leader) as Daemon;
    const client = await AppClient.greet(leader.socket, 'json');
    for (let id = 1; id <= 20; id++) {
      client.send({ type: 'propose', id, command: Buffer.from(`command ${id}`), wait: 'COMMITTED' } as never);
      await client.next('proposed', (frame) => frame.id === id);
    }
    await client.close();
    const last = (await daemons.status(leader))?.lastIndex ?? 0;
    await daemons.until('its guard knows', async () => guardIndex(victim.dir) === last);
    await victim.child.kill();
    await truncate(join(victim.dir, 'log.sqlite-wal'), 0);

    const again = await daemons.launch(victim, membersOf(all));
    await daemons.until('it is whole', async () => (await daemons.status(again))?.store.whole === true);
    assert.ok(
      again.stderr.some((line) => line.includes('does not vote yet')),
      again.stderr.join('\n'),
    );
    assert.equal((await daemons.status(again))?.lastIndex, last);
    assert.equal(await lastHash(again), await lastHash(leader));
  });

  async function lastHash(daemon: Daemon): Promise<string> {
    const tokens = await readTokenFile(join(daemon.dir, 'tokens.json'));
    const headers = { authorization: `Bearer ${tokens?.view}` };
    const page = (await (await fetch(`http://${daemon.http}/v1/log`, { headers })).json()) as LogPage;
    return page.entries.at(-1)?.hash ?? 'the log is empty';
  }

  it('a node restarted alone in an idle cluster learns again what is committed', async () => {
    const all = await daemons.cluster(3);
    const found = await Promise.all(all.map((d) => daemons.status(d)));
    const follower = all[found.findIndex((s) => s?.role === 'FOLLOWER')] as Daemon;
    await daemons.until('it follows', async () => ((await daemons.status(follower))?.commitIndex ?? 0) > 0);
    const committed = (await daemons.status(follower))?.commitIndex ?? 0;
    await follower.child.kill();
    await mkdir(join(follower.socket, '..'), { recursive: true });
    const again = await daemons.launch(follower, membersOf(all));
    await daemons.until(
      'it knows the commit',
      async () => ((await daemons.status(again))?.commitIndex ?? 0) >= committed,
    );
  });
});
