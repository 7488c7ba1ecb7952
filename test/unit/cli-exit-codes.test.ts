/** The built command, as a user runs it: exit codes, one line per mistake, no stack, plain in a pipe. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../sidecar/main.mjs', import.meta.url));

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('the outrigger command', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'outrigger-cli-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Runs it where no sidecar runs, with CI set, which must not colour a pipe. */
  function outrigger(args: readonly string[], input = ''): Promise<Result> {
    const env = { PATH: process.env['PATH'], XDG_RUNTIME_DIR: folder, HOME: folder, CI: 'true' };
    const child = spawn(process.execPath, [SCRIPT, ...args], { env, stdio: 'pipe' });
    child.stdin.on('error', () => child.stdin.destroy());
    child.stdin.end(input);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => (stdout += String(data)));
    child.stderr.on('data', (data) => (stderr += String(data)));
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
  }

  it('prints its version and its help', async () => {
    assert.match((await outrigger(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
    const help = await outrigger(['--help']);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /outrigger demo/);
    assert(!help.stdout.includes('\u001b'), 'plain in a pipe');
    assert.doesNotMatch(help.stdout, /\breap\b/);
  });

  it('shows examples in the help of every command', async () => {
    const commands = [
      'run',
      'dev',
      'demo',
      'status',
      'health',
      'members',
      'log',
      'terms',
      'propose',
      'read',
      'transfer',
      'snapshot',
      'backup',
      'restore',
      'recover',
      'skip',
      'events',
      'explain',
      'gateway',
    ];
    for (const { code, stdout } of await Promise.all(
      commands.map((command) => outrigger([command, '--help'])),
    )) {
      assert.equal(code, 0);
      assert.match(stdout, /Examples:\n {2}outrigger /);
      assert.doesNotMatch(stdout, /keep-down|exit-with-parent/);
    }
  });

  const GOOD_RUN = ['run', '--id', 'n1', '--cluster', 'c', '--members', 'n1=127.0.0.1:7001'];
  const GATEWAY = ['gateway', '--app-socket', '/tmp/x/a.sock'];
  const GATED = [...GATEWAY, '--cluster', 'c'];
  const mistakes: readonly [string, readonly string[], RegExp][] = [
    ['an unknown command', ['recuver'], /unknown command 'recuver'/],
    ['a misspelt command', ['staus'], /Did you mean status\?/],
    ['an unknown flag', ['status', '--frob'], /unknown option '--frob'/],
    ['a flag without its value', ['log', '--from'], /argument missing/],
    ['a number that is none', ['log', '--limit', '-1'], /whole number/],
    ['a missing argument', ['propose'], /missing required argument/],
    ['an app that is missing', ['dev'], /missing required argument 'app'/],
    ['too many nodes', ['dev', '--nodes', '10', '--', 'true'], /from 1 to 9/],
    ['run without flags', ['run'], /missing --id, --cluster, --data \(/],
    [
      'run with a bad address',
      [...GOOD_RUN, '--data', 'x', '--http-listen', 'x'],
      /--http-listen must be HOST:PORT/,
    ],
    [
      'run with a token file that is missing',
      [...GOOD_RUN, '--data', '/nowhere/data', '--token-file', '/nowhere/tokens.json'],
      /the token file \/nowhere\/tokens\.json is not there: copy/,
    ],
    [
      'neither members nor a cluster to join',
      [...GOOD_RUN.slice(0, 5), '--data', '/x'],
      /missing --members .* --join/,
    ],
    [
      'both members and a cluster to join',
      [...GOOD_RUN, '--data', '/x', '--join', 'http://127.0.0.1:1'],
      /--members and --join exclude each other/,
    ],
    ['a backup to nowhere', ['backup'], /give --out FILE to make a backup, or --inspect/],
    ['a backup that is not there', ['backup', '--inspect', '/nowhere/b'], /there is no such file/],
    ['an index without AT_LEAST', ['read', '--index', '4'], /go together/],
    ['an unknown consistency', ['read', '--consistency', 'MAYBE'], /Allowed choices are LINEARIZABLE/],
    ['a question that is none', ['explain', 'weather'], /Allowed choices are leader, lag, entry, member/],
    ['an entry without its index', ['explain', 'entry', 'n1'], /needs the index of an entry/],
    ['a place in the events that is none', ['events', '--since', 'x'], /--since is the number of an event/],
    ['a URL that is none', ['status', '--http', 'nonsense'], /--http must be a URL/],
    ['--http and --cluster', ['status', '--http', 'http://x', '--cluster', 'c'], /leave out --cluster/],
    ['a token file alone', ['log', '--token-file', 'x'], /--token-file goes with --http/],
    ['a gateway without a place', ['gateway'], /missing --app-socket/],
    ['a gateway of no cluster', ['gateway', '--app-socket', '/tmp/x/a'], /no sidecar of this user runs/],
    ['replicas of no cluster', [...GATEWAY, '--replicas', 'n1=unix:/x'], /missing --cluster/],
    ['replicas without names', [...GATED, '--replicas', '/x'], /--replicas must be ID=…,ID=…, but has "\/x"/],
    ['a replica twice', [...GATED, '--replicas', 'n1=/x,n1=/y'], /--replicas names n1 twice/],
    [
      'a replica elsewhere',
      [...GATED, '--replicas', 'n1=tcp://10.0.0.1:7'],
      /the app socket of n1 must be on this machine, and 10\.0\.0\.1 is not/,
    ],
    [
      'a replica on TCP without its token',
      [...GATED, '--replicas', 'n1=tcp://127.0.0.1:7'],
      /--token-file n1=FILE/,
    ],
    [
      'a token file that is not there',
      [...GATED, '--replicas', 'n1=tcp://127.0.0.1:7', '--token-file', 'n1=/no/file'],
      /--token-file: \/no\/file is not there/,
    ],
    [
      'a gateway on TCP without tokens',
      ['gateway', '--cluster', 'c', '--app-socket', 'tcp://127.0.0.1:0'],
      /--client-token-file/,
    ],
    [
      'a gateway for the world',
      [...GATED, '--http-listen', '0.0.0.0:80'],
      /--http-listen has the host 0\.0\.0\.0/,
    ],
    ['a call without a token', ['log', '--http', 'http://127.0.0.1:9'], /--token-file FILE/],
  ];
  for (const [what, args, sentence] of mistakes) {
    it(`refuses ${what} with one line and exit code 2`, async () => {
      const { code, stdout, stderr } = await outrigger(args);
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, /^outrigger: [^\n]+\n$/);
      assert.match(stderr, sentence);
    });
  }

  it('says that no sidecar runs, with exit code 1', async () => {
    const { code, stderr } = await outrigger(['status']);
    assert.equal(code, 1);
    assert.match(stderr, /^outrigger: no sidecar of this user runs on this machine[^\n]+\n$/);
  });

  it('says that a program for dev does not exist, and leaves nothing behind', async () => {
    const { code, stderr } = await outrigger(['dev', '--nodes', '1', '--', join(folder, 'no-such-program')]);
    assert.equal(code, 1);
    assert.match(stderr, /no-such-program cannot be started: there is no such program\.\n$/);
  });

  it('passes on what a sidecar refuses, and whether it may still happen', async () => {
    const tokenFile = join(folder, 'tokens.json');
    const tokens = { view: 'v'.repeat(43), write: 'w'.repeat(43), admin: 'a'.repeat(43) };
    await writeFile(tokenFile, JSON.stringify(tokens), { mode: 0o600 });
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (data) => (body += String(data)));
      request.on('end', () => {
        if (body === 'bytes from stdin' && request.headers.authorization === `Bearer ${tokens.write}`) {
          response.setHeader('Outrigger-Index', 7).setHeader('Outrigger-Term', 2).end('\u0000result');
          return;
        }
        const answer = { code: 'LEADER_LOST', definite: false, message: 'the leader is gone.' };
        response.writeHead(503, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const to = [
      '--http',
      `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      '--token-file',
      tokenFile,
    ];
    try {
      const good = await outrigger(['propose', '-', ...to], 'bytes from stdin');
      assert.deepEqual(good, { code: 0, stdout: '\u0000result', stderr: '' });
      const json = await outrigger(['propose', '-', '--json', ...to], 'bytes from stdin');
      assert.deepEqual(JSON.parse(json.stdout), { index: 7, term: 2, result: 'AHJlc3VsdA==' });
      const bad = await outrigger(['propose', 'x', ...to]);
      assert.equal(bad.code, 1);
      assert.match(bad.stderr, /answered LEADER_LOST: the leader is gone\. It may still take effect\.\n$/);
    } finally {
      server.close();
    }
  });
});
