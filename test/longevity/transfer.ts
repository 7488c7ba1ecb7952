/**
 * A large snapshot on its way to a new node: the memory of the three sidecars that have to do with it (the one that takes it and
 * sends it, the one that gets it), two cuts in the middle, and whether anybody notices.
 */
import { join } from 'node:path';
import type { Workplace } from '../bench/processes.ts';
import { PeerNetwork } from '../support/peer-proxy.ts';
import { bytesIn, LongCluster, type LongNode, rssOf, timing } from './cluster.ts';
import { atLeast, atMost, type Figure, holds, mb, told } from './report.ts';

export interface TransferOptions {
  readonly bytes: number;
  readonly sendRate: number;
  readonly electionMs: number;
  readonly progress: (line: string) => void;
}

/** What the largest may grow by. */
const GROWTH_BYTES = 64 * 1024 * 1024;
/** Of the snapshot, that may come a second time because of the cuts. */
const AGAIN_SHARE = 0.1;
const CUTS = [
  { at: 0.3, what: 'RECEIVER' },
  { at: 0.6, what: 'CONNECTION' },
] as const;
const CUT_MS = 1_000;
const SAMPLE_MS = 50;
const WAIT_MS = 600_000;
/** Nodes take no snapshot by themselves. */
const NEVER = String(2 ** 40);

export async function largeSnapshot(
  place: Workplace,
  bin: string,
  { bytes, sendRate, electionMs, progress }: TransferOptions,
): Promise<Figure[]> {
  const flags = ['--snapshot-bytes', NEVER, '--snapshot-entries', NEVER, ...timing(electionMs)];
  const cluster = new LongCluster(place, bin, [...flags, '--snapshot-send-bytes', String(sendRate)], bytes);
  await cluster.start(3);
  const leader = await cluster.leader();
  await fill(cluster);
  const { term } = await cluster.status(leader);
  const watch = new Watch(cluster, [leader]);
  // The log begins behind the one before the newest one: so there have to be two.
  for (let taken = 1; taken <= 2; taken++) {
    const from = performance.now();
    await cluster.admin(leader, '/v1/snapshot', {});
    progress(`snapshot ${taken} taken in ${((performance.now() - from) / 1_000).toFixed(1)} s`);
    await fill(cluster);
  }
  await cluster.until('the log is compacted', async () => (await cluster.status(leader)).firstIndex > 1);
  const taking = watch.growth(leader);
  await watch.stop();
  return [
    atMost('memory of the taking sidecar grew by', taking, GROWTH_BYTES, mb),
    ...(await new Transfer(cluster, leader, bytes, progress).run()),
    holds('no election', (await cluster.status(leader)).term === term),
  ];
}

/** A few writes. */
async function fill(cluster: LongCluster): Promise<void> {
  const { result } = cluster.load({
    clients: 16,
    keys: 1_000,
    valueBytes: 256,
    measureMs: 0,
    operations: 5_000,
  });
  await result;
}

/** Looks at the memory of nodes, and at how long a follower has not heard the leader, all the time. */
class Watch {
  readonly #cluster: LongCluster;
  readonly #nodes: LongNode[];
  /** By process: at the first look, and the most. */
  readonly #memory = new Map<number, { node: LongNode; first: number; most: number }>();
  contactMs = 0;
  /** Not while a connection is cut on purpose. */
  judgesContact = true;
  #running = true;
  readonly #loop: Promise<void>;

  constructor(cluster: LongCluster, nodes: readonly LongNode[]) {
    this.#cluster = cluster;
    this.#nodes = [...nodes];
    this.#loop = this.#watch();
  }

  /** How much the memory of a process of that node grew, at most. */
  growth(of: LongNode): number {
    const grown = [...this.#memory.values()].filter(({ node }) => node === of);
    return Math.max(...grown.map(({ first, most }) => most - first));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#loop;
  }

  async #watch(): Promise<void> {
    while (this.#running) {
      for (const node of this.#nodes) await this.#see(node);
      await this.#seeContact();
      await new Promise((done) => setTimeout(done, SAMPLE_MS));
    }
  }

  async #see(node: LongNode): Promise<void> {
    const child = node.sidecar;
    if (child === undefined || child.expectedToEnd) return;
    // A process that does not serve yet is still being loaded: what that takes is not growth.
    if (
      !this.#memory.has(child.pid) &&
      (await this.#cluster.status(node).catch(() => undefined)) === undefined
    )
      return;
    if (child.expectedToEnd) return;
    const now = rssOf(node);
    const seen = this.#memory.get(child.pid) ?? { node, first: now, most: now };
    this.#memory.set(child.pid, { ...seen, most: Math.max(seen.most, now) });
  }

  async #seeContact(): Promise<void> {
    if (!this.judgesContact) return;
    for (const node of this.#cluster.nodes) {
      const status = await this.#cluster.status(node).catch(() => undefined);
      if (this.judgesContact) this.contactMs = Math.max(this.contactMs, status?.leaderContactMs ?? 0);
    }
  }
}

