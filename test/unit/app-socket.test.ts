/** The place of the socket: modes, stale and live sockets, TCP with a token. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppServer, type ListenAt } from '../../sidecar/app/server.ts';
import { ListenRefused } from '../../sidecar/app/socket-path.ts';
import { AppClient } from '../support/app-client.ts';
import { FakeHost } from '../support/app-host.ts';

describe('app socket: its place', () => {
  let folder: string;
  let servers: AppServer[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'outrigger-app-'));
    servers = [];
  });
  afterEach(async () => {
    for (const server of servers) await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function make(listen: ListenAt, token?: string): AppServer {
    const server = new AppServer({
      host: new FakeHost(),
      listen,
      token,
      onFault: (error) => assert.fail(error),
    });
    servers.push(server);
    return server;
  }
  const refused = (listen: ListenAt, message: RegExp, token?: string) =>
    assert.rejects(make(listen, token).listen(), (error) => {
      assert.ok(error instanceof ListenRefused, String(error));
      assert.match(error.message, message);
      return true;
    });
  const mode = (path: string) => (lstatSync(path).mode & 0o777).toString(8);

  /** Leaves a socket file behind, as a killed process does. */
  function leaveStale(path: string): void {
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    assert.ok(lstatSync(path).isSocket());
  }

  it('makes a folder of mode 0700 and a socket of mode 0600 whatever the umask', async () => {
    const before = process.umask(0);
    try {
      const path = join(folder, 'new', 'deep', 'a.sock');
      await make({ path }).listen();
      assert.equal(mode(join(folder, 'new', 'deep')), '700');
      assert.equal(mode(path), '600');
    } finally {
      process.umask(before);
    }
  });

  it('closes a folder of ours to others, and refuses one that is shared', async () => {
    const ours = join(folder, 'ours');
    mkdirSync(ours);
    chmodSync(ours, 0o777);
    await make({ path: join(ours, 'a.sock') }).listen();
    assert.equal(mode(ours), '700');
    chmodSync(folder, 0o1777);
    await refused({ path: join(folder, 'a.sock') }, /is shared by all users/);
  });

  it('replaces a stale socket and removes its own at the end', async () => {
    const path = join(folder, 'a.sock');
    leaveStale(path);
    const server = make({ path });
    await server.listen();
    await (await AppClient.greet(path, 'json')).close();
    await server.close();
    assert.equal(existsSync(path), false);
  });

  it('refuses a live socket, and leaves it alone', async () => {
    const path = join(folder, 'a.sock');
    await make({ path }).listen();
    await refused({ path }, /another process answers on the socket/);
    await (await AppClient.greet(path, 'json')).close();
    const foreign = createServer().listen(join(folder, 'b.sock'));
    await once(foreign, 'listening');
    await refused({ path: join(folder, 'b.sock') }, /another process answers/);
    foreign.close();
  });

  it('refuses a file, a symbolic link, a folder in the way and a path that is too long', async () => {
    const path = join(folder, 'a.sock');
    writeFileSync(path, 'precious');
    await refused({ path }, /is not a socket/);
    leaveStale(join(folder, 'real.sock'));
    symlinkSync(join(folder, 'real.sock'), join(folder, 'link.sock'));
    await refused({ path: join(folder, 'link.sock') }, /symbolic link/);
    assert.ok(existsSync(join(folder, 'real.sock')));
    await refused({ path: join(path, 'b.sock') }, /cannot be made/);
    await refused({ path: join(folder, 'x'.repeat(120)) }, /longer than 10\d bytes/);
  });

  it('listens on loopback TCP only, and only with a token', async () => {
    await refused({ tcp: { host: '0.0.0.0', port: 0 } }, /loopback only/, 'secret');
    await refused({ tcp: { host: '127.0.0.1', port: 0 } }, /only with a token/);
    const at = await make({ tcp: { host: '127.0.0.1', port: 0 } }, 'secret').listen();
    assert.ok('tcp' in at && at.tcp.port > 0);
    await refused({ tcp: at.tcp }, /cannot listen/, 'secret');
    for (const token of [undefined, '', 'Secret', 'secret2']) {
      const client = await AppClient.open(at.tcp, 'json');
      client.hello(undefined, token === undefined ? {} : { token });
      const error = await client.next('error');
      assert.deepEqual([error.code, error.definite], ['UNAUTHORIZED', true]);
      await client.closed;
    }
    const client = await AppClient.open(at.tcp, 'protobuf');
    client.hello(undefined, { token: 'secret' });
    assert.equal((await client.next('welcome')).node, 'n1');
    await client.close();
  });
});
