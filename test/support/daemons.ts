/**
 * Real daemons for tests: starts them, asks them for their status, waits for what they do, and leaves none behind.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import { type Exit, ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import { pickPorts } from '../../sidecar/cli/cluster/ports.ts';
import { fetchFrom } from '../../sidecar/cli/secure-fetch.ts';
import { PATIENCE_MS, until } from './patience.ts';
import { PeerNetwork } from './peer-proxy.ts';

const STDERR_LINES = 2_000;
/** Of nodes that are several: a slow machine must not change leaders by itself while a test looks. */
export const ELECTION_MS = { min: 600, max: 1_200 } as const;
const CALM = ['--election-min-ms', String(ELECTION_MS.min), '--election-max-ms', String(ELECTION_MS.max)];
/** As without flags, for those who want elections. */
export const ELECTION_MAX_MS = 300;
export const QUICK = ['--election-min-ms', '150', '--election-max-ms', String(ELECTION_MAX_MS)];

/** Where a daemon keeps and serves what. */
export interface Plan {
  readonly id: string;
  readonly dir: string;
  readonly peer: string;
  readonly http: string;
  readonly socket: string;
}

export interface Daemon extends Plan {
  readonly child: ManagedProcess;
  /** The `--members` it was started with. */
  readonly members: string;
  /** The newest lines of its log. */
  readonly stderr: string[];
}

export interface ClusterOptions {
  /** Holds a data folder per node. */
  readonly dir?: string;
  /** More environment for each one. */
  readonly envOf?: (id: string) => NodeJS.ProcessEnv;
  /** Further flags of `outrigger run`. Of two of the same name the last one counts. */
  readonly flags?: readonly string[];
  /** The same for each one. */
  readonly flagsOf?: (id: string) => readonly string[];
  /** The program, where it is not the one that was built: `bin/outrigger.mjs`. */
  readonly script?: string;
  /** Puts a network between them that can be cut: `Daemons.network`. */
  readonly partitions?: boolean;
}

export class Daemons {
  /** A folder of this test's own, removed by `end`. */
  readonly root: string;
  readonly #started: Daemon[] = [];
  #network: PeerNetwork | undefined;
  /** PEM file of the CA: given, the daemons are asked over HTTPS. */
  ca: string | undefined;

  private constructor(root: string) {
    this.root = root;
  }

  static async begin(): Promise<Daemons> {
    return new Daemons(await mkdtemp(join(tmpdir(), 'outrigger-daemon-')));
  }

  /** The `XDG_RUNTIME_DIR` of all of them: what is started with it finds exactly these. */
  get runtimeDir(): string {
    return join(this.root, 'run');
  }

