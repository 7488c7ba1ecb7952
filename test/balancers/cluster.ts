/**
 * Three real sidecars on the addresses 127.0.0.1, .2 and .3, a key-value app beside each, and HAProxy before them, as in
 * `examples/load-balancers`.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import type { NewsWay } from '../../shared/leader-news.ts';
import type { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import { pickPorts } from '../../sidecar/cli/cluster/ports.ts';
import { mintTokens } from '../../sidecar/http/tokens.ts';
import { type Daemon, Daemons, membersOf, type Plan } from '../support/daemons.ts';
import { until } from '../support/patience.ts';
import { type Addresses, Haproxy, WAYS, type Way } from './haproxy.ts';
import { startHeld } from './held.ts';

const SIZE = 3;
const ANSWER_MS = 2_000;
/** The defaults of `outrigger run`: what is measured. Where nothing is, leaders are kept as in other tests. */
export const DEFAULT_ELECTION_MS = { min: 150, max: 300 } as const;

/** What HAProxy says of a node that is well and does not lead: one word more where its own check of it has succeeded. */
const STATUS_BESIDE_LEADER: Readonly<Record<Way, string>> = {
  any: 'UP',
  leader: 'DOWN',
  leader_by_agent: 'DOWN (agent)',
  leader_by_news: 'DRAIN',
  app: 'UP',
};

export interface BalancedOptions {
  /** How news of leadership goes. */
  readonly newsBy: NewsWay;
  readonly electionMs: { readonly min: number; readonly max: number };
}

export class BalancedCluster {
  readonly #daemons: Daemons;
  readonly #plans: readonly Plan[];
  readonly #at: Addresses;
  /** What all are started with. */
  readonly #flags: readonly string[];
  readonly #running = new Map<string, Daemon>();
  readonly #apps = new Map<string, ManagedProcess>();
  #receiver: ManagedProcess | undefined;
  readonly haproxy: Haproxy;
  /** The secret of the `write` scope, the same at every node. */
  readonly token: string;

  private constructor(
    daemons: Daemons,
    plans: readonly Plan[],
    at: Addresses,
    flags: readonly string[],
    haproxy: Haproxy,
    token: string,
  ) {
    this.#daemons = daemons;
    this.#plans = plans;
    this.#at = at;
    this.#flags = flags;
    this.haproxy = haproxy;
    this.token = token;
  }

  /** Resolves when every node is ready and HAProxy says so. */
  static async start(program: string, options: BalancedOptions): Promise<BalancedCluster> {
    const daemons = await Daemons.begin();
    try {
      return await BalancedCluster.#start(program, daemons, options);
    } catch (error) {
      await daemons.end();
      throw error;
    }
  }

