/**
 * Three daemons, a network between them that can be cut, and a counter app beside each, all of which can be killed.
 *
 * MUST: bring back whatever it takes down; leave nothing behind.
 */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';

export class Stage {
  readonly daemons: Daemons;
  readonly #all: Daemon[];
  readonly #apps = new Map<string, ManagedProcess>();
  /** Apps of these nodes keep their state over a restart. */
  readonly #durable: ReadonlySet<string>;
  /** The last lines that apps printed. */
  readonly noise: string[] = [];
  #ending = false;

  private constructor(daemons: Daemons, all: Daemon[], durable: readonly string[]) {
    this.daemons = daemons;
    this.#all = all;
    this.#durable = new Set(durable);
  }

  static async open(durable: readonly string[]): Promise<Stage> {
    const daemons = await Daemons.begin();
    const all = await daemons.cluster(3, { partitions: true });
    const stage = new Stage(daemons, all, durable);
    for (const daemon of all) await stage.startApp(daemon.id);
    await stage.allReady();
    return stage;
  }

  async close(): Promise<void> {
    this.#ending = true;
    await Promise.all([...this.#apps.values()].map((app) => app.kill()));
    await this.daemons.end();
  }

  get ids(): readonly string[] {
    return this.#all.map(({ id }) => id);
  }

  socketOf(id: string): string {
    return this.#daemon(id).socket;
  }

  #daemon(id: string): Daemon {
    const daemon = this.#all.find((one) => one.id === id);
    if (daemon === undefined) throw new RangeError(`there is no node ${id}`);
    return daemon;
  }

  async startApp(id: string): Promise<void> {
    const { socket } = this.#daemon(id);
    const state = this.#durable.has(id) ? { COUNTER_STATE: join(this.daemons.root, `${id}.json`) } : {};
    const app = await ManagedProcess.start({
      command: 'python3',
      args: [resolve('test/exactly-once/counter.py')],
      env: { ...process.env, OUTRIGGER_SOCKET: socket, ...state },
      stdin: 'none',
      onLine: (_stream, text) => {
        if (this.noise.push(`${id}: ${text}`) > 200) this.noise.shift();
      },
    });
    this.#apps.set(id, app);
  }

  /** The app alone dies, and comes back. */
  async killApp(id: string): Promise<void> {
    await this.#apps.get(id)?.kill();
    if (!this.#ending) await this.startApp(id);
  }

  /** The sidecar alone dies; its app stays. Resolves when it is gone. */
  async killSidecar(id: string): Promise<void> {
    await this.#daemon(id).child.kill();
  }

  async startSidecar(id: string): Promise<void> {
    const at = this.#all.findIndex((daemon) => daemon.id === id);
    const daemon = this.#daemon(id);
    this.#all[at] = await this.daemons.launch(daemon, daemon.members);
  }

  /** Waits for a leader among the nodes but `except`. */
  async leader(except = ''): Promise<string> {
    let found: string | undefined;
    await this.daemons.until(`a leader other than ${except || 'none'}`, async () => {
      const others = this.#all.filter(({ id }) => id !== except);
      found = (await this.daemons.leaderOf(others))?.id;
      if (found === undefined) await sleep(5);
      return found !== undefined;
    });
    return found ?? '';
  }

  /** Every sidecar has its app. */
  async allConnected(): Promise<void> {
    await this.daemons.until('all apps are connected', async () => {
      const all = await Promise.all(this.#all.map((daemon) => this.daemons.status(daemon)));
      const connected = all.every((status) => status?.app.state === 'CONNECTED');
      if (!connected) await sleep(5);
      return connected;
    });
  }

  /** Every node follows one leader, with its app beside it and nothing left to apply. */
  async allReady(): Promise<void> {
    await this.daemons.until('all nodes are ready', async () => {
      const all = await Promise.all(this.#all.map((daemon) => this.daemons.status(daemon)));
      const ready = all.every(
        (s) =>
          s !== undefined &&
          s.leader !== '' &&
          s.app.state === 'CONNECTED' &&
          s.appliedIndex === s.commitIndex,
      );
      const agree = new Set(all.map((s) => `${s?.leader} ${s?.commitIndex}`)).size === 1;
      if (!ready || !agree) await sleep(10);
      return ready && agree;
    });
  }
}
