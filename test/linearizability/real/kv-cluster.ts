/**
 * Real sidecars with a real Python app beside each, on a network that can be cut, and everything a fault does to them.
 *
 * MUST: leave no process behind.
 */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import type { LogPage, NodeStatus } from '../../../shared/inspect.ts';
import { ManagedProcess, signalGroup } from '../../../sidecar/cli/cluster/managed-process.ts';
import { type Daemon, Daemons, QUICK } from '../../support/daemons.ts';
import { until } from '../../support/patience.ts';
import type { PeerNetwork } from '../../support/peer-proxy.ts';
import type { LogEntry } from '../resolve.ts';

const STATUS_MS = 1_000;
const LOG_PAGE = 5_000;
const NOISE_LINES = 200;
const DYING_LINES = 5;

/** One sidecar and its app. */
export interface Member {
  readonly id: string;
  /** Path of the app socket; the same after a restart. */
  readonly socket: string;
  /** Base URL of the app that the sidecar is connected to; undefined from its death until the next one is connected. */
  readonly app: string | undefined;
}

interface OwnMember extends Member {
  daemon: Daemon;
  appProcess: ManagedProcess | undefined;
  app: string | undefined;
}

export class KvCluster {
  readonly #daemons: Daemons;
  readonly #flags: readonly string[];
  readonly #members: OwnMember[] = [];
  readonly #noise: string[] = [];
  #appStarts = 0;

  private constructor(daemons: Daemons, flags: readonly string[]) {
    this.#daemons = daemons;
    this.#flags = flags;
  }

