/** LEASE reads over HTTP and on the command line, at real sidecars; and what a configuration is told that cannot have them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { EchoMachine } from '../support/echo-machine.ts';
import { TEST_MS } from '../support/patience.ts';

interface Answer {
  readonly status: number;
  readonly leader: string | null;
  readonly body: {
    readonly index?: number;
    readonly code?: string;
    readonly definite?: boolean;
    readonly leader?: string;
    readonly message?: string;
  };
}

async function post(daemon: Daemon): Promise<Answer> {
  const tokens = await readTokenFile(join(daemon.dir, 'tokens.json'));
  const response = await fetch(`http://${daemon.http}/v1/read`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokens?.write}`, 'content-type': 'application/json' },
    body: JSON.stringify({ consistency: 'LEASE' }),
  });
  const body = (await response.json()) as Answer['body'];
  return { status: response.status, leader: response.headers.get('x-outrigger-leader'), body };
}

describe('LEASE reads on every surface', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  const apps: EchoMachine[] = [];

  beforeEach(async () => {
    daemons = await Daemons.begin();
  });

  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await daemons.end();
  });

  async function cluster(size: number, flags: readonly string[]): Promise<{ all: Daemon[]; leader: Daemon }> {
    const all = await daemons.cluster(size, { flags });
    for (const { socket } of all) apps.push(await EchoMachine.attach(socket));
    return { all, leader: (await daemons.leaderOf(all)) as Daemon };
  }

  function outrigger(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const env = { ...process.env, XDG_RUNTIME_DIR: daemons.runtimeDir };
    const child = spawn(process.execPath, [resolve('bin/outrigger.mjs'), ...args], { env });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (data) => (stdout += String(data)));
    child.stderr.on('data', (data) => (stderr += String(data)));
    return new Promise((done) => child.once('close', (code) => done({ code, stdout, stderr })));
  }

  it('are served by the leader, and by nobody else, who names it', async () => {
    const { all, leader } = await cluster(3, ['--lease-reads', '--lease-clock-bound', '0.3']);
    let served: Answer | undefined;
    await daemons.until('the leader has a lease', async () => {
      served = await post(leader);
      return served.status === 200;
    });
    assert.ok((served?.body.index ?? 0) > 0);
    const other = all.find((daemon) => daemon !== leader) as Daemon;
    const refused = await post(other);
    const { code, definite, leader: named } = refused.body;
    assert.deepEqual([refused.status, code, definite, named], [409, 'NOT_LEADER', true, leader.id]);
    assert.equal(refused.leader, leader.id);

    let line = '';
    await daemons.until('the command has an answer', async () => {
      line = (await outrigger('read', '--consistency', 'LEASE')).stdout;
      return line !== '';
    });
    assert.match(line, /^\d+\n$/);
    const there = await outrigger('read', '--consistency', 'LEASE', '--node', other.id);
    assert.equal(there.code, 1);
    assert.match(
      there.stderr,
      /answered NOT_LEADER: LEASE reads are served by the leader, which .* does\.$/m,
    );
  });

  it('are unsupported where they are off', async () => {
    const { leader } = await cluster(1, []);
    const { status, body } = await post(leader);
    assert.deepEqual([status, body.code, body.definite], [501, 'UNSUPPORTED', true]);
  });

  it('end a sidecar without check-quorum before it starts, with one sentence and exit code 2', async () => {
    const flags = [
      '--id',
      'n1',
      '--cluster',
      'c',
      '--data',
      join(daemons.root, 'd'),
      '--members',
      'n1=127.0.0.1:7001',
    ];
    const { code, stderr } = await outrigger('run', ...flags, '--lease-reads', '--no-check-quorum');
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^outrigger: --lease-reads needs check-quorum, and --check-quorum is off: [^\n]*\.\n$/,
    );
  });
});