  /** The network between the daemons of `cluster(…, { partitions: true })`. Throws where there is none. */
  get network(): PeerNetwork {
    assert.ok(this.#network, 'this cluster was started without `partitions`');
    return this.#network;
  }

  /** Kills what still runs. */
  async end(): Promise<void> {
    await Promise.all(this.#started.map((daemon) => daemon.child.kill()));
    await this.#network?.close();
    await rm(this.root, { recursive: true, force: true });
  }

  /** Starts one daemon; resolves when it serves or has ended. */
  async launch(
    plan: Plan,
    members: string,
    env: NodeJS.ProcessEnv = {},
    flags: readonly string[] = [],
    script = 'bin/outrigger.mjs',
  ): Promise<Daemon> {
    // A URL: it joins the cluster there.
    const who = members.startsWith('http') ? ['--join', members] : ['--members', members];
    const stderr: string[] = [];
    let ready: () => void = () => undefined;
    const serving = new Promise<void>((done) => {
      ready = done;
    });
    const child = await ManagedProcess.start({
      command: process.execPath,
      args: [
        ...[resolve(script), 'run', '--id', plan.id, '--cluster', 'daemons', '--data', plan.dir],
        ...[...who, '--peer-listen', plan.peer, '--http-listen', plan.http],
        ...['--app-socket', plan.socket, '--json', '--exit-with-parent'],
        ...(members.includes(',') || members.startsWith('http') ? CALM : []),
        ...flags,
      ],
      env: { ...process.env, XDG_RUNTIME_DIR: this.runtimeDir, ...env },
      stdin: 'held',
      onLine: (stream, text) => {
        if (stream === 'stdout') ready();
        else if (stderr.push(text) > STDERR_LINES) stderr.shift();
      },
    });
    const daemon = { ...plan, members, child, stderr };
    this.#started.push(daemon);
    await Promise.race([serving, child.exited]);
    return daemon;
  }

  /** Starts `size` daemons that know each other; resolves when one leads. */
  async cluster(size: number, options: ClusterOptions = {}): Promise<Daemon[]> {
    const { dir = this.root, envOf = () => ({}), flags = [], partitions = false, script } = options;
    const flagsOf = (id: string): string[] => [...flags, ...(options.flagsOf?.(id) ?? [])];
    const ports = await pickPorts(size * 2);
    const plans = Array.from({ length: size }, (_, at) => ({
      id: `n${at + 1}`,
      dir: join(dir, `n${at + 1}`),
      peer: `127.0.0.1:${ports[at * 2]}`,
      http: `127.0.0.1:${ports[at * 2 + 1]}`,
      socket: join(this.root, `s${at + 1}`, 'app.sock'),
    }));
    this.#network = partitions ? await PeerNetwork.open(plans) : undefined;
    const members = (id: string): string => this.#network?.membersFor(id) ?? membersOf(plans);
    const all = await Promise.all(
      plans.map((plan) => this.launch(plan, members(plan.id), envOf(plan.id), flagsOf(plan.id), script)),
    );
    const serving = Symbol('serving');
    for (const daemon of all) {
      const exit = await Promise.race([daemon.child.exited, Promise.resolve(serving)]);
      if (exit !== serving) assert.fail(`${daemon.id} did not start: ${daemon.stderr.slice(-5).join('\n')}`);
    }
    await this.until('a leader is there', async () => (await this.leaderOf(all)) !== undefined);
    return all;
  }

  /** Where one more daemon would keep and serve what. */
  async plan(id: string): Promise<Plan> {
    const [peer, http] = await pickPorts(2);
    return {
      ...{ id, dir: join(this.root, id), peer: `127.0.0.1:${peer}`, http: `127.0.0.1:${http}` },
      socket: join(this.root, `s${id}`, 'app.sock'),
    };
  }

  async leaderOf(daemons: readonly Daemon[]): Promise<Daemon | undefined> {
    const all = await Promise.all(daemons.map((daemon) => this.status(daemon)));
    return daemons[all.findIndex((status) => status?.role === 'LEADER')];
  }

  async status(daemon: Daemon): Promise<NodeStatus | undefined> {
    try {
      return (await (await this.ask(daemon, '/v1/status')).json()) as NodeStatus;
    } catch (error) {
      // Not there yet, or not any more.
      if (error instanceof Error) return undefined;
      throw error;
    }
  }

  /** A GET. Rejects as `fetch` does. */
  ask(daemon: Daemon, path: string, headers: Record<string, string> = {}): Promise<Response> {
    const url = new URL(`${this.ca === undefined ? 'http' : 'https'}://${daemon.http}${path}`);
    const signal = AbortSignal.timeout(PATIENCE_MS);
    return fetchFrom(url, { headers: new Headers(headers), signal }, { ca: this.ca });
  }

  /** An answer that needs the `view` token. Rejects when there is none. */
  async view<T>(daemon: Daemon, path: string): Promise<T> {
    const tokens = await readTokenFile(join(daemon.dir, 'tokens.json'));
    const answer = await this.ask(daemon, path, { authorization: `Bearer ${tokens?.view}` });
    assert.ok(answer.ok, `${daemon.id} answered ${path} with ${answer.status}`);
    return (await answer.json()) as T;
  }

  /** Waits; fails with the last words of all daemons. */
  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    await until(what, holds, () => this.#started.map((d) => d.stderr.slice(-5).join('\n')).join('\n'));
  }
}

/** The `--members` of these daemons. */
export function membersOf(plans: readonly Plan[]): string {
  return plans.map(({ id, peer }) => `${id}=${peer}`).join(',');
}

/** Rejects when it goes on running. */
export function exitOf(daemon: Daemon): Promise<Exit> {
  return new Promise((done, fail) => {
    const late = (): void => fail(new Error(`${daemon.id} did not end within ${PATIENCE_MS} ms`));
    const timer = setTimeout(late, PATIENCE_MS);
    daemon.child.exited.then((exit) => {
      clearTimeout(timer);
      done(exit);
    }, fail);
  });
}
