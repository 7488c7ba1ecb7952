/**
 * A cluster on this machine: per node one sidecar process and, where wanted, one app process. Used by `dev` and `demo`.
 *
 * MUST: leave no process behind, however it ends. MUST NOT: restart anything that nobody asked it to.
 */
import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endpointPath, endpointRoot } from '../../../shared/endpoint-files.ts';
import type { NodeStatus } from '../../../shared/inspect.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { CACHE_VARIABLE } from '../cache-folders.ts';
import { SOCKET_PATH_BYTES } from '../config.ts';
import { CliError, messageOf, systemCode } from '../errors.ts';
import { startWords } from '../shell.ts';
import { type Exit, ManagedProcess, signalGroup } from './managed-process.ts';
import { pickPorts } from './ports.ts';

export interface LocalNode {
  readonly id: string;
  readonly peer: string;
  /** Base URL of its HTTP surface; the same after a restart. */
  readonly http: string;
  readonly appSocket: string;
  readonly dataDir: string;
  readonly appDir: string;
}

export type Part = 'sidecar' | 'app';

export interface LocalClusterOptions {
  /** The `outrigger` script (see `Shell.script`). */
  readonly script: string;
  readonly cluster: string;
  readonly nodes: number;
  /** Holds a folder per node. */
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  /** The program that runs beside each sidecar. */
  readonly app?: { readonly command: string; readonly args: readonly string[] };
  /** Further flags of `outrigger run`. */
  readonly sidecarFlags?: readonly string[];
  readonly onLine: (node: LocalNode, part: Part, stream: 'stdout' | 'stderr', text: string) => void;
  /** A process that nobody asked to end has ended. */
  readonly onDeath: (node: LocalNode, part: Part, exit: Exit) => void;
}

const START_MS = 30_000;
const APP_GRACE_MS = 3_000;
const SIDECAR_GRACE_MS = LIMITS.shutdownMs + 2_000;
const STATUS_MS = 1_000;
const POLL_MS = 15;

export class LocalCluster {
  readonly nodes: readonly LocalNode[];
  readonly #options: LocalClusterOptions;
  readonly #running = new Map<string, ManagedProcess>();
  #reaper: ManagedProcess | undefined;
  #stopping = false;
  /** A folder for sockets where `dir` is too deep for them, '' for none. */
  readonly #socketDir: string;

  private constructor(options: LocalClusterOptions, nodes: readonly LocalNode[], socketDir: string) {
    this.#options = options;
    this.nodes = nodes;
    this.#socketDir = socketDir;
  }

