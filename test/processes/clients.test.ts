/**
 * The clients of clients/ against three real daemons with counter apps: nothing is lost, doubled or reordered while leaders
 * and the nodes that they talk to are killed; reads never go back; an idle session outlives its time to live.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LocalCluster } from '../../sidecar/cli/cluster/local-cluster.ts';
import { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import { Stage } from '../exactly-once/stage.ts';
import { AppClient } from '../support/app-client.ts';
import { type ClientDriver, DRIVERS } from '../support/client-driver.ts';
import { PATIENCE_MS, TEST_MS } from '../support/patience.ts';

const KILLS = 4;
const GATEWAY_KILLS = 2;
const WORKERS = 8;
/** Answers that must come between two kills. */
const PROGRESS = 40;

/** Counts in one session with several in flight: the nth command must be the nth to take effect. */
class Counting {
  answered = 0;
  duplicates = 0;
  highestIndex = 0;
  readonly #client: ClientDriver;
  readonly #session: number;
  readonly #key: string;
  #sent = 0;
  #stopping = false;
  #watchers: (() => void)[] = [];

  constructor(client: ClientDriver, session: number, key: string) {
    this.#client = client;
    this.#session = session;
    this.#key = key;
  }

  /** Resolves with the number of commands once it was stopped and all are answered. */
  async run(): Promise<number> {
    await Promise.all(Array.from({ length: WORKERS }, () => this.#work()));
    return this.#sent;
  }

  stop(): void {
    this.#stopping = true;
  }

  async more(count: number): Promise<void> {
    const enough = this.answered + count;
    while (this.answered < enough) await new Promise<void>((seen) => this.#watchers.push(seen));
  }

  async #work(): Promise<void> {
    while (!this.#stopping) {
      const n = ++this.#sent;
      const command = JSON.stringify({ key: this.#key, client: this.#key, n });
      const answer = await this.#client.call('proposeInSession', {
        session: this.#session,
        command,
        timeoutMs: PATIENCE_MS,
      });
      if (!answer.resultLost) assert.deepEqual(JSON.parse(answer.result ?? ''), { value: n });
      this.answered += 1;
      this.duplicates += answer.duplicate ? 1 : 0;
      this.highestIndex = Math.max(this.highestIndex, answer.index);
      for (const seen of this.#watchers.splice(0)) seen();
    }
  }
}

/** Reads what this client has seen at least, again and again. */
async function readForward(client: ClientDriver, counting: Counting, running: () => boolean): Promise<void> {
  let last = 0;
  while (running()) {
    const least = Math.max(last, counting.highestIndex);
    const { index, node } = await client.call('readMonotonic', { timeoutMs: PATIENCE_MS });
    assert.ok(index >= least, `${node} read ${index} after ${least}`);
    last = index;
  }
}

/** Takes down the node that the client talks to, where that is one of them, and the leader, in turn. */
async function kill(
  stage: Stage,
  client: ClientDriver,
  counting: Counting,
  kills: number,
): Promise<Set<string | null>> {
  const nodes = new Set<string | null>();
  for (let n = 0; n < kills; n++) {
    await stage.allConnected();
    await counting.more(PROGRESS);
    const { node } = await client.call('facts', {});
    nodes.add(node);
    const own = n % 2 === 0 && node !== null && stage.ids.includes(node);
    const victim = own ? node : await stage.leader();
    await stage.killSidecar(victim);
    await stage.leader(victim);
    await counting.more(PROGRESS);
    await stage.startSidecar(victim);
  }
  return nodes;
}

/** Counts in a session of its own while nodes are killed; returns the nodes that the client talked to. */
async function countThroughKills(
  stage: Stage,
  client: ClientDriver,
  key: string,
  kills: number,
): Promise<Set<string | null>> {
  const { session } = await client.call('openSession', { ttlMs: 30_000 });
  const counting = new Counting(client, session, key);
  let running = true;
  const reading = readForward(client, counting, () => running);
  const counted = counting.run();
  const nodes = await Promise.race([
    kill(stage, client, counting, kills),
    Promise.all([counted, reading]).then(() => assert.fail('it ended too early')),
  ]);
  counting.stop();
  const sent = await counted;
  running = false;
  await reading;
  await client.call('closeSession', { session });
  const { result } = await client.call('propose', { command: '{"read":true}', timeoutMs: PATIENCE_MS });
  const { counters, repeats, gaps } = JSON.parse(result ?? '');
  assert.deepEqual([counters[key], repeats, gaps], [sent, 0, 0]);
  console.log(`        ${sent} commands, ${counting.duplicates} answered as duplicates`);
  return nodes;
}

describe('clients on three daemons', function () {
  this.timeout(TEST_MS);
  let stage: Stage;
  let gateway: ManagedProcess;
  let gatewaySocket: string;
  before(async () => {
    stage = await Stage.open([]);
    gatewaySocket = join(stage.daemons.root, 'gw', 'app.sock');
    gateway = await startGateway(stage, gatewaySocket);
  });
  after(async () => {
    await gateway?.kill();
    await stage?.close();
  });

  for (const [language, driver] of Object.entries(DRIVERS)) {
    describe(language, () => {
      let client: ClientDriver;
      const connect = (addresses: readonly string[], limits = {}): Promise<null> =>
        client.call('connect', { addresses, limits, timeoutMs: PATIENCE_MS });
      beforeEach(() => {
        client = driver();
      });
      afterEach(() => client.end());

      it(`counts exactly and in order, and reads forward, over ${KILLS} kills`, async () => {
        await connect(stage.ids.map((id) => stage.socketOf(id)));
        const nodes = await countThroughKills(stage, client, language, KILLS);
        assert.ok(nodes.size > 1, 'it never had to move: the run proves nothing');
      });

      it(`does so through a gateway, over ${GATEWAY_KILLS} kills`, async () => {
        await connect([gatewaySocket]);
        const nodes = await countThroughKills(stage, client, `${language} through a gateway`, GATEWAY_KILLS);
        assert.deepEqual([...nodes], ['gateway']);
      });

      it('keeps an idle session alive beyond its time to live', async () => {
        const addresses = stage.ids.map((id) => stage.socketOf(id));
        await connect(addresses, { keepsPerTtl: 20 });
        const { session } = await client.call('openSession', { ttlMs: 3_000 });
        const silent = await AppClient.greet(stage.socketOf('n1'), 'json');
        // Two in a row that nobody keeps alive: when the second is gone, ours has been idle for longer than its time.
        for (const id of [1, 2]) {
          silent.send({ type: 'openSession', id, ttlMs: 2_000 });
          const opened = await silent.next('sessionOpened', (frame) => frame.id === id);
          await silent.next('sessionExpired', (frame) => frame.session === opened.session);
        }
        await client.call('proposeInSession', { session, command: '{"read":true}', timeoutMs: PATIENCE_MS });
        await client.call('closeSession', { session });
        await silent.close();
      });
    });
  }
});

/** Node.js runs TypeScript as it is, or from 22.18 on. */
const RUNS_TYPESCRIPT = process.features.typescript !== false && process.features.typescript !== undefined;

describe('the examples of clients', function () {
  this.timeout(TEST_MS);
  let dir: string;
  let cluster: LocalCluster;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'outrigger-examples-'));
    cluster = await LocalCluster.start({
      script: resolve('bin/outrigger.mjs'),
      cluster: 'examples',
      nodes: 3,
      dir,
      env: { ...process.env, XDG_RUNTIME_DIR: join(dir, 'run'), PYTHONDONTWRITEBYTECODE: '1' },
      app: { command: 'python3', args: [resolve('examples/python-kv/kv.py')] },
      onLine: () => undefined,
      onDeath: () => undefined,
    });
  });
  after(async () => {
    await cluster?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  for (const [program, file] of [
    ['python3', 'examples/clients/put.py'],
    [process.execPath, 'examples/clients/put.ts'],
  ] as const) {
    it(file, async function () {
      if (file.endsWith('.ts') && !RUNS_TYPESCRIPT) {
        console.log('        this Node.js does not run TypeScript as it is');
        return this.skip();
      }
      const lines: string[] = [];
      const example = await ManagedProcess.start({
        command: program,
        args: [resolve(file), ...cluster.nodes.map(({ appSocket }) => appSocket)],
        env: { ...process.env, KEYS: '100', PYTHONDONTWRITEBYTECODE: '1' },
        stdin: 'none',
        onLine: (_stream, text) => lines.push(text),
      });
      const { code } = await example.exited;
      assert.equal(code, 0, lines.join('\n'));
      assert.match(lines[0] ?? '', /^100 keys written, the last at index \d+; 0 were answered again/);
      assert.match(lines[1] ?? '', /^the app beside n[123] holds all of them: it has applied \d+$/);
    });
  }
});

/** Resolves when it serves. */
async function startGateway(stage: Stage, socket: string): Promise<ManagedProcess> {
  const replicas = stage.ids.map((id) => `${id}=unix:${stage.socketOf(id)}`).join(',');
  const args = ['--cluster', 'daemons', '--app-socket', socket, '--replicas', replicas, '--exit-with-parent'];
  let serves: () => void = () => undefined;
  const serving = new Promise<void>((done) => {
    serves = done;
  });
  const gateway = await ManagedProcess.start({
    command: process.execPath,
    args: [resolve('bin/outrigger.mjs'), 'gateway', ...args, '--json'],
    env: process.env,
    stdin: 'held',
    onLine: (stream) => {
      if (stream === 'stdout') serves();
    },
  });
  await Promise.race([serving, gateway.exited.then(() => assert.fail('the gateway ended'))]);
  return gateway;
}