  /** `flags`: further ones of `outrigger run`. */
  static async start(size: number, flags: readonly string[] = []): Promise<KvCluster> {
    const all = [...QUICK, ...flags];
    const cluster = new KvCluster(await Daemons.begin(), all);
    try {
      for (const daemon of await cluster.#daemons.cluster(size, { partitions: true, flags: all })) {
        const { id, socket } = daemon;
        cluster.#members.push({ id, socket, daemon, appProcess: undefined, app: undefined });
      }
      await Promise.all(cluster.#members.map((member) => cluster.startApp(member)));
      await cluster.settled();
    } catch (error) {
      await cluster.end();
      throw error;
    }
    return cluster;
  }

  async end(): Promise<void> {
    await Promise.all(this.#members.map(({ appProcess }) => appProcess?.kill()));
    await this.#daemons.end();
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  get network(): PeerNetwork {
    return this.#daemons.network;
  }

  /** Who says that it leads, of the newest term; undefined where nobody does. */
  async leader(): Promise<Member | undefined> {
    const found = (await this.#statuses()).filter((status) => status?.role === 'LEADER');
    const newest = found.reduce((a, b) => ((a?.term ?? 0) >= (b?.term ?? 0) ? a : b), undefined);
    return this.#members.find(({ id }) => id === newest?.node);
  }

  /** The highest term that any node is in. */
  async term(): Promise<number> {
    return Math.max(...(await this.#statuses()).map((status) => status?.term ?? 0));
  }

  async killSidecar(member: Member): Promise<void> {
    await this.#own(member).daemon.child.kill();
  }

  /** Starts it again with what its disk holds. */
  async startSidecar(member: Member): Promise<void> {
    const own = this.#own(member);
    own.daemon = await this.#daemons.launch(own.daemon, own.daemon.members, {}, this.#flags);
    assert.ok(own.daemon.child.running, `${own.id} did not start: ${own.daemon.stderr.join('\n')}`);
  }

  signalSidecar(member: Member, signal: 'SIGSTOP' | 'SIGCONT'): void {
    signalGroup(this.#own(member).daemon.child.pid, signal);
  }

  async killApp(member: Member): Promise<void> {
    const own = this.#own(member);
    own.app = undefined;
    await own.appProcess?.kill();
  }

  /** Starts an app with nothing in memory: the sidecar gives it the whole log. Resolves when the sidecar knows it. */
  async startApp(member: Member): Promise<void> {
    const own = this.#own(member);
    this.#appStarts += 1;
    const name = `kv-${this.#appStarts}`;
    const url = await this.#launchApp(own, name);
    assert.ok(url !== undefined, `the app of ${own.id} did not start:\n${this.#noise.join('\n')}`);
    await this.#until(`the app of ${own.id} is connected`, async () => {
      const app = (await statusOf(own.daemon.http))?.app;
      return app?.name === name && app.state !== 'ABSENT';
    });
    own.app = url;
  }

  /** Resolves with the base URL, or undefined when it ends instead. */
  async #launchApp(own: OwnMember, name: string): Promise<string | undefined> {
    let heard: (url: string | undefined) => void = () => undefined;
    const listening = new Promise<string | undefined>((resolved) => {
      heard = resolved;
    });
    const child = await ManagedProcess.start({
      command: 'python3',
      args: [resolve('test/linearizability/real/versioned_kv.py')],
      env: {
        ...process.env,
        KV_FOLDER: resolve('examples/python-kv'),
        KV_NAME: name,
        KV_PORT: '0',
        OUTRIGGER_SOCKET: own.socket,
      },
      stdin: 'held',
      onLine: (_, text) => {
        const url = /listening on (\S+)/.exec(text)?.[1];
        if (url !== undefined) heard(url);
        else if (this.#noise.push(`app of ${own.id}: ${text}`) > NOISE_LINES) this.#noise.shift();
      },
    });
    own.appProcess = child;
    void child.exited.then(() => heard(undefined));
    return listening;
  }

  /** Resolves when all nodes follow one leader, and all that is in the log is committed and applied everywhere. */
  settled(): Promise<void> {
    return this.#until('all nodes are level', async () => isSettled(await this.#statuses()));
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    await until(what, holds, async () => `${await this.#describe()}\n${this.#noise.join('\n')}`);
  }

  /** Ends all sidecars before the first one starts again: nothing that was only on its way survives. */
  async restart(): Promise<void> {
    await Promise.all(this.#members.map((member) => this.killSidecar(member)));
    await Promise.all(this.#members.map((member) => this.startSidecar(member)));
    await this.settled();
  }

  async commitIndex(): Promise<number> {
    return Math.max(...(await this.#statuses()).map((status) => status?.commitIndex ?? 0));
  }

  /** The commands after index `after`, of a cluster that is settled. Fails when the logs are not equal. */
  async log(after: number): Promise<LogEntry[]> {
    const pages = await Promise.all(this.#members.map((member) => this.#pages(member, after)));
    const [first = []] = pages;
    for (const [at, page] of pages.entries()) {
      const other = page.at(-1);
      const last = first.at(-1);
      // The hash is that of the whole log up to there.
      const same = other?.index === last?.index && other?.hash === last?.hash;
      assert.ok(same, `the log of ${this.#members[at]?.id} is not that of ${this.#members[0]?.id}`);
    }
    return first
      .filter(({ kind }) => kind === 'COMMAND')
      .map(({ index, command }) => ({ index, id: idOf(command) }));
  }

  async #pages(member: OwnMember, after: number): Promise<LogPage['entries'][number][]> {
    const entries: LogPage['entries'][number][] = [];
    for (;;) {
      const from = (entries.at(-1)?.index ?? after) + 1;
      const page = await this.#daemons.view<LogPage>(member.daemon, `/v1/log?from=${from}&limit=${LOG_PAGE}`);
      entries.push(...page.entries);
      if (page.entries.length === 0 || (entries.at(-1)?.index ?? 0) >= page.lastIndex) return entries;
    }
  }

  async #describe(): Promise<string> {
    const all = await this.#statuses();
    return this.#members
      .map(({ id, daemon: { child, stderr } }, at) => {
        const status = all[at];
        if (status !== undefined) return describe(status);
        const end = stderr.slice(-DYING_LINES).join('\n');
        return child.running ? `${id} does not answer` : `${id} has ended:\n${end}`;
      })
      .join('\n');
  }

  #statuses(): Promise<(NodeStatus | undefined)[]> {
    return Promise.all(
      this.#members.map(({ daemon }) =>
        daemon.child.running ? statusOf(daemon.http) : Promise.resolve(undefined),
      ),
    );
  }

  #own(member: Member): OwnMember {
    const own = this.#members.find(({ id }) => id === member.id);
    assert.ok(own, `${member.id} is of another cluster`);
    return own;
  }
}

/** What the node says of itself; undefined when it does not, being down or stopped. */
async function statusOf(http: string): Promise<NodeStatus | undefined> {
  try {
    const answer = await fetch(`http://${http}/v1/status`, { signal: AbortSignal.timeout(STATUS_MS) });
    return (await answer.json()) as NodeStatus;
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}

function isSettled(all: readonly (NodeStatus | undefined)[]): boolean {
  const [first] = all;
  if (first === undefined || !all.some((status) => status?.role === 'LEADER')) return false;
  return all.every(
    (status) =>
      status !== undefined &&
      status.leader === first.leader &&
      status.term === first.term &&
      status.lastIndex === first.lastIndex &&
      status.commitIndex === first.lastIndex &&
      status.appliedIndex === first.lastIndex &&
      status.app.state === 'CONNECTED',
  );
}

function describe({
  node,
  role,
  term,
  leader,
  lastIndex,
  commitIndex,
  appliedIndex,
  app,
}: NodeStatus): string {
  return `${node} ${role} term ${term} of ${leader}, ${lastIndex}/${commitIndex}/${appliedIndex}, app ${app.state}`;
}

function idOf(command: string): string {
  return (JSON.parse(Buffer.from(command, 'base64').toString()) as { id: string }).id;
}
