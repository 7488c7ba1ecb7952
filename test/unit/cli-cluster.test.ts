/** `dev`, `demo` and `run` as processes: what they promise about the processes they start, and the demo's exit code. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { INSPECT_PROTOCOL } from '../../shared/inspect.ts';
import { LocalCluster } from '../../sidecar/cli/cluster/local-cluster.ts';
import { pickPorts } from '../../sidecar/cli/cluster/ports.ts';
import { PATIENCE_MS, TEST_MS } from '../support/patience.ts';

const SCRIPT = fileURLToPath(new URL('../../sidecar/main.mjs', import.meta.url));
/** An app that says who it is and then waits to be ended. */
const APP =
  'console.log("pid " + process.pid + " of " + process.env.OUTRIGGER_NODE); setInterval(() => {}, 1000);';

/** The same, and it says something all the time: what it says meets a pipe that nobody reads any more. */
const CHATTY_APP =
  'console.log("pid " + process.pid + " of " + process.env.OUTRIGGER_NODE); setInterval(() => console.log("."), 1);';

class Running {
  output = '';
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  #changed: () => void = () => undefined;

  constructor(args: readonly string[], folder: string) {
    const env = { PATH: process.env['PATH'], XDG_RUNTIME_DIR: folder, TMPDIR: folder, HOME: folder };
    this.child = spawn(process.execPath, [SCRIPT, ...args], { env, stdio: 'pipe' });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (data) => {
        this.output += String(data);
        this.#changed();
      });
    }
    this.ended = new Promise((resolve) => this.child.once('close', resolve));
  }

  /** Waits until the output matches `count` times. */
  async said(pattern: RegExp, count = 1): Promise<RegExpMatchArray[]> {
    for (;;) {
      const found = [...this.output.matchAll(pattern)];
      if (found.length >= count) return found;
      const more = new Promise<'more'>((resolve) => {
        this.#changed = () => resolve('more');
      });
      if ((await Promise.race([more, this.ended])) !== 'more') throw new Error(`it ended: ${this.output}`);
    }
  }
}

