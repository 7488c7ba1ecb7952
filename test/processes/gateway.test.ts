/**
 * A real gateway in front of three real sidecars with the Python key-value app, while their leaders are killed and stopped:
 * what is in a session goes on, in order and once; what is not gets an indefinite error where nobody knows, and never a guess.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { GatewayStatus } from '../../shared/inspect.ts';
import { LocalCluster } from '../../sidecar/cli/cluster/local-cluster.ts';
import { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import { AppClient } from '../support/app-client.ts';
import { PATIENCE_MS, TEST_MS, until as wait } from '../support/patience.ts';

const SIGNALS = ['SIGKILL', 'SIGSTOP', 'SIGKILL', 'SIGKILL'] as const;
/** Open at once: of the client in a session, and of the one without. */
const IN_FLIGHT = 8;

/** How each proposal of one client ended. */
interface Told {
  readonly key: string;
  readonly index: number | undefined;
  readonly result: string;
  readonly code: string;
  readonly definite: boolean;
}

/** Keeps proposals open until it is told to stop: each puts a key of its own. */
class Writer {
  readonly told: Told[] = [];
  readonly #client: AppClient;
  readonly #name: string;
  readonly #session: number | undefined;
  #next = 1;
  #stopped = false;
  #watchers: (() => void)[] = [];

  constructor(client: AppClient, name: string, session?: number) {
    this.#client = client;
    this.#name = name;
    this.#session = session;
  }

