/**
 * Three etcd processes on loopback with their own defaults, and the client that suits them best.
 *
 * MUST: never put etcd at a disadvantage: the official Go client where Go is installed, the same disk, no
 * option that slows it (only the quota is raised, so that a long run does not fill it).
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { BenchError, type Child, freePorts, until, type Workplace } from './processes.ts';
import { type System, self } from './system.ts';

const QUOTA_BYTES = 8 * 1024 ** 3;
const READY_MS = 20_000;
/** Connections per endpoint, by client: what gave etcd the best numbers. */
const GO_CONNECTIONS = 1;
const NODE_CONNECTIONS = 1;

/** The full path of `program` on PATH, or undefined. */
export function onPath(program: string): string | undefined {
  const dirs = (process.env['PATH'] ?? '').split(delimiter);
  return dirs.map((dir) => join(dir, program)).find((file) => existsSync(file));
}

/** `etcd --version`, first line: "etcd Version: 3.4.23". */
export function etcdVersion(etcd: string): string {
  return (
    execFileSync(etcd, ['--version'], { encoding: 'utf8' }).split('\n')[0]?.replace('etcd Version: ', '') ??
    ''
  );
}

export interface EtcdOptions {
  readonly etcd: string;
  /** 'go' and 'node' insist; 'auto' takes Go where it is installed and builds. */
  readonly client: 'auto' | 'go' | 'node';
  readonly connections: number | undefined;
  /** The folder of the Go module. */
  readonly source: string;
}

export class EtcdSystem implements System {
  readonly name: string;
  readonly client: string;
  readonly #place: Workplace;
  readonly #etcd: string;
  /** The compiled Go client, undefined for Node's. */
  readonly #goClient: string | undefined;
  readonly #connections: number;
  #endpoints: string[] = [];
  #members: Child[] = [];

  constructor(place: Workplace, options: EtcdOptions) {
    this.#place = place;
    this.#etcd = options.etcd;
    this.name = `etcd ${etcdVersion(options.etcd)}`;
    this.#goClient =
      options.client === 'node' ? undefined : buildGoClient(options.source, options.client === 'go');
    this.#connections =
      options.connections ?? (this.#goClient === undefined ? NODE_CONNECTIONS : GO_CONNECTIONS);
    const how = this.#goClient === undefined ? 'Node, raw gRPC on HTTP/2' : 'Go, official clientv3';
    this.client = `${how}, ${this.#connections} connection${this.#connections > 1 ? 's' : ''} per endpoint`;
  }

  async start(): Promise<void> {
    const ports = await freePorts(6);
    const names = ['e1', 'e2', 'e3'];
    const peer = (i: number): string => `http://127.0.0.1:${ports[i]}`;
    const initial = names.map((name, i) => `${name}=${peer(i)}`).join(',');
    this.#endpoints = names.map((_, i) => `127.0.0.1:${ports[3 + i]}`);
    this.#members = names.map((name, i) => {
      const client = `http://${this.#endpoints[i]}`;
      const args = ['--name', name, '--data-dir', join(this.#place.dir, 'etcd', name)];
      args.push('--listen-peer-urls', peer(i), '--initial-advertise-peer-urls', peer(i));
      args.push('--listen-client-urls', client, '--advertise-client-urls', client);
      args.push('--initial-cluster', initial, '--initial-cluster-token', 'bench');
      args.push('--quota-backend-bytes', String(QUOTA_BYTES));
      return this.#place.start(name, this.#etcd, args);
    });
    const healthy = this.#endpoints.map((endpoint) =>
      until(`etcd ${endpoint}`, READY_MS, async () => {
        const answer = await fetch(`http://${endpoint}/health`).catch((error: Error) => error);
        return answer instanceof Error ? answer.message : answer.ok || (await answer.text());
      }),
    );
    await Promise.race([this.#place.broken, Promise.all(healthy)]);
  }

  load(plan: Parameters<System['load']>[0]): { command: string; args: string[] } {
    const whole = { ...plan, target: 'etcd', endpoints: this.#endpoints, connections: this.#connections };
    if (this.#goClient !== undefined) return { command: this.#goClient, args: [JSON.stringify(whole)] };
    return { command: process.execPath, args: [self, 'load', JSON.stringify(whole)] };
  }

  async processes(): Promise<Map<string, Child[]>> {
    return new Map([['servers', this.#members]]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map((child) => this.#place.stop(child)));
  }
}

/** Compiles the Go client into a cache folder, once per source; undefined where that cannot be done. */
function buildGoClient(source: string, must: boolean): string | undefined {
  const go = onPath('go');
  if (go === undefined) {
    if (must) throw new BenchError('--etcd-client go needs `go` on PATH.');
    return undefined;
  }
  const files = ['main.go', 'go.mod', 'go.sum'];
  const digest = createHash('sha256');
  for (const file of files) digest.update(readFileSync(join(source, file)));
  const cache = join(tmpdir(), 'outrigger-bench');
  const program = join(cache, `etcd-load-${digest.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  // Built in a copy: compiling must not touch the checkout.
  const copy = `${program}-source-${process.pid}`;
  mkdirSync(copy);
  for (const file of files) copyFileSync(join(source, file), join(copy, file));
  try {
    console.error('bench: compiling the Go client of etcd (once)');
    execFileSync(go, ['build', '-o', join(copy, 'etcd-load'), '.'], {
      cwd: copy,
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    renameSync(join(copy, 'etcd-load'), program);
    return program;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (must) throw new BenchError(`the Go client of etcd does not build: ${reason}`);
    console.error(`bench: the Go client of etcd does not build here, so we use Node's: ${reason}`);
    return undefined;
  }
}
