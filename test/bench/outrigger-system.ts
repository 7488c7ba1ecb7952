/**
 * A cluster of sidecar processes, each with an app process beside it, as a user would run it.
 *
 * MUST: use only what is public: the command line, the app socket and HTTP (docs/protocol.md).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BenchError, type Child, freePorts, tail, until, type Workplace } from './processes.ts';
import { type System, self } from './system.ts';

/** Load connections per sidecar. One is enough here: etcd's client, too, has one per endpoint by default. */
const CONNECTIONS = 1;
const READY_MS = 30_000;

interface Node {
  readonly id: string;
  readonly socket: string;
  readonly http: string;
  readonly args: readonly string[];
  sidecar: Child | undefined;
  app: Child | undefined;
}

export interface OutriggerOptions {
  readonly nodes: number;
  /** The `outrigger` program, run with this Node. */
  readonly bin: string;
  /** Where each sidecar leaves a CPU profile when it ends; undefined for none. */
  readonly profileDir?: string;
}

export class OutriggerSystem implements System {
  readonly name = 'outrigger';
  readonly client = `Node, protobuf on Unix sockets, ${CONNECTIONS} connection per sidecar`;
  readonly #place: Workplace;
  readonly #options: OutriggerOptions;
  #nodes: Node[] = [];

  constructor(place: Workplace, options: OutriggerOptions) {
    this.#place = place;
    this.#options = options;
  }

  get sockets(): string[] {
    return this.#nodes.map((node) => node.socket);
  }

  get sidecars(): Child[] {
    return this.#nodes.flatMap((node) => node.sidecar ?? []);
  }

  /** Where each sidecar serves HTTP, and its process. */
  get replicas(): { http: string; child: Child }[] {
    return this.#nodes.flatMap(({ http, sidecar }) =>
      sidecar === undefined ? [] : [{ http, child: sidecar }],
    );
  }

  async start(): Promise<void> {
    await this.#layOut();
    this.startSidecars();
    for (const node of this.#nodes) {
      node.app = this.#place.start(`app-${node.id}`, process.execPath, [self, 'app', node.socket]);
    }
    await this.ready();
  }

  /** Starts every sidecar (again) on its own data. */
  startSidecars(): void {
    const { bin, profileDir } = this.#options;
    const env = { XDG_RUNTIME_DIR: this.#place.socketDir };
    for (const node of this.#nodes) {
      const profile =
        profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profileDir, node.id)}`];
      node.sidecar = this.#place.start(node.id, process.execPath, [...profile, bin, ...node.args], { env });
    }
  }

  async stopSidecars(signal: NodeJS.Signals): Promise<void> {
    await Promise.all(this.sidecars.map((child) => this.#place.stop(child, signal)));
  }

  /** Resolves when every sidecar says it is ready: a leader is known, it has caught up, its app is well. */
  async ready(): Promise<void> {
    await Promise.race([this.#place.broken, Promise.all(this.#nodes.map((node) => this.#ready(node)))]);
  }

  load(plan: Parameters<System['load']>[0]): { command: string; args: string[] } {
    const whole = { ...plan, target: 'outrigger', endpoints: this.sockets, connections: CONNECTIONS };
    return { command: process.execPath, args: [self, 'load', JSON.stringify(whole)] };
  }

  async processes(): Promise<Map<string, Child[]>> {
    const leader = await this.leader();
    const is = (node: Node): boolean => node.id === leader;
    return new Map([
      ['leader', this.#nodes.filter(is).flatMap((node) => node.sidecar ?? [])],
      ['followers', this.#nodes.filter((node) => !is(node)).flatMap((node) => node.sidecar ?? [])],
      ['apps', this.#nodes.flatMap((node) => node.app ?? [])],
    ]);
  }

  /** Id of the leader, as its own status says; '' where none says so. */
  async leader(): Promise<string> {
    for (const node of this.#nodes) {
      const status: unknown = await (await fetch(`${node.http}/v1/status`)).json();
      if (typeof status === 'object' && status !== null && 'role' in status && status.role === 'LEADER')
        return node.id;
    }
    return '';
  }

  /**
   * Ends the leader and then one follower in good order, which makes them write their profiles. One after
   * the other, so that each can still hand its leadership to somebody.
   */
  async stopForProfiles(leader: Child, follower: Child): Promise<void> {
    await this.#place.stop(leader, 'SIGTERM');
    await this.#place.stop(follower, 'SIGTERM');
  }

  /** Kills everything: the data is thrown away anyway. */
  async stop(): Promise<void> {
    await this.stopSidecars('SIGKILL');
    await Promise.all(this.#nodes.map((node) => node.app && this.#place.stop(node.app, 'SIGKILL')));
  }

  async #layOut(): Promise<void> {
    const ports = await freePorts(this.#options.nodes * 2);
    const peers = ports.slice(0, this.#options.nodes);
    const members = peers.map((port, i) => `n${i + 1}=127.0.0.1:${port}`).join(',');
    this.#nodes = peers.map((peer, i) => {
      const id = `n${i + 1}`;
      const http = `127.0.0.1:${ports[this.#options.nodes + i]}`;
      const socket = join(this.#place.socketDir, id, 'app.sock');
      mkdirSync(join(this.#place.socketDir, id), { mode: 0o700 });
      const args = [
        'run',
        '--id',
        id,
        '--cluster',
        'bench',
        '--data',
        join(this.#place.dir, 'outrigger', id),
      ];
      args.push('--peer-listen', `127.0.0.1:${peer}`, '--http-listen', http, '--app-socket', socket);
      args.push('--members', members);
      return { id, socket, http: `http://${http}`, args, sidecar: undefined, app: undefined };
    });
  }

  async #ready(node: Node): Promise<void> {
    try {
      await until(`${node.id} ready`, READY_MS, async () => {
        const answer = await fetch(`${node.http}/readyz`).catch((error: Error) => error);
        if (answer instanceof Error) return answer.message;
        return answer.ok || (await answer.text());
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new BenchError(`${reason}\n${node.sidecar ? tail(node.sidecar.logFile) : ''}`);
    }
  }
}