/** True while the process runs; one that ended and was not collected by its new parent yet does not. */
async function runs(pid: number): Promise<boolean> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
    return !/\) [ZX]/.test(stat);
  }
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('local clusters', function () {
  this.timeout(TEST_MS);
  let folder: string;
  const started: Running[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'or-'));
  });
  afterEach(async () => {
    for (const running of started.splice(0)) {
      running.child.kill('SIGTERM');
      await running.ended;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  function outrigger(...args: string[]): Running {
    const running = new Running(args, folder);
    started.push(running);
    return running;
  }

  it('dev stops everything at Ctrl-C and removes its folder', async () => {
    const dev = outrigger('dev', '--nodes', '1', '--', process.execPath, '-e', APP);
    const [app] = await dev.said(/n1 +\| pid (\d+) of n1/g);
    const [data] = await dev.said(/data in (\S+)/g);
    assert(existsSync(data?.[1] ?? ''));
    dev.child.kill('SIGINT');
    assert.equal(await dev.ended, 0, dev.output);
    assert.equal(await runs(Number(app?.[1])), false);
    assert.equal(existsSync(data?.[1] ?? ''), false);
    assert.deepEqual(readdirSync(join(folder, 'outrigger')), [], 'no endpoint files are left');
  });

  it('dev that is killed leaves no process behind', async () => {
    const dev = outrigger('dev', '--nodes', '1', '--', process.execPath, '-e', APP);
    const [app] = await dev.said(/n1 +\| pid (\d+) of n1/g);
    const [cluster = ''] = readdirSync(join(folder, 'outrigger'));
    const endpoint = JSON.parse(await readFile(join(folder, 'outrigger', cluster, 'n1.json'), 'utf8'));
    dev.child.kill('SIGKILL');
    await dev.ended;
    for (const pid of [Number(app?.[1]), Number(endpoint.pid)]) {
      while (await runs(pid)) await sleep(20);
    }
  });

  it('dev --exit-with-parent leaves nothing behind when its parent is gone, with all pipes between them', async () => {
    const flags = ['--nodes', '1', '--control', '--exit-with-parent'];
    const dev = outrigger('dev', ...flags, '--', process.execPath, '-e', CHATTY_APP);
    const [app] = await dev.said(/n1 +\| pid (\d+) of n1/g);
    const [data] = await dev.said(/data in (\S+)/g);
    const [cluster = ''] = readdirSync(join(folder, 'outrigger'));
    const endpoint = JSON.parse(await readFile(join(folder, 'outrigger', cluster, 'n1.json'), 'utf8'));
    assert.equal(endpoint.control, true, 'its sidecars allow control');
    for (const pipe of [dev.child.stdout, dev.child.stderr, dev.child.stdin]) pipe?.destroy();
    await dev.ended;
    for (const pid of [Number(app?.[1]), Number(endpoint.pid)]) assert.equal(await runs(pid), false);
    assert.equal(existsSync(data?.[1] ?? ''), false, 'its folder is removed');
    assert.deepEqual(readdirSync(join(folder, 'outrigger')), [], 'no endpoint files are left');
  });

  it('dev whose output nobody reads any more stops in order', async () => {
    const dev = outrigger('dev', '--nodes', '1', '--', process.execPath, '-e', CHATTY_APP);
    const [data] = await dev.said(/data in (\S+)/g);
    await dev.said(/n1 +\| pid (\d+) of n1/g);
    dev.child.stdout?.destroy();
    await dev.ended;
    assert.equal(existsSync(data?.[1] ?? ''), false, 'its folder is removed');
  });

  it('dev --once ends with the apps, and says how they ended', async () => {
    const exitWith = (code: number): Running =>
      outrigger('dev', '--once', '--nodes', '1', '--', process.execPath, '-e', `process.exit(${code})`);
    const [good, bad] = [exitWith(0), exitWith(3)];
    assert.equal(await good.ended, 0, good.output);
    assert.equal(await bad.ended, 1, bad.output);
    assert.match(bad.output, /the app has ended: exit code 3/);
  });

  it('run gives up a data folder that another daemon has, with exit code 4', async () => {
    const [port] = await pickPorts(1);
    const flags = ['run', '--id', 'n1', '--cluster', 'c', '--data', join(folder, 'data')];
    const members = ['--members', `n1=127.0.0.1:${port}`, '--log-level', 'error'];
    const first = outrigger(...flags, ...members, '--json');
    const [line] = await first.said(/^\{.*\}$/gm);
    const bound = JSON.parse(line?.[0] ?? '');
    assert.deepEqual(Object.keys(bound), ['node', 'http', 'peer', 'appSocket', 'pid']);
    assert.equal(bound.pid, first.child.pid);
    const second = outrigger(...flags, ...members, '--peer-listen', '127.0.0.1:0');
    assert.equal(await second.ended, 4, second.output);
    assert.match(second.output, /^outrigger: [^\n]+\n$/);
    first.child.kill('SIGTERM');
    assert.equal(await first.ended, 0);
  });

  it('a cluster can be killed and restarted node by node', async () => {
    const deaths: string[] = [];
    const cluster = await LocalCluster.start({
      script: SCRIPT,
      cluster: 'c',
      nodes: 3,
      dir: folder,
      env: { ...process.env, XDG_RUNTIME_DIR: folder },
      sidecarFlags: ['--log-level', 'error'],
      onLine: () => undefined,
      onDeath: ({ id }) => deaths.push(id),
    });
    try {
      const first = await cluster.waitForLeader(PATIENCE_MS);
      assert(first !== undefined);
      assert.equal(first.protocol, INSPECT_PROTOCOL);
      const node = cluster.node(first.node);
      await cluster.kill(node, 'sidecar');
      assert.equal(await cluster.status(node), undefined);
      const next = await cluster.waitForLeader(PATIENCE_MS, first.term);
      assert(next !== undefined && next.node !== first.node && next.term > first.term);
      await cluster.startSidecar(node);
      assert.equal((await cluster.status(node))?.node, node.id);
      assert.deepEqual(deaths, [], 'what was asked for is no news');
    } finally {
      await cluster.stop();
    }
  });

  it('demo --once loses nothing', async () => {
    const demo = outrigger('demo', '--once');
    assert.equal(await demo.ended, 0, demo.output);
    assert.match(demo.output, /all \d+ acknowledged writes are on all 3 nodes/);
  });

  it('demo --once fails when two of three nodes stay down', async () => {
    const demo = outrigger('demo', '--once', '--keep-down', '2');
    assert.equal(await demo.ended, 1, demo.output);
    assert.match(demo.output, /1 of 3 nodes run, and a majority is needed/);
    assert.doesNotMatch(demo.output, /Nothing was lost/);
  });

  it('demo --once fails when one node stays behind', async () => {
    const demo = outrigger('demo', '--once', '--keep-down', '1');
    assert.equal(await demo.ended, 1, demo.output);
    assert.match(demo.output, /n\d has applied \d+, and \d+ was acknowledged/);
  });
});
