/**
 * Real sidecars that come and go, each with an app and with all that it says of leadership read. Whatever others send to a node
 * runs through a port of its own, so that it can be made deaf.
 *
 * MUST: leave no process behind; notice when two nodes lead in one term, at whatever time.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import { signalGroup } from '../../sidecar/cli/cluster/managed-process.ts';
import { type Daemon, Daemons, type Plan, QUICK } from '../support/daemons.ts';
import { EventReader } from '../support/event-reader.ts';
import { until } from '../support/patience.ts';
import { PeerNetwork } from '../support/peer-proxy.ts';
import { SnapshotApp } from '../support/snapshot-app.ts';
import { Leaders } from './judge.ts';

/** Small ones: most who come need one. */
const FLAGS = [...QUICK, '--snapshot-entries', '4000', '--snapshot-bytes', String(512 * 1024)];
/** Where each node's link comes from. */
const WORLD = 'world';
const ASK_MS = 20_000;

export interface FleetNode {
  readonly id: string;
  readonly daemon: Daemon;
  readonly app: SnapshotApp;
  readonly events: EventReader;
}

export class Fleet {
  readonly #daemons: Daemons;
  readonly #plans: ReadonlyMap<string, Plan>;
  readonly #network: PeerNetwork;
  readonly #addresses: ReadonlyMap<string, string>;
  readonly #nodes = new Map<string, FleetNode>();
  readonly leaders = new Leaders();
  readonly problems: string[] = [];

  private constructor(daemons: Daemons, plans: ReadonlyMap<string, Plan>, network: PeerNetwork) {
    this.#daemons = daemons;
    this.#plans = plans;
    this.#network = network;
    const links = network.membersFor(WORLD).split(',');
    this.#addresses = new Map(links.map((link) => link.split('=') as [string, string]));
  }

  /** A cluster of the first `size` of `ids`; the others come later. */
  static async start(ids: readonly string[], size: number): Promise<Fleet> {
    const daemons = await Daemons.begin();
    const plans = new Map<string, Plan>();
    for (const id of ids) plans.set(id, await daemons.plan(id));
    const network = await PeerNetwork.open([{ id: WORLD, peer: '127.0.0.1:1' }, ...plans.values()]);
    const fleet = new Fleet(daemons, plans, network);
    try {
      const founders = ids.slice(0, size);
      await Promise.all(founders.map((id) => fleet.#launch(id, fleet.#membersFor(id, founders))));
      // Those who come later learn of the founders' addresses from the log.
      for (const id of founders)
        await fleet.#ask('POST', '/v1/members', { id, peer: fleet.#addresses.get(id) });
      await fleet.votersAre(founders);
    } catch (error) {
      await fleet.end();
      throw error;
    }
    return fleet;
  }

  #membersFor(id: string, founders: readonly string[]): string {
    const address = (other: string): string | undefined =>
      other === id ? this.#plans.get(id)?.peer : this.#addresses.get(other);
    return founders.map((other) => `${other}=${address(other)}`).join(',');
  }

  async end(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map(({ app }) => app.close()));
    await this.#daemons.end();
    await this.#network.close();
  }

  get nodes(): FleetNode[] {
    return [...this.#nodes.values()];
  }

  node(id: string): FleetNode {
    return this.#nodes.get(id) ?? assert.fail(`${id} does not run`);
  }

  // ---------------------------------------------------------------- processes

  async #launch(id: string, members: string): Promise<void> {
    const plan = this.#plans.get(id) ?? assert.fail(`there is no ${id}`);
    const before = this.#nodes.get(id);
    if (before !== undefined) this.#judge(before);
    const daemon = await this.#daemons.launch(plan, members, {}, FLAGS);
    assert.ok(daemon.child.running, `${id} did not start: ${daemon.stderr.slice(-5).join('\n')}`);
    const token = (await readTokenFile(join(plan.dir, 'tokens.json')))?.view ?? '';
    const events = await EventReader.open(`http://${plan.http}`, { token, since: '0' });
    this.#nodes.set(id, { id, daemon, events, app: before?.app ?? new SnapshotApp(plan.socket) });
  }

  /** Reads what they said of their leadership since the last time. */
  judgeLeaders(): void {
    for (const node of this.#nodes.values()) this.#judge(node);
  }

  #judge({ id, events }: FleetNode): void {
    for (const event of events.events.splice(0)) {
      if (event.kind !== 'ROLE' || event.role !== 'LEADER') continue;
      const problem = this.leaders.saw(event.term ?? 0, id);
      if (problem !== undefined) this.problems.push(problem);
    }
  }

  /** As a crash does. Its disk stays. */
  async kill(id: string): Promise<void> {
    await this.node(id).daemon.child.kill();
  }

  async restart(id: string): Promise<void> {
    const { members } = this.node(id).daemon;
    if (members.startsWith('http')) await this.#launchJoining(id);
    else await this.#launch(id, members);
  }

  startApp(id: string): void {
    const node = this.node(id);
    this.#nodes.set(id, { ...node, app: new SnapshotApp(node.daemon.socket) });
  }

