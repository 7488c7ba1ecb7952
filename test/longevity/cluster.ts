/** Real sidecars with a lean app each, in processes of their own: started, killed, asked, sampled. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import {
  BenchError,
  type Child,
  freePorts,
  residentBytes,
  tail,
  type Workplace,
} from '../bench/processes.ts';
import type { LoadPlan, LoadResult } from '../bench/protocol.ts';

export const SELF: string = fileURLToPath(import.meta.url);
const READY_MS = 120_000;
const LOOK_MS = 5;
const run = promisify(execFile);

export interface LongNode {
  readonly id: string;
  readonly dir: string;
  readonly peer: string;
  readonly http: string;
  readonly socket: string;
  args: readonly string[];
  sidecar: Child | undefined;
  app: Child | undefined;
}

/** The flags of an election timeout from `ms` to twice that. */
export function timing(ms: number): string[] {
  return ['--election-min-ms', String(ms), '--election-max-ms', String(2 * ms)];
}

/** One look at one node. */
export interface NodeSample {
  readonly id: string;
  readonly rssBytes: number;
  /** Of that: the JavaScript heap, as much as is used of it, and buffers outside of it. */
  readonly heap: { readonly bytes: number; readonly used: number; readonly external: number };
  /** The database with its WAL. */
  readonly logFileBytes: number;
  readonly snapshotFileBytes: number;
  readonly status: NodeStatus;
  /** The worst since the last look. */
  readonly loopLagMs: number;
}

export class LongCluster {
  readonly place: Workplace;
  readonly nodes: LongNode[] = [];
  readonly #bin: string;
  readonly #flags: readonly string[];
  readonly #fillerBytes: number;
  #laidOut = 0;

  constructor(place: Workplace, bin: string, flags: readonly string[], fillerBytes = 0) {
    this.place = place;
    this.#bin = bin;
    this.#flags = flags;
    this.#fillerBytes = fillerBytes;
  }

  /** Lays `size` members out and starts them; resolves when all are ready. */
  async start(size: number): Promise<void> {
    for (let at = 1; at <= size; at++) await this.layOut();
    const members = this.nodes.map(({ id, peer }) => `${id}=${peer}`).join(',');
    for (const node of this.nodes) node.args = [...node.args, '--members', members];
    for (const node of this.nodes) this.startNode(node);
    await this.ready(this.nodes);
  }