class Transfer {
  readonly #cluster: LongCluster;
  readonly #leader: LongNode;
  readonly #bytes: number;
  readonly #progress: (line: string) => void;

  constructor(cluster: LongCluster, leader: LongNode, bytes: number, progress: (line: string) => void) {
    this.#cluster = cluster;
    this.#leader = leader;
    this.#bytes = bytes;
    this.#progress = progress;
  }

  async run(): Promise<Figure[]> {
    const cluster = this.#cluster;
    const leader = this.#leader;
    const fresh = await cluster.layOut();
    const network = await PeerNetwork.open([leader, fresh]);
    try {
      // What the leader says to it runs through a connection that can be cut.
      const peer = network
        .membersFor(leader.id)
        .split(',')
        .find((one) => one.startsWith(`${fresh.id}=`))
        ?.slice(fresh.id.length + 1);
      await cluster.admin(leader, '/v1/members', { id: fresh.id, peer });
      const sentBefore = await this.#sent();
      fresh.args = [...fresh.args, '--join', `http://${leader.http}`];
      const watch = new Watch(cluster, [leader]);
      const from = performance.now();
      cluster.startNode(fresh);
      const receiving = new Watch(cluster, [fresh]);
      for (const cut of CUTS) await this.#cut(cut, fresh, network, watch, receiving);
      await cluster.until(`${fresh.id} has it`, async () => (await this.#snapshotIndex(fresh)) > 0, WAIT_MS);
      const seconds = (performance.now() - from) / 1_000;
      const received = receiving.growth(fresh);
      await cluster.until(
        `${fresh.id} votes`,
        async () => (await cluster.status(leader)).membership.voters.includes(fresh.id),
        WAIT_MS,
      );
      await Promise.all([watch.stop(), receiving.stop()]);
      const again = (await this.#sent()) - sentBefore - this.#bytes;
      const { commitIndex } = await cluster.status(leader);
      const states = await Promise.all(cluster.nodes.map((node) => cluster.stateOf(node, commitIndex)));
      return [
        told(
          `${mb(this.#bytes)}, from the start of the new node until it has them`,
          `${seconds.toFixed(1)} s`,
        ),
        atMost('memory of the sending sidecar grew by', watch.growth(leader), GROWTH_BYTES, mb),
        atMost('memory of the receiving sidecar grew by', received, GROWTH_BYTES, mb),
        atMost('the same until its app had all of it', receiving.growth(fresh), GROWTH_BYTES, mb),
        atMost('bytes that came again after two cuts', again, AGAIN_SHARE * this.#bytes, mb),
        atMost(
          'since a follower heard the leader, worst',
          watch.contactMs,
          await this.#electionMs(),
          (ms) => `${Math.round(ms)} ms`,
        ),
        atLeast(
          'snapshots it was given',
          await cluster.metric(fresh, 'outrigger_snapshots_total{outcome="INSTALLED"}'),
          1,
          String,
        ),
        holds('all four apps have the same state', new Set(states).size === 1),
      ];
    } finally {
      await network.close();
    }
  }

  async #cut(
    { at, what }: (typeof CUTS)[number],
    fresh: LongNode,
    network: PeerNetwork,
    ...watches: readonly Watch[]
  ): Promise<void> {
    const cluster = this.#cluster;
    const have = (): number => bytesIn(join(fresh.dir, 'snapshots'), /\.part$/);
    await cluster.until(`n4 has ${at} of it`, async () => have() >= at * this.#bytes, WAIT_MS);
    const before = have();
    for (const watch of watches) watch.judgesContact = false;
    if (what === 'RECEIVER' && fresh.sidecar !== undefined) {
      await cluster.place.stop(fresh.sidecar, 'SIGKILL');
      cluster.startNode(fresh);
      await cluster.until('n4 serves', async () => (await this.#snapshotIndex(fresh)) >= 0);
    } else {
      network.cutOneWay(this.#leader.id, fresh.id, 'refuse');
      await new Promise((done) => setTimeout(done, CUT_MS));
      network.heal();
    }
    await cluster.until(
      'it goes on',
      async () => have() > before || (await this.#snapshotIndex(fresh)) > 0,
      WAIT_MS,
    );
    for (const watch of watches) watch.judgesContact = true;
    this.#progress(`cut at ${mb(before)} (${what.toLowerCase()}): it goes on with ${mb(have())}`);
  }

  /** -1 while it does not answer. */
  async #snapshotIndex(node: LongNode): Promise<number> {
    return (await this.#cluster.status(node).catch(() => undefined))?.snapshotIndex ?? -1;
  }

  #sent(): Promise<number> {
    return this.#cluster.metric(this.#leader, 'outrigger_snapshot_transfer_bytes_total{direction="SENT"}');
  }

  async #electionMs(): Promise<number> {
    return (await this.#cluster.status(this.#leader)).timing.electionMinMs;
  }
}