  run(): Promise<unknown> {
    return Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#lane()));
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when one more has ended well. */
  async progress(): Promise<void> {
    const before = this.#good();
    while (this.#good() === before) await new Promise<void>((done) => this.#watchers.push(done));
  }

  #good(): number {
    return this.told.filter(({ code }) => code === '').length;
  }

  async #lane(): Promise<void> {
    while (!this.#stopped) {
      const id = this.#next++;
      const key = `${this.#name}${id}`;
      const command = Buffer.from(JSON.stringify({ op: 'put', key, value: 'v' }));
      const inSession = this.#session === undefined ? {} : { session: this.#session, sequence: id };
      this.#client.send({ type: 'propose', id, command, ...inSession });
      const answer = await Promise.race([
        this.#client.next('proposed', (frame) => frame.id === id),
        this.#client.next('error', (frame) => frame.id === id),
      ]);
      const good = answer.type === 'proposed';
      this.told.push({
        key,
        index: good ? answer.index : undefined,
        result: good ? Buffer.from(answer.result ?? []).toString() : '',
        code: good ? '' : answer.code,
        definite: !good && answer.definite,
      });
      for (const wake of this.#watchers.splice(0)) wake();
    }
  }
}

describe('a gateway while leaders die', function () {
  this.timeout(TEST_MS);
  let dir: string;
  let cluster: LocalCluster;
  let gateway: ManagedProcess;
  let bound: { http: string; appSocket: string };
  const clients: AppClient[] = [];
  const apps = new Map<string, string>();
  const noise: string[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'outrigger-gw-'));
    const env = {
      ...process.env,
      KV_FOLDER: resolve('examples/python-kv'),
      XDG_RUNTIME_DIR: join(dir, 'run'),
    };
    cluster = await LocalCluster.start({
      script: resolve('bin/outrigger.mjs'),
      cluster: 'gated',
      nodes: 3,
      dir,
      env,
      app: { command: 'python3', args: [resolve('test/processes/recording_kv.py')] },
      onLine: (node, part, _stream, text) => {
        const url = part === 'app' ? /listening on (\S+)/.exec(text)?.[1] : undefined;
        if (url !== undefined) apps.set(node.id, url);
        noise.push(`${node.id} ${part}: ${text}`);
      },
      onDeath: () => undefined,
    });
    await until('all apps listen', () => apps.size === 3);
    assert.ok(await cluster.waitForLeader(PATIENCE_MS), 'no first leader');
    let said: (line: string) => void = () => undefined;
    const line = new Promise<string>((done) => {
      said = done;
    });
    const socket = join(dir, 'gateway', 'app.sock');
    gateway = await ManagedProcess.start({
      command: process.execPath,
      args: [resolve('bin/outrigger.mjs'), 'gateway', '--app-socket', socket, '--json', '--exit-with-parent'],
      env,
      stdin: 'held',
      onLine: (stream, text) => {
        if (stream === 'stdout') said(text);
        noise.push(`gateway: ${text}`);
      },
    });
    bound = JSON.parse(await line) as typeof bound;
    await until('the gateway is ready', async () => (await fetch(`${bound.http}/readyz`)).ok);
  });

  after(async () => {
    for (const client of clients) await client.close();
    await gateway?.kill();
    await cluster?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('goes on in a session, and never guesses outside of one', async () => {
    const [inSession, plain] = [await greet(), await greet()];
    inSession.send({ type: 'openSession', id: 1 });
    const { session } = await inSession.next('sessionOpened');
    const writers = [new Writer(inSession, 's', session), new Writer(plain, 'p')] as const;
    const running = writers.map((writer) => writer.run());
    for (const signal of SIGNALS) {
      await Promise.all(writers.map((writer) => writer.progress()));
      await takeLeaderDown(signal);
      await Promise.all(writers.map((writer) => writer.progress()));
    }
    for (const writer of writers) writer.stop();
    await Promise.all(running);
    checkSession(writers[0].told);
    await checkPlain(writers[1].told, writers[0].told.length);
    const { upstreams } = (await (await fetch(`${bound.http}/v1/status`)).json()) as GatewayStatus;
    assert.deepEqual(
      upstreams.map(({ id }) => id),
      ['n1', 'n2', 'n3'],
    );
  });

  /** Every sequence was answered well, in its order, and took effect for the first time. */
  function checkSession(told: readonly Told[]): void {
    assert.deepEqual(
      told.filter(({ code }) => code !== ''),
      [],
    );
    const inOrder = [...told].sort((a, b) => numberOf(a) - numberOf(b));
    assert.deepEqual(
      inOrder.map(numberOf),
      inOrder.map((_, at) => at + 1),
    );
    for (const [at, { key, index, result }] of inOrder.entries()) {
      assert.deepEqual([key, JSON.parse(result)], [key, { existed: false }]);
      assert.ok((inOrder[at - 1]?.index ?? 0) < (index ?? 0), `${key} is out of order`);
    }
  }

  /** Outside of a session: what ended well is there, what surely did not happen is not, and nothing is there twice. */
  async function checkPlain(told: readonly Told[], sessionCommands: number): Promise<void> {
    const unsure = told.filter(({ code, definite }) => code !== '' && !definite);
    assert.ok(unsure.length > 0, 'no kill met a request on its way: the run proves nothing');
    assert.deepEqual([...new Set(unsure.map(({ code }) => code))], ['LEADER_LOST']);
    const app = apps.get('n1') ?? '';
    const good = told.filter(({ code }) => code === '');
    const expected = sessionCommands + good.length;
    await until('n1 has applied all', async () => (await entries(app)) >= expected);
    const there = async ({ key }: Told): Promise<boolean> => (await fetch(`${app}/${key}`)).ok;
    let tookEffect = 0;
    for (const one of told) {
      const found = await there(one);
      if (one.code === '') assert.ok(found, `${one.key} was acknowledged and is lost`);
      else if (one.definite) assert.ok(!found, `${one.key} was refused and happened`);
      else if (found) tookEffect++;
    }
    const applied = await entries(app);
    assert.equal(applied, expected + tookEffect, 'a command was applied twice, or one that nobody sent');
    console.log(
      `      ${SIGNALS.length} leaders down: ${sessionCommands} commands in a session, ${good.length} outside, ` +
        `${unsure.length} unsure (${tookEffect} of them happened)`,
    );
  }

  async function greet(): Promise<AppClient> {
    const client = await AppClient.greet(bound.appSocket, 'protobuf', undefined, false);
    clients.push(client);
    return client;
  }

  async function entries(app: string): Promise<number> {
    return ((await (await fetch(`${app}/_record`)).json()) as { entries: number }).entries;
  }

  /** Takes the leader down, waits for another one, brings the old one back. */
  async function takeLeaderDown(how: 'SIGKILL' | 'SIGSTOP'): Promise<void> {
    const leader = await cluster.waitForLeader(PATIENCE_MS);
    assert.ok(leader, 'no leader to take down');
    const victim = cluster.node(leader.node);
    if (how === 'SIGKILL') await cluster.kill(victim, 'sidecar');
    else cluster.signal(victim, 'sidecar', 'SIGSTOP');
    await until('another leader', async () => {
      const others = cluster.nodes.filter((node) => node !== victim);
      const all = await Promise.all(others.map((node) => cluster.status(node)));
      return all.some((status) => status?.role === 'LEADER');
    });
    if (how === 'SIGKILL') await cluster.startSidecar(victim);
    else cluster.signal(victim, 'sidecar', 'SIGCONT');
    await until('the old leader follows', async () => (await cluster.status(victim))?.role === 'FOLLOWER');
  }

  async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    await wait(what, holds, () => noise.slice(-40).join('\n'));
  }
});

function numberOf({ key }: Told): number {
  return Number(key.slice(1));
}