  signal(id: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
    signalGroup(this.node(id).daemon.child.pid, signal);
  }

  /** It hears nobody from now on; what it says is heard. */
  deafen(id: string): void {
    this.#network.cutOneWay(WORLD, id);
  }

  heal(): void {
    this.#network.heal();
  }

  /** A node that left: nothing of it remains. */
  async bury(id: string): Promise<void> {
    const node = this.node(id);
    const { daemon, app } = node;
    await daemon.child.kill();
    await node.events.closed;
    this.#judge(node);
    await app.close();
    this.#nodes.delete(id);
    await rm(daemon.dir, { recursive: true, force: true });
  }

  /** Whoever it asks may die just then: it ends, and who looks after it starts it again. */
  async #launchJoining(id: string): Promise<void> {
    await until(`${id} starts`, async () => {
      const through = await this.#leader();
      if (through === undefined || through.id === id) return false;
      try {
        await this.#launch(id, `http://${through.daemon.http}`);
        return true;
      } catch (error) {
        if (error instanceof Error && /no cluster answers at/.test(error.message)) return false;
        throw error;
      }
    });
  }

  // ---------------------------------------------------------------- membership

  /** Asks for `id` to become a voter, in place of `replaces` if given, and starts it. */
  async join(id: string, replaces?: string): Promise<void> {
    const peer = this.#addresses.get(id);
    await this.#ask('POST', '/v1/members', { id, peer, ...(replaces === undefined ? {} : { replaces }) });
    await this.#launchJoining(id);
  }

  async remove(id: string): Promise<void> {
    await this.#ask('DELETE', `/v1/members/${id}`);
  }

  /** Until somebody took it: leaders come and go, and only one change is made at a time. */
  async #ask(method: string, path: string, body?: object): Promise<void> {
    await until(`${method} ${path} ${JSON.stringify(body ?? '')} is done`, async () => {
      const leader = await this.#leader();
      if (leader === undefined) return false;
      const token = (await readTokenFile(join(leader.daemon.dir, 'tokens.json')))?.admin ?? '';
      try {
        const answer = await fetch(`http://${leader.daemon.http}${path}`, {
          method,
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          signal: AbortSignal.timeout(ASK_MS),
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const { message = '' } = (await answer.json()) as { message?: string };
        // A try that seemed lost may have been taken.
        return answer.ok || /is a member already|is not a member/.test(message);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        return false;
      }
    });
  }

  /** Resolves when these vote and no others, as every one of them knows. */
  async votersAre(expected: readonly string[]): Promise<void> {
    const wanted = [...expected].sort().join();
    await until(
      `the voters are ${wanted}`,
      async () => {
        const all = await Promise.all(expected.map((id) => this.#status(this.node(id))));
        return all.every(
          (status) =>
            status !== undefined &&
            status.leader !== null &&
            status.membership.outgoing.length === 0 &&
            [...status.membership.voters].sort().join() === wanted,
        );
      },
      () => this.describe(),
    );
  }

  async leader(): Promise<string | undefined> {
    return (await this.#leader())?.id;
  }

  async #leader(): Promise<FleetNode | undefined> {
    const all = await Promise.all(
      this.nodes.map(async (node) => ({ node, status: await this.#status(node) })),
    );
    const leading = all.filter(({ status }) => status?.role === 'LEADER');
    leading.sort((a, b) => (b.status?.term ?? 0) - (a.status?.term ?? 0));
    return leading[0]?.node;
  }

  async #status({ daemon }: FleetNode): Promise<NodeStatus | undefined> {
    if (!daemon.child.running) return undefined;
    try {
      const answer = await fetch(`http://${daemon.http}/v1/status`, { signal: AbortSignal.timeout(500) });
      return (await answer.json()) as NodeStatus;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return undefined;
    }
  }

  async describe(): Promise<string> {
    const lines = this.nodes.map(async (node) => {
      const status = await this.#status(node);
      if (status === undefined) return `${node.id} does not answer`;
      const { role, term, leader, lastIndex, commitIndex, appliedIndex, membership } = status;
      return `${node.id} ${role} term ${term} of ${leader}, ${lastIndex}/${commitIndex}/${appliedIndex}, ${JSON.stringify(membership)}`;
    });
    return (await Promise.all(lines)).join('\n');
  }

  /** Resolves when the apps of all these have applied all that is committed, and have one state. */
  async same(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    let values: ReadonlyMap<string, string> = new Map();
    await until(
      'all apps have the same state',
      async () => {
        const all = await Promise.all(ids.map((id) => this.#status(this.node(id))));
        const last = Math.max(...all.map((status) => status?.lastIndex ?? 0));
        if (!all.every((status) => status?.appliedIndex === last)) return false;
        const apps = ids.map((id) => this.node(id).app);
        if (!apps.every(({ applied }) => applied === last)) return false;
        values = apps[0]?.state.values ?? values;
        if (new Set(apps.map(({ dump }) => dump)).size === 1) return true;
        this.problems.push(`the apps of ${ids.join(' ')} differ at ${last}`);
        return true;
      },
      () => this.describe(),
    );
    return values;
  }
}
