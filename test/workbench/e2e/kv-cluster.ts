/** Three real sidecars with the Python example beside each: what a workbench of a test looks at. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readTokenFile } from '../../../shared/endpoint-files.ts';
import type { RaftEvent } from '../../../shared/events.ts';
import type { NodeStatus } from '../../../shared/inspect.ts';
import { LocalCluster, type LocalNode } from '../../../sidecar/cli/cluster/local-cluster.ts';
import { put } from '../../../sidecar/cli/demo/kv-client.ts';
import { EventReader } from '../../support/event-reader.ts';
import { PATIENCE_MS } from '../../support/patience.ts';
import { BUILD_FOLDER } from './packed.ts';

/** Events of a cluster that is well and written to. A machine under load may be slow, which is no fault of anybody. */
const QUIET: readonly RaftEvent['kind'][] = ['COMMIT', 'APP', 'LOOP_SLOW', 'DISK_SLOW', 'DISK_OK'];

export class KvCluster {
  readonly name: string;
  readonly local: LocalCluster;
  /** The `XDG_RUNTIME_DIR` of the sidecars: who is started with it finds exactly these. */
  readonly runtimeDir: string;
  /** What the sidecars printed. */
  readonly log: readonly string[];
  readonly #dir: string;
  readonly #apps: ReadonlyMap<string, string>;

  private constructor(
    name: string,
    dir: string,
    local: LocalCluster,
    apps: ReadonlyMap<string, string>,
    log: readonly string[],
  ) {
    this.name = name;
    this.#dir = dir;
    this.runtimeDir = join(dir, 'run');
    this.local = local;
    this.#apps = apps;
    this.log = log;
  }

  /** Resolves when a leader is there and all apps listen. */
  static async start(name: string, sidecarFlags: readonly string[] = []): Promise<KvCluster> {
    const dir = await mkdtemp(join(tmpdir(), 'outrigger-e2e-'));
    const apps = new Map<string, string>();
    const log: string[] = [];
    let listening: () => void = () => undefined;
    const allListen = new Promise<void>((done) => {
      listening = done;
    });
    const local = await LocalCluster.start({
      script: join(BUILD_FOLDER, 'sidecar', 'main.mjs'),
      cluster: name,
      nodes: 3,
      dir,
      env: { ...process.env, KV_PORT: '0', PYTHONDONTWRITEBYTECODE: '1', XDG_RUNTIME_DIR: join(dir, 'run') },
      app: { command: 'python3', args: [resolve('examples/python-kv/kv.py')] },
      sidecarFlags,
      onLine: (node, part, _stream, text) => {
        const url = part === 'app' ? /listening on (\S+)/.exec(text)?.[1] : undefined;
        if (url === undefined) log.push(`${node.id} ${part}: ${text}`);
        else if (apps.set(node.id, url).size === 3) listening();
      },
      onDeath: (node, part) => log.push(`${node.id} ${part} died`),
    });
    const cluster = new KvCluster(name, dir, local, apps, log);
    const late = new Promise<never>((_, fail) => {
      AbortSignal.timeout(PATIENCE_MS).addEventListener('abort', () =>
        fail(new Error('the apps do not listen')),
      );
    });
    try {
      await Promise.race([allListen, late]);
      await cluster.leader();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.local.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** Waits for a leader in a term after `afterTerm` that a majority follows. */
  async leader(afterTerm = 0): Promise<NodeStatus> {
    const found = await this.local.waitForLeader(PATIENCE_MS, afterTerm);
    assert.ok(found, `no leader after term ${afterTerm}:\n${this.log.slice(-20).join('\n')}`);
    return found;
  }

  followersOf(leader: NodeStatus): LocalNode[] {
    return this.local.nodes.filter((node) => node.id !== leader.node);
  }

  statuses(): Promise<(NodeStatus | undefined)[]> {
    return Promise.all(this.local.nodes.map((node) => this.local.status(node)));
  }

  /** When that leader was elected, by its own word: wall clock, ms. */
  async electedAt({ node, term }: NodeStatus): Promise<number> {
    const isIt = (event: RaftEvent): boolean =>
      event.kind === 'ROLE' && event.role === 'LEADER' && event.term === term;
    return this.#reading(this.local.node(node), async (reader) => (await reader.find(isIt)).at);
  }

  /** Begins to write down what happens to the nodes. Resolves when all of them have told of everything until now. */
  async witness(): Promise<Witness> {
    const readers = await Promise.all(this.local.nodes.map((node) => this.#reader(node)));
    const witness = new Witness(readers);
    await witness.until(await this.write(this.local.nodes[0]?.id ?? '', 'witness', 1));
    witness.begin();
    return witness;
  }

  async #reading<T>(node: LocalNode, act: (reader: EventReader) => Promise<T>): Promise<T> {
    const reader = await this.#reader(node);
    try {
      return await act(reader);
    } finally {
      await reader.cut();
    }
  }

  async #reader(node: LocalNode): Promise<EventReader> {
    const tokens = await readTokenFile(join(node.dataDir, 'tokens.json'));
    assert.ok(tokens, `${node.id} has no tokens`);
    return EventReader.open(node.http, { token: tokens.view, since: '0' });
  }

  /**
   * Writes `count` keys through the app of that node, one after the other; all must be acknowledged. Resolves to the index of
   * the last one.
   */
  async write(node: string, prefix: string, count: number): Promise<number> {
    const app = this.#apps.get(node);
    assert.ok(app, `the app of ${node} does not listen`);
    let index = 0;
    for (let at = 0; at < count; at++) {
      const outcome = await put(app, `${prefix}${at}`, `value ${at}`, new AbortController().signal);
      assert.ok(outcome.kind === 'acked', `${prefix}${at} through ${node}: ${outcome.kind}`);
      index = outcome.index;
    }
    return index;
  }
}

/** What nodes tell of themselves from a moment on. */
export class Witness {
  readonly #readers: readonly EventReader[];
  #begun: readonly number[] = [];

  constructor(readers: readonly EventReader[]) {
    this.#readers = readers;
  }

  begin(): void {
    this.#begun = this.#readers.map(({ events }) => events.length);
  }

  /** Resolves when every node has told that it knows `index` to be committed: what was before has been told, too. */
  async until(index: number): Promise<void> {
    const told = (event: RaftEvent): boolean => event.kind === 'COMMIT' && (event.index ?? 0) >= index;
    await Promise.all(this.#readers.map((reader) => reader.find(told)));
  }

  /** What would not have happened to a cluster that is well and left alone. */
  get unrest(): readonly string[] {
    return this.#readers.flatMap(({ events }, at) =>
      events
        .slice(this.#begun[at])
        .filter(({ kind }) => !QUIET.includes(kind))
        .map(({ kind, cause, peer = '' }) => `node ${at + 1}: ${kind} ${cause} ${peer}`),
    );
  }

  async end(): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.cut()));
  }
}
