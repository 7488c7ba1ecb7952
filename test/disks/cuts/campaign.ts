/**
 * Cuts the power of real daemons under load, all at the same moment, and looks whether everything that was acknowledged is there
 * when they run again.
 *
 * MUST: take every acknowledgement into account that was sent before the cut; call it a loss, too, when a node that had its power cut
 * says that it has forgotten: all disks keep what they synced.
 */
import { join } from 'node:path';
import type { Exit } from '../../../sidecar/cli/cluster/managed-process.ts';
import type { Prng } from '../../simulation/prng.ts';
import { AppClient } from '../../support/app-client.ts';
import { type Daemon, Daemons } from '../../support/daemons.ts';
import { SnapshotApp } from '../../support/snapshot-app.ts';
import { Load } from '../load.ts';
import { compileShim, DurableFolder, IMAGE_FAILED } from './image.ts';

/** Several snapshots between two cuts: only then a log begins behind one that is not on the disk yet. */
const FLAGS = [
  ...['--snapshot-entries', '100', '--snapshot-bytes', String(64 * 1024)],
  ...['--election-min-ms', '150', '--election-max-ms', '300'],
];
const ACKNOWLEDGED_MIN = 20;
const ACKNOWLEDGED_MAX = 500;

export interface CutsOptions {
  readonly cuts: number;
  readonly nodes: number;
  readonly random: Prng;
  /** The program, where it is not the one that was built. */
  readonly script?: string;
  /** Ends with the first loss. */
  readonly untilLoss?: boolean;
  readonly tell?: (line: string) => void;
}

export interface CutsTally {
  cuts: number;
  acknowledged: number;
  /** Cuts that left a log which begins behind a snapshot. */
  relied: number;
  /** Cuts after which something was missing. */
  losses: number;
  /** Acknowledged writes that were missing, as far as they can be counted. */
  lostWrites: number;
  readonly problems: string[];
}

export async function cutPower(options: CutsOptions): Promise<CutsTally> {
  const tally: CutsTally = { cuts: 0, acknowledged: 0, relied: 0, losses: 0, lostWrites: 0, problems: [] };
  while (tally.cuts < options.cuts && !(options.untilLoss === true && tally.losses > 0)) {
    const machines = await Machines.begin(options);
    try {
      // After a loss everything begins anew: what is gone stays gone.
      for (let lost = false; !lost && tally.cuts < options.cuts; ) lost = await machines.round(tally);
    } finally {
      await machines.end();
    }
  }
  return tally;
}

class Machines {
  readonly #options: CutsOptions;
  readonly #daemons: Daemons;
  readonly #folders = new Map<string, DurableFolder>();
  readonly #load: Load;
  #all: Daemon[] = [];
  #apps: SnapshotApp[] = [];
  /** After the newest cut. */
  #lostWrites = 0;

  private constructor(options: CutsOptions, daemons: Daemons, shim: string) {
    this.#options = options;
    this.#daemons = daemons;
    for (let at = 1; at <= options.nodes; at++)
      this.#folders.set(`n${at}`, new DurableFolder(join(daemons.root, `n${at}`), shim));
    this.#load = new Load(() => this.#all, { gentle: false, writers: 8 });
  }

