/**
 * Three real sidecars with an app each and a network that can be cut: the stage for logs that conflict, transfers, hostile
 * payloads and load.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { readTokenFile } from '../../../shared/endpoint-files.ts';
import type { NodeStatus, TokenFile } from '../../../shared/inspect.ts';
import { signalGroup } from '../../../sidecar/cli/cluster/managed-process.ts';
import { type Daemon, Daemons } from '../../support/daemons.ts';
import { EchoMachine } from '../../support/echo-machine.ts';

/** Leaders change when a test wants it, and not because a window takes the processor for seconds. */
export const CALM = ['--election-min-ms', '2500', '--election-max-ms', '5000'];

export interface StageOptions {
  readonly nodes?: number;
  /** Further flags of `outrigger run`. */
  readonly flags?: readonly string[];
  /** Puts an app beside each that applies everything. Default: yes. */
  readonly apps?: boolean;
}

interface Proposed {
  readonly index: number;
  readonly term: number;
}

export class StagedCluster {
  readonly name: string;
  readonly daemons: Daemons;
  readonly #flags: readonly string[];
  readonly #all: Daemon[];
  readonly #machines: EchoMachine[] = [];
  readonly #paused = new Set<Daemon>();

  private constructor(name: string, daemons: Daemons, all: Daemon[], flags: readonly string[]) {
    this.name = name;
    this.daemons = daemons;
    this.#all = all;
    this.#flags = flags;
  }

  /** Resolves when a leader is there and every app is attached. */
  static async start(
    name: string,
    { nodes = 3, flags = ['--control'], apps = true }: StageOptions = {},
  ): Promise<StagedCluster> {
    const daemons = await Daemons.begin();
    try {
      // The last of two flags of the same name counts.
      const all = ['--cluster', name, ...flags];
      const started = await daemons.cluster(nodes, { partitions: nodes > 1, flags: all });
      const cluster = new StagedCluster(name, daemons, started, all);
      for (const { socket } of apps ? started : []) cluster.#machines.push(await EchoMachine.attach(socket));
      return cluster;
    } catch (error) {
      await daemons.end();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const daemon of this.#paused) signalGroup(daemon.child.pid, 'SIGCONT');
    // The connection to a sidecar that was killed has ended by a reset, which `close` tells of.
    await Promise.allSettled(this.#machines.map((machine) => machine.close()));
    await this.daemons.end();
  }

  get runtimeDir(): string {
    return this.daemons.runtimeDir;
  }

  get nodes(): readonly Daemon[] {
    return this.#all;
  }

  node(id: string): Daemon {
    const found = this.#all.find((daemon) => daemon.id === id);
    assert.ok(found, `there is no node ${id}`);
    return found;
  }

  /** Waits for one leader of a term after `afterTerm` that all who run follow. */
  async settled(afterTerm = 0): Promise<{ leader: Daemon; followers: readonly Daemon[]; term: number }> {
    let leader: NodeStatus | undefined;
    await this.daemons.until(`${this.name} has one leader after term ${afterTerm}`, async () => {
      const all = (await Promise.all(this.#all.map((daemon) => this.daemons.status(daemon)))).filter(
        (status) => status !== undefined,
      );
      leader = all.find(({ role, term }) => role === 'LEADER' && term > afterTerm);
      return all.length * 2 > this.#all.length && all.every((one) => one.leader === leader?.node);
    });
    assert.ok(leader);
    const { node, term } = leader;
    return { leader: this.node(node), followers: this.#all.filter(({ id }) => id !== node), term };
  }

  async status(daemon: Daemon): Promise<NodeStatus> {
    const status = await this.daemons.status(daemon);
    assert.ok(status, `${daemon.id} does not answer`);
    return status;
  }

  async tokens(daemon: Daemon): Promise<TokenFile> {
    const tokens = await readTokenFile(join(daemon.dir, 'tokens.json'));
    assert.ok(tokens, `${daemon.id} has no tokens`);
    return tokens;
  }

  /** Proposes through that leader; resolves when the command is committed. */
  async propose(leader: Daemon, command: Buffer | string): Promise<Proposed> {
    const answer = await this.#post(leader, '/v1/propose', 'application/octet-stream', command);
    assert.equal(answer.status, 200, await answer.text());
    return {
      index: Number(answer.headers.get('outrigger-index')),
      term: Number(answer.headers.get('outrigger-term')),
    };
  }

  /** Proposes what will never be committed: whatever becomes of it is fine. */
  async strand(leader: Daemon, commands: readonly string[]): Promise<void> {
    const { lastIndex } = await this.status(leader);
    for (const command of commands) {
      this.#post(leader, '/v1/propose', 'application/octet-stream', command).catch(() => undefined);
    }
    await this.daemons.until(`${leader.id} has ${commands.length} entries of its own`, async () => {
      return (await this.status(leader)).lastIndex >= lastIndex + commands.length;
    });
  }

  async transfer(leader: Daemon, to: Daemon): Promise<void> {
    const body = JSON.stringify({ to: to.id });
    const answer = await this.#post(leader, '/v1/leader/transfer', 'application/json', body);
    assert.equal(answer.status, 200, await answer.text());
  }

  pause(daemon: Daemon): void {
    this.#paused.add(daemon);
    signalGroup(daemon.child.pid, 'SIGSTOP');
  }

  resume(daemon: Daemon): void {
    this.#paused.delete(daemon);
    signalGroup(daemon.child.pid, 'SIGCONT');
  }

  /** Undoes what a test did to it, whether it came to its end or not: cuts, stops and kills. */
  async restore(): Promise<void> {
    if (this.#all.length > 1) this.daemons.network.heal();
    for (const daemon of [...this.#paused]) this.resume(daemon);
    for (const daemon of [...this.#all]) if (!daemon.child.running) await this.restart(daemon);
  }

  /** Starts it again, on the same data, with its app. */
  async restart(daemon: Daemon): Promise<void> {
    await daemon.child.kill();
    const again = await this.daemons.launch(daemon, daemon.members, {}, this.#flags);
    this.#all[this.#all.indexOf(daemon)] = again;
    this.#machines.push(await EchoMachine.attach(again.socket));
  }

  async #post(daemon: Daemon, path: string, type: string, body: Buffer | string): Promise<Response> {
    const { admin } = await this.tokens(daemon);
    const headers = { authorization: `Bearer ${admin}`, 'content-type': type };
    return fetch(`http://${daemon.http}${path}`, { method: 'POST', headers, body });
  }
}