  /** A node that does not run yet, with a name that none had before. */
  async layOut(): Promise<LongNode> {
    const id = `n${++this.#laidOut}`;
    const [peer, http] = (await freePorts(2)).map((port) => `127.0.0.1:${port}`) as [string, string];
    const socket = join(this.place.socketDir, id, 'app.sock');
    mkdirSync(join(this.place.socketDir, id), { mode: 0o700 });
    const dir = join(this.place.dir, id);
    const args = [
      ...['run', '--id', id, '--cluster', 'longevity', '--data', dir, '--peer-listen', peer],
      ...['--http-listen', http, '--app-socket', socket, ...this.#flags],
    ];
    const node = { id, dir, peer, http, socket, args, sidecar: undefined, app: undefined };
    this.nodes.push(node);
    return node;
  }

  /** Starts its sidecar, and its app unless that runs: on those processors alone, where they are named. */
  startNode(node: LongNode, cores?: string): void {
    const { place } = this;
    const env = { XDG_RUNTIME_DIR: place.socketDir };
    node.sidecar = place.start(node.id, process.execPath, [this.#bin, ...node.args], { env, cores });
    if (runs(node.app)) return;
    const args = [SELF, 'app', node.socket, String(this.#fillerBytes)];
    node.app = place.start(`app-${node.id}`, process.execPath, args, { cores });
  }

  /** From now on `load`, and all sidecars and apps that run, keep to these processors. */
  async keepTo(cores: string, load: Child): Promise<void> {
    const children = [load, ...this.nodes.flatMap(({ sidecar, app }) => [sidecar, app])];
    for (const child of children)
      if (runs(child)) await run('taskset', ['-a', '-p', '-c', cores, String(child.pid)]);
  }

  /** Takes a node out of the cluster, and ends its processes. */
  async remove(leader: LongNode, node: LongNode): Promise<void> {
    const children = [node.sidecar, node.app].filter(runs);
    for (const child of children) child.expectedToEnd = true;
    // Its vote may be so new that the change which gave it is not committed yet: then the next one is refused.
    await this.until(`${node.id} is out`, async () => {
      const { voters, outgoing } = (await this.status(leader)).membership;
      if (outgoing.length > 0) return false;
      if (voters.includes(node.id))
        await this.admin(leader, `/v1/members/${node.id}`, undefined, 'DELETE').catch(unlessOverloaded);
      return !voters.includes(node.id);
    });
    await Promise.all(children.map((child) => this.place.stop(child, 'SIGKILL')));
    this.nodes.splice(this.nodes.indexOf(node), 1);
  }

  /** kill -9 of all sidecars, and of the apps as well. */
  async killAll(): Promise<void> {
    const children = this.nodes.flatMap(({ sidecar, app }) => [sidecar, app]);
    await Promise.all(
      children.map((child) => (child === undefined ? undefined : this.place.stop(child, 'SIGKILL'))),
    );
  }

  /** Resolves when each says that it is ready: a leader is known, it has caught up, its app is well. */
  async ready(nodes: readonly LongNode[]): Promise<void> {
    const all = nodes.map((node) =>
      this.until(`${node.id} is ready`, async () => (await this.#get(node, '/readyz'))?.ok === true),
    );
    await Promise.race([this.place.broken, Promise.all(all)]);
  }

  async until(what: string, holds: () => Promise<boolean>, waitMs = READY_MS): Promise<void> {
    const end = performance.now() + waitMs;
    while (!(await holds())) {
      if (performance.now() > end)
        throw new BenchError(
          `not within ${waitMs / 1_000} s: ${what}\n${this.nodes
            .flatMap(({ sidecar }) => (sidecar === undefined ? [] : tail(sidecar.logFile, 5)))
            .join('\n')}`,
        );
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
  }

  async #get(node: LongNode, path: string): Promise<Response | undefined> {
    return fetch(`http://${node.http}${path}`).catch(() => undefined);
  }

  async status(node: LongNode): Promise<NodeStatus> {
    const status = await this.statusIfAny(node);
    if (status === undefined) throw new BenchError(`${node.id} does not answer`);
    return status;
  }

  /** Undefined while it does not listen. */
  async statusIfAny(node: LongNode): Promise<NodeStatus | undefined> {
    return (await (await this.#get(node, '/v1/status'))?.json()) as NodeStatus | undefined;
  }

  async leader(): Promise<LongNode> {
    for (const node of this.nodes) if ((await this.status(node)).role === 'LEADER') return node;
    throw new BenchError('nobody leads');
  }

  /** Of one metric, all rows added up, or the one row with those labels. */
  async metric(node: LongNode, name: string): Promise<number> {
    const text = await (await fetch(`http://${node.http}/metrics`)).text();
    return sumOf(text, name);
  }

  async admin(node: LongNode, path: string, body?: object, method = 'POST'): Promise<unknown> {
    const tokens = await readTokenFile(join(node.dir, 'tokens.json'));
    const answer = await fetch(`http://${node.http}${path}`, {
      method,
      headers: { authorization: `Bearer ${tokens?.admin}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const said: unknown = await answer.json();
    if (!answer.ok) throw new BenchError(`${node.id} refused ${path}: ${JSON.stringify(said)}`);
    return said;
  }

  async sample(node: LongNode): Promise<NodeSample> {
    const text = await (await fetch(`http://${node.http}/metrics`)).text();
    return {
      id: node.id,
      rssBytes: rssOf(node),
      heap: {
        bytes: sumOf(text, 'nodejs_heap_size_total_bytes'),
        used: sumOf(text, 'nodejs_heap_size_used_bytes'),
        external: sumOf(text, 'nodejs_external_memory_bytes'),
      },
      logFileBytes: bytesIn(node.dir, /^log\.sqlite/),
      snapshotFileBytes: bytesIn(join(node.dir, 'snapshots'), /./),
      status: await this.status(node),
      loopLagMs: 1_000 * sumOf(text, 'outrigger_event_loop_lag_seconds{quantile="1"}'),
    };
  }

  /** Writes a line on what its app has, once the app has applied `index`. */
  async stateOf(node: LongNode, index: number): Promise<string> {
    const { app } = node;
    if (app === undefined) throw new BenchError(`${node.id} has no app`);
    let state = '';
    await this.until(`the app of ${node.id} says what it has`, async () => {
      app.process.kill('SIGUSR2');
      await new Promise((done) => setTimeout(done, 50));
      const last = tail(app.logFile)
        .split('\n')
        .findLast((line) => line.startsWith('STATE '));
      const [, applied = '0', ...rest] = last?.split(' ') ?? [];
      state = rest.join(' ');
      return Number(applied) >= index;
    });
    return state;
  }

  /** A load process; `result` resolves with what it said at its end. */
  load(plan: Omit<LoadPlan, 'target' | 'endpoints' | 'samplesFile' | 'connections' | 'warmupMs'>): {
    child: Child;
    result: Promise<LoadResult>;
  } {
    const whole: LoadPlan = {
      ...{ ...plan, target: 'outrigger', connections: 1, warmupMs: 0 },
      ...{
        endpoints: this.nodes.map(({ socket }) => socket),
        samplesFile: join(this.place.dir, 'latencies'),
      },
    };
    const args = [SELF, 'load', JSON.stringify(whole)];
    const child = this.place.start('load', process.execPath, args, { pipe: true });
    child.expectedToEnd = true;
    let said = '';
    child.process.stdout?.on('data', (data: Buffer) => {
      said += data.toString();
    });
    const result = child.ended.then((): LoadResult => {
      const last = said.trimEnd().split('\n').at(-1) ?? '';
      if (!last.includes('"result"')) throw new BenchError(`the load ended early:\n${tail(child.logFile)}`);
      return JSON.parse(last) as LoadResult;
    });
    result.catch(() => undefined);
    return { child, result };
  }
}

function runs(child: Child | undefined): child is Child {
  return child !== undefined && child.process.exitCode === null && child.process.signalCode === null;
}

function unlessOverloaded(error: unknown): void {
  if (!(error instanceof BenchError && error.message.includes('"OVERLOADED"'))) throw error;
}

export function rssOf({ id, sidecar }: LongNode): number {
  if (sidecar === undefined) throw new BenchError(`${id} does not run`);
  return residentBytes(sidecar.pid).now;
}

/** Bytes of the files there whose names fit; those that go meanwhile have none. */
export function bytesIn(folder: string, name: RegExp): number {
  let sum = 0;
  try {
    for (const file of readdirSync(folder))
      if (name.test(file)) sum += statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  return sum;
}

export function latencies(place: Workplace): Float64Array {
  const bytes = readFileSync(join(place.dir, 'latencies'));
  const samples = new Float64Array(bytes.length / 8);
  Buffer.from(samples.buffer).set(bytes);
  return samples.sort();
}

function sumOf(text: string, name: string): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