  static async begin(options: CutsOptions): Promise<Machines> {
    const daemons = await Daemons.begin();
    const machines = new Machines(options, daemons, compileShim(daemons.root));
    const { nodes, script } = options;
    const envOf = (id: string): NodeJS.ProcessEnv => machines.#folder(id).env;
    machines.#attach(
      await daemons.cluster(nodes, { flags: FLAGS, envOf, ...(script === undefined ? {} : { script }) }),
    );
    return machines;
  }

  async end(): Promise<void> {
    await this.#load.cut();
    await Promise.all(this.#apps.map((app) => app.close()));
    await this.#daemons.end();
  }

  /** Load, a cut, a start, and a look at what is left. True when something is missing. */
  async round(tally: CutsTally): Promise<boolean> {
    const { random, nodes, tell } = this.#options;
    const before = this.#load.acknowledged;
    this.#load.start();
    await this.#load.more(ACKNOWLEDGED_MIN + random.int(ACKNOWLEDGED_MAX - ACKNOWLEDGED_MIN), () =>
      this.#all.map(({ stderr }) => stderr.slice(-3).join('\n')).join('\n'),
    );
    await this.#cut();
    const acknowledged = this.#load.acknowledged - before;
    const snapshots = this.#snapshots();
    const problems = await this.#restart();
    const relied = problems.length === 0 && (await this.#relies());
    tally.cuts++;
    tally.acknowledged += acknowledged;
    if (relied) tally.relied++;
    if (problems.length > 0) tally.losses++;
    tally.lostWrites += this.#lostWrites;
    tally.problems.push(...problems.slice(0, 3).map((problem) => `cut ${tally.cuts}: ${problem}`));
    const lost = problems.length === 0 ? 'nothing lost' : `LOST: ${this.#lostWrites} writes, ${problems[0]}`;
    const words = [
      `${String(tally.cuts).padStart(4)}  ${nodes} node${nodes === 1 ? ' ' : 's'}`,
      `${String(acknowledged).padStart(4)} acknowledged`,
      `${snapshots} snapshots left`,
      lost,
    ];
    tell?.(words.join('  '));
    return problems.length > 0;
  }

  #folder(id: string): DurableFolder {
    const folder = this.#folders.get(id);
    if (folder === undefined) throw new RangeError(`there is no ${id}`);
    return folder;
  }

  #attach(all: Daemon[]): void {
    this.#all = all;
    this.#apps = all.map(({ socket }) => new SnapshotApp(socket));
  }

  async #cut(): Promise<void> {
    const killed = Promise.all(this.#all.map(({ child }) => child.kill()));
    // What came before their sockets closed counts.
    await this.#load.stop();
    await killed;
    await Promise.all(this.#apps.map((app) => app.close()));
    for (const folder of this.#folders.values()) folder.cut();
  }

  #snapshots(): number {
    const files = [...this.#folders.values()].flatMap((folder) => folder.files());
    return files.filter((name) => name.endsWith('.snap')).length;
  }

  /** Says what is missing, one sentence each. */
  async #restart(): Promise<string[]> {
    const { script } = this.#options;
    this.#lostWrites = 0;
    const all = await Promise.all(
      this.#all.map(({ members, ...plan }) =>
        this.#daemons.launch(plan, members, this.#folder(plan.id).env, FLAGS, script),
      ),
    );
    this.#attach(all);
    const ends = await Promise.all(all.map((daemon) => endOf(daemon)));
    const failed = ends.find((end) => end !== '');
    if (failed !== undefined) return [failed];
    const forgotten = await this.#forgotten();
    if (forgotten.length > 0) return forgotten;
    await this.#daemons.until(
      'a leader is there',
      async () => (await this.#daemons.leaderOf(all)) !== undefined,
    );
    const index = await this.#write();
    await this.#daemons.until(`all have applied ${index}`, async () =>
      this.#apps.every(({ applied }) => applied >= index),
    );
    const missing = this.#apps.map((app) => this.#load.missing(app.state.values));
    this.#lostWrites = Math.max(...missing.map(({ length }) => length));
    return missing.flatMap((some, at) => some.map((one) => `${all[at]?.id}: ${one}`));
  }

  /** Nodes that say that their disk has less than they promised. */
  async #forgotten(): Promise<string[]> {
    const problems: string[] = [];
    let reached = 0;
    for (const daemon of this.#all) {
      await this.#daemons.until(`${daemon.id} says how it is`, async () => {
        const status = await this.#daemons.status(daemon);
        if (status?.store.whole === false)
          problems.push(`${daemon.id} has forgotten: ${status.store.reason}`);
        reached = Math.max(reached, status?.lastIndex ?? 0);
        return status !== undefined;
      });
    }
    if (problems.length > 0) this.#lostWrites = Math.max(0, this.#load.index - reached);
    return problems;
  }

  /** One more write. Returns its index. */
  async #write(): Promise<number> {
    const [first] = this.#all as [Daemon];
    let index = 0;
    await this.#daemons.until('a write is taken', async () => {
      const client = await AppClient.greet(first.socket, 'protobuf', undefined, false);
      client.send({ type: 'propose', id: 1, command: Buffer.from('after=the cut'), wait: 'COMMITTED' });
      const frame = await Promise.race([client.next('proposed'), client.next('error')]);
      await client.close();
      index = frame.type === 'proposed' ? frame.index : 0;
      return index > 0;
    });
    return index;
  }

  async #relies(): Promise<boolean> {
    const all = await Promise.all(this.#all.map((daemon) => this.#daemons.status(daemon)));
    return all.some((status) => (status?.firstIndex ?? 0) > 1);
  }
}

/** '' while it runs. */
async function endOf({ id, child, stderr }: Daemon): Promise<string> {
  const end: Exit | undefined = await Promise.race([child.exited, Promise.resolve(undefined)]);
  if (end === undefined) return '';
  if (end.code === IMAGE_FAILED) throw new Error(stderr.slice(-3).join('\n'));
  return `${id} does not start: ${stderr.findLast((line) => line !== '') ?? end.code}`;
}