  /** Starts the sidecars, then the apps. Resolves when all of them run. When one cannot, ends all and throws CliError. */
  static async start(options: LocalClusterOptions): Promise<LocalCluster> {
    const ports = await pickPorts(options.nodes * 2);
    const tooDeep = Buffer.byteLength(join(options.dir, 'n100', 'app.sock')) > SOCKET_PATH_BYTES;
    const socketDir = tooDeep ? await mkdtemp(join(tmpdir(), 'outrigger-')) : '';
    const nodes = Array.from({ length: options.nodes }, (_, at): LocalNode => {
      const id = `n${at + 1}`;
      const home = join(options.dir, id);
      return {
        id,
        peer: `127.0.0.1:${ports[at * 2]}`,
        http: `http://127.0.0.1:${ports[at * 2 + 1]}`,
        appSocket: socketPath(
          options.cluster,
          id,
          socketDir === '' ? join(home, 'app.sock') : join(socketDir, `${id}.sock`),
        ),
        dataDir: join(home, 'data'),
        appDir: join(home, 'app'),
      };
    });
    const cluster = new LocalCluster(options, nodes, socketDir);
    try {
      await cluster.#startAll();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  async #startAll(): Promise<void> {
    this.#reaper = await ManagedProcess.start({
      ...this.#ourselves('reap'),
      env: this.#options.env,
      stdin: 'held',
      onLine: () => undefined,
    });
    for (const node of this.nodes) await mkdir(node.appDir, { recursive: true });
    await settled(this.nodes.map((node) => this.startSidecar(node)));
    await settled(this.nodes.map((node) => this.startApp(node)));
  }

  node(id: string): LocalNode {
    const found = this.nodes.find((node) => node.id === id);
    if (found === undefined) throw new RangeError(`there is no node ${id}`);
    return found;
  }

  runs(node: LocalNode, part: Part): boolean {
    return this.#running.get(key(node, part))?.running ?? false;
  }

  /** Starts the sidecar of a node (again). Resolves once it serves; throws CliError when it does not. */
  async startSidecar(node: LocalNode): Promise<void> {
    let ready: (line: string | undefined) => void = () => undefined;
    const firstLine = new Promise<string | undefined>((resolve) => {
      ready = resolve;
    });
    const lastWords: string[] = [];
    const child = await this.#launch(node, 'sidecar', {
      ...this.#ourselves('run', ...this.#sidecarArgs(node)),
      env: withoutOurs(this.#options.env),
      stdin: 'held',
      onLine: (stream, text) => {
        if (stream === 'stdout') ready(text);
        else if (lastWords.push(text) > 3) lastWords.shift();
        this.#options.onLine(node, 'sidecar', stream, text);
      },
    });
    const timeout = new AbortController();
    const line = await Promise.race([
      firstLine,
      child.exited.then(() => undefined),
      sleep(START_MS, undefined, { signal: timeout.signal }).catch(() => undefined),
    ]);
    timeout.abort();
    if (line !== undefined) return;
    const complaint = lastWords
      .findLast((text) => text.startsWith('outrigger: '))
      ?.slice('outrigger: '.length);
    const why = complaint ?? (lastWords.join(' ').trim() || `it was not up within ${START_MS / 1000} s.`);
    child.asked = true;
    await child.kill();
    throw new CliError(`the sidecar of ${node.id} did not start: ${why}`);
  }

  #ourselves(...words: readonly string[]): { command: string; args: readonly string[] } {
    const [command, ...args] = startWords(this.#options.script);
    return { command, args: [...args, ...words] };
  }

  #sidecarArgs(node: LocalNode): string[] {
    return [
      ...['--id', node.id, '--cluster', this.#options.cluster, '--data', node.dataDir],
      ...['--members', this.nodes.map(({ id, peer }) => `${id}=${peer}`).join(',')],
      ...['--peer-listen', node.peer, '--http-listen', node.http.slice('http://'.length)],
      ...['--app-socket', node.appSocket, '--json', '--exit-with-parent'],
      ...(this.#options.sidecarFlags ?? []),
    ];
  }

  /** Starts the app of a node (again), where the cluster has apps. */
  async startApp(node: LocalNode): Promise<void> {
    const { app, env } = this.#options;
    if (app === undefined) return;
    const own = { OUTRIGGER_SOCKET: node.appSocket, OUTRIGGER_NODE: node.id, OUTRIGGER_DATA: node.appDir };
    const child = await this.#launch(node, 'app', {
      ...app,
      env: { ...withoutOurs(env), ...own },
      stdin: 'none',
      onLine: (stream, text) => this.#options.onLine(node, 'app', stream, text),
    });
    this.#reaper?.tell(`+${child.pid}\n`);
    void child.exited.then(() => this.#reaper?.tell(`-${child.pid}\n`));
  }

  async #launch(
    node: LocalNode,
    part: Part,
    launch: Parameters<typeof ManagedProcess.start>[0],
  ): Promise<ManagedProcess> {
    const child = await ManagedProcess.start(launch);
    this.#running.set(key(node, part), child);
    void child.exited.then((exit) => {
      if (!child.asked) this.#options.onDeath(node, part, exit);
    });
    return child;
  }

  /** `kill -9`. Resolves when it is dead. Throws RangeError where nothing was ever started. */
  async kill(node: LocalNode, part: Part): Promise<void> {
    await this.#process(node, part).kill();
  }

  /** Sends a signal, such as SIGSTOP, and leaves the rest to the caller. */
  signal(node: LocalNode, part: Part, signal: NodeJS.Signals): void {
    signalGroup(this.#process(node, part).pid, signal);
  }

  /** Resolves with the exit of the process, whenever that is. */
  exited(node: LocalNode, part: Part): Promise<Exit> {
    return this.#process(node, part).exited;
  }

  #process(node: LocalNode, part: Part): ManagedProcess {
    const child = this.#running.get(key(node, part));
    if (child === undefined) throw new RangeError(`the ${part} of ${node.id} was never started`);
    return child;
  }

  /** What the sidecar of `node` says of itself, or undefined when it does not answer. */
  async status(node: LocalNode): Promise<NodeStatus | undefined> {
    if (!this.runs(node, 'sidecar')) return undefined;
    let response: Response;
    try {
      response = await fetch(`${node.http}/v1/status`, { signal: AbortSignal.timeout(STATUS_MS) });
      return response.ok ? ((await response.json()) as NodeStatus) : undefined;
    } catch (error) {
      // It is starting, or just died: then it has no status, and that is the answer.
      if (error instanceof Error) return undefined;
      throw error;
    }
  }

  /**
   * Waits until a node leads in a term after `afterTerm` and a majority of all nodes follow it. Resolves with its status,
   * or with undefined after `deadlineMs` or when the cluster stops.
   */
  async waitForLeader(deadlineMs: number, afterTerm = 0): Promise<NodeStatus | undefined> {
    const end = performance.now() + deadlineMs;
    for (; performance.now() < end && !this.#stopping; await sleep(POLL_MS)) {
      const all = await Promise.all(this.nodes.map((node) => this.status(node)));
      const found = all.filter((status) => status !== undefined);
      const leader = found.find((status) => status.role === 'LEADER' && status.term > afterTerm);
      if (leader === undefined) continue;
      const following = found.filter(
        (status) => status.leader === leader.node && status.term === leader.term,
      );
      if (following.length > this.nodes.length / 2) return leader;
    }
    return undefined;
  }

  /** Stops the apps, then the sidecars; whatever does not stop in time is killed. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const part of ['app', 'sidecar'] as const) {
      const grace = part === 'app' ? APP_GRACE_MS : SIDECAR_GRACE_MS;
      await Promise.all(this.nodes.map((node) => this.#running.get(key(node, part))?.stop(grace)));
    }
    await this.#reaper?.stop(APP_GRACE_MS);
    await this.#removeEndpoints();
    if (this.#socketDir !== '') await rm(this.#socketDir, { recursive: true, force: true });
  }

  /** A killed sidecar leaves its endpoint file behind, and every one its folder. */
  async #removeEndpoints(): Promise<void> {
    const { cluster, env } = this.#options;
    const root = endpointRoot(env);
    for (const node of this.nodes) await rm(endpointPath(cluster, node.id, root), { force: true });
    await rmdir(join(root, cluster)).catch((error: unknown) => {
      // Not there, or holding files of others: both are fine.
      if (!['ENOENT', 'ENOTEMPTY'].includes(systemCode(error))) throw error;
    });
  }

  /** Kills everything at once. */
  async killAll(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      [...this.#running.values(), ...(this.#reaper ? [this.#reaper] : [])].map((child) => child.kill()),
    );
  }
}

function key(node: LocalNode, part: Part): string {
  return `${node.id} ${part}`;
}

function socketPath(cluster: string, id: string, path: string): string {
  return process.platform === 'win32' ? `\\\\.\\pipe\\outrigger-${cluster}-${id}` : path;
}

/**
 * The environment without our own variables: they would configure the sidecars behind the flags' back. Where the executable keeps
 * its unpacked part is no configuration.
 */
function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith('OUTRIGGER_') || name === CACHE_VARIABLE),
  );
}

/** Waits for all of them, then throws what the first failed one threw: so that nothing is still starting when we stop. */
async function settled(starting: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(starting)) {
    if (result.status === 'rejected') {
      throw result.reason instanceof CliError ? result.reason : new CliError(messageOf(result.reason));
    }
  }
}
