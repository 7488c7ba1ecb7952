/**
 * Real daemons for tests: starts them, asks them for their status, waits for what they do, and leaves none behind.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { NodeStatus } from '../../shared/inspect.ts';
import { type Exit, ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import { pickPorts } from '../../sidecar/cli/cluster/ports.ts';

const DEADLINE_MS = 20_000;
const STDERR_LINES = 2_000;

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
  /** The newest lines of its log. */
  readonly stderr: string[];
}

export class Daemons {
  /** A folder of this test's own, removed by `end`. */
  readonly root: string;
  readonly #started: Daemon[] = [];

  private constructor(root: string) {
    this.root = root;
  }

  static async begin(): Promise<Daemons> {
    return new Daemons(await mkdtemp(join(tmpdir(), 'outrigger-daemon-')));
  }

  /** Kills what still runs. */
  async end(): Promise<void> {
    await Promise.all(this.#started.map((daemon) => daemon.child.kill()));
    await rm(this.root, { recursive: true, force: true });
  }

  /** Starts one daemon; resolves when it serves or has ended. */
  async launch(plan: Plan, members: string, env: NodeJS.ProcessEnv = {}): Promise<Daemon> {
    const stderr: string[] = [];
    let ready: () => void = () => undefined;
    const serving = new Promise<void>((done) => {
      ready = done;
    });
    const child = await ManagedProcess.start({
      command: process.execPath,
      args: [
        ...[resolve('bin/outrigger.mjs'), 'run', '--id', plan.id, '--cluster', 'daemons', '--data', plan.dir],
        ...['--members', members, '--peer-listen', plan.peer, '--http-listen', plan.http],
        ...['--app-socket', plan.socket, '--json', '--exit-with-parent'],
      ],
      env: { ...process.env, XDG_RUNTIME_DIR: join(this.root, 'run'), ...env },
      stdin: 'held',
      onLine: (stream, text) => {
        if (stream === 'stdout') ready();
        else if (stderr.push(text) > STDERR_LINES) stderr.shift();
      },
    });
    const daemon = { ...plan, child, stderr };
    this.#started.push(daemon);
    await Promise.race([serving, child.exited]);
    return daemon;
  }

  /** Starts `size` daemons that know each other; resolves when one leads. `envOf` may give each one more environment. */
  async cluster(
    size: number,
    { dir = this.root, envOf = () => ({}) }: { dir?: string; envOf?: (id: string) => NodeJS.ProcessEnv } = {},
  ): Promise<Daemon[]> {
    const ports = await pickPorts(size * 2);
    const plans = Array.from({ length: size }, (_, at) => ({
      id: `n${at + 1}`,
      dir: join(dir, `n${at + 1}`),
      peer: `127.0.0.1:${ports[at * 2]}`,
      http: `127.0.0.1:${ports[at * 2 + 1]}`,
      socket: join(this.root, `s${at + 1}`, 'app.sock'),
    }));
    const all = await Promise.all(plans.map((plan) => this.launch(plan, membersOf(plans), envOf(plan.id))));
    await this.until('a leader is there', async () => (await this.leaderOf(all)) !== undefined);
    return all;
  }

  async leaderOf(daemons: readonly Daemon[]): Promise<Daemon | undefined> {
    const all = await Promise.all(daemons.map((daemon) => this.status(daemon)));
    return daemons[all.findIndex((status) => status?.role === 'LEADER')];
  }

  async status(daemon: Daemon): Promise<NodeStatus | undefined> {
    try {
      return (await (await fetch(`http://${daemon.http}/v1/status`)).json()) as NodeStatus;
    } catch (error) {
      // Not there yet, or not any more.
      if (error instanceof Error) return undefined;
      throw error;
    }
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + DEADLINE_MS;
    while (!(await holds())) {
      if (performance.now() > end) {
        assert.fail(
          `not in time: ${what}\n${this.#started.map((d) => d.stderr.slice(-5).join('\n')).join('\n')}`,
        );
      }
      await new Promise((done) => setImmediate(done));
    }
  }
}

/** The `--members` of these daemons. */
export function membersOf(plans: readonly Plan[]): string {
  return plans.map(({ id, peer }) => `${id}=${peer}`).join(',');
}

export function exitWithin(daemon: Daemon, ms: number): Promise<Exit> {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`${daemon.id} did not end within ${ms} ms`)), ms);
    daemon.child.exited.then((exit) => {
      clearTimeout(timer);
      done(exit);
    }, fail);
  });
}