  static async #start(
    program: string,
    daemons: Daemons,
    { newsBy, electionMs }: BalancedOptions,
  ): Promise<BalancedCluster> {
    const ports = await pickPorts(4 + SIZE * 2 + WAYS.length);
    const [http, agent, agentReady, newsPort, ...more] = ports as [
      number,
      number,
      number,
      number,
      ...number[],
    ];
    const at: Addresses = {
      http,
      agent,
      agentReady,
      apps: more.slice(SIZE, 2 * SIZE),
      fronts: more.slice(2 * SIZE),
    };
    const plans = Array.from({ length: SIZE }, (_, n): Plan => {
      const id = `n${n + 1}`;
      return {
        id,
        dir: join(daemons.root, id),
        peer: `127.0.0.1:${more[n]}`,
        http: `127.0.0.${n + 1}:${http}`,
        socket: join(daemons.root, `s${n + 1}`, 'app.sock'),
      };
    });
    const tokens = mintTokens();
    const tokenFile = join(daemons.root, 'tokens.json');
    await writeFile(tokenFile, JSON.stringify(tokens), { mode: 0o600 });
    const haproxy = await Haproxy.start(program, daemons.root, at);
    const { config, receiver } = await news(
      daemons.root,
      haproxy.socket,
      newsBy === 'url' ? newsPort : undefined,
    );
    const flags = [
      ...['--token-file', tokenFile, '--config', config],
      ...['--election-min-ms', String(electionMs.min), '--election-max-ms', String(electionMs.max)],
    ];
    const cluster = new BalancedCluster(daemons, plans, at, flags, haproxy, tokens.write);
    cluster.#receiver = receiver;
    try {
      await Promise.all(plans.map(({ id }) => cluster.startSidecar(id)));
      await Promise.all(plans.map(({ id }) => cluster.startApp(id)));
      await cluster.settled();
    } catch (error) {
      await cluster.end();
      throw error;
    }
    return cluster;
  }

  async startSidecar(id: string): Promise<void> {
    const plan = this.#plan(id);
    const host = hostOf(plan);
    const agents = [
      ...['--agent-listen', `${host}:${this.#at.agent}`, '--agent-ready-listen'],
      `${host}:${this.#at.agentReady}`,
    ];
    const daemon = await this.#daemons.launch(plan, membersOf(this.#plans), {}, [...agents, ...this.#flags]);
    assert.ok(daemon.child.running, `${id} did not start:\n${daemon.stderr.join('\n')}`);
    this.#running.set(id, daemon);
  }

  async startApp(id: string): Promise<void> {
    const port = this.#at.apps[this.ids.indexOf(id)];
    const env = { ...process.env, OUTRIGGER_SOCKET: this.#plan(id).socket, KV_PORT: String(port) };
    const words = ['python3', resolve('examples/python-kv/kv.py')];
    const child = await startHeld(words, env, () => undefined);
    this.#apps.set(id, child);
  }

  get ids(): string[] {
    return this.#plans.map(({ id }) => id);
  }

  #plan(id: string): Plan {
    const plan = this.#plans.find((one) => one.id === id);
    assert.ok(plan, `there is no ${id}`);
    return plan;
  }

  #daemon(id: string): Daemon {
    const daemon = this.#running.get(id);
    assert.ok(daemon, `${id} was never started`);
    return daemon;
  }

  /** `kill -9`. Resolves when it is dead. */
  async kill(id: string): Promise<void> {
    await this.#daemon(id).child.kill();
  }

  signal(id: string, signal: NodeJS.Signals): void {
    process.kill(this.#daemon(id).child.pid, signal);
  }

  signalApp(id: string, signal: NodeJS.Signals): void {
    process.kill(-this.#app(id).pid, signal);
  }

  async killApp(id: string): Promise<void> {
    await this.#app(id).kill();
  }

  #app(id: string): ManagedProcess {
    const app = this.#apps.get(id);
    assert.ok(app, `the app of ${id} was never started`);
    return app;
  }

  /** Answer of this node's HTTP surface without a token, or undefined when there is none. */
  async get(id: string, path: string, withinMs = ANSWER_MS): Promise<Response | undefined> {
    try {
      const signal = AbortSignal.timeout(withinMs);
      return await fetch(`http://${this.#plan(id).http}${path}`, { signal });
    } catch (error) {
      if (error instanceof Error) return undefined;
      throw error;
    }
  }

  /** Asks the agent-check port of a node. Resolves when connected; the line comes when the node gives it. */
  async askAgent(id: string): Promise<{ readonly line: Promise<string> }> {
    const socket = connect(this.#at.agent, hostOf(this.#plan(id)));
    let got = '';
    socket.setEncoding('utf8').on('data', (text) => {
      got += text;
    });
    await once(socket, 'connect');
    return { line: once(socket, 'close').then(() => got) };
  }

  /** The node that says it leads and holds a quorum. */
  async leader(): Promise<string> {
    let found: string | undefined;
    await this.until('a leader', async () => {
      const answers = await Promise.all(this.ids.map((id) => this.get(id, '/leader')));
      found = this.ids[answers.findIndex((answer) => answer?.status === 200)];
      return found !== undefined;
    });
    return found as string;
  }

  /** Resolves when every node is ready, and HAProxy sends requests where it should. */
  async settled(): Promise<void> {
    await this.until('every node is ready', async () => {
      const answers = await Promise.all(this.ids.map((id) => this.get(id, '/readyz')));
      return answers.every((answer) => answer?.status === 200);
    });
    await this.until('HAProxy knows it', async () => {
      // Asked each time: on a busy machine it may change meanwhile.
      const leader = await this.leader();
      for (const way of WAYS) {
        for (const { name, status } of await this.haproxy.servers(way)) {
          if (status !== (name === leader ? 'UP' : STATUS_BESIDE_LEADER[way])) return false;
        }
      }
      return true;
    });
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    try {
      await until(what, holds);
    } catch (error) {
      const complaint = error instanceof Error ? error.message : String(error);
      assert.fail(`${complaint}\n${await this.#state()}`);
    }
  }

  async #state(): Promise<string> {
    const logs = this.ids.map((id) => (this.#running.get(id)?.stderr ?? []).slice(-8).join('\n'));
    const ways = await Promise.all(
      WAYS.map(async (way) => `${way}: ${JSON.stringify(await this.haproxy.servers(way))}`),
    );
    return [...logs, ...ways, ...this.haproxy.said.slice(-10)].join('\n');
  }

  /** The newest lines of the log of a node. */
  log(id: string): readonly string[] {
    return this.#daemon(id).stderr;
  }

  async end(): Promise<void> {
    await Promise.all([...this.#apps.values(), this.#receiver].map((child) => child?.kill()));
    await this.#daemons.end();
    await this.haproxy.stop();
  }
}

function hostOf({ http }: Plan): string {
  return http.split(':')[0] ?? '';
}

/**
 * The configuration file by which each node tells HAProxy's runtime socket that it leads; `port`: where a receiver stays that
 * is told by POST, absent: a program is run. Resolves with its path, and the receiver.
 */
async function news(
  root: string,
  socket: string,
  port: number | undefined,
): Promise<{ config: string; receiver: ManagedProcess | undefined }> {
  // A copy of its own, as an operator would have one.
  const program = join(root, 'leader-news.py');
  await copyFile(resolve('examples/load-balancers/leader-news.py'), program);
  const words = [program, socket, 'leader_by_news', join(root, 'term')];
  const config = join(root, 'sidecar.json');
  const told =
    port === undefined ? { leaderNewsCommand: words } : { leaderNewsUrl: `http://127.0.0.1:${port}/` };
  await writeFile(config, JSON.stringify(told));
  if (port === undefined) return { config, receiver: undefined };
  return { config, receiver: await startHeld([...words, String(port)], process.env, () => undefined) };
}
