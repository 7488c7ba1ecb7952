/** Commands that set the stage: nodes and their disks, crashes, partitions. */
import { ORIGIN } from '../../shared/entry.ts';
import { describeNode } from '../../sidecar/raft/describe.ts';
import { NOBODY } from '../../sidecar/raft/quorum.ts';
import type { LeaseConfig } from '../../sidecar/raft/types.ts';
import { type Args, live, nodeId, nodesOf, toNumber } from './args.ts';
import type { Cluster } from './cluster.ts';
import { entriesOfTerms, type ScriptNode } from './node.ts';
import { ScriptError } from './script.ts';

export function addNodes(cluster: Cluster, args: Args): void {
  const count = args.number();
  const voterCount = args.numberOption('voters') ?? count;
  // Nodes that are no members, and know of none.
  const spares = args.numberOption('spares') ?? 0;
  const ids = Array.from({ length: count + spares }, (_, i) => `n${i + 1}`);
  const membership = {
    voters: ids.slice(0, voterCount),
    outgoing: [],
    learners: ids.slice(voterCount, count),
  };
  const settings = {
    group: '',
    membership,
    electionMinMs: 150,
    electionMaxMs: 300,
    heartbeatMs: 50,
    handOverMs: args.numberOption('hand-over') ?? 1_000,
    preVote: args.option('pre-vote') !== 'off',
    checkQuorum: args.option('check-quorum') !== 'off',
    appendBytes: args.numberOption('append-bytes') ?? 1_000_000,
    appendEntries: args.numberOption('append-entries') ?? 1_000,
    inflightAppends: args.numberOption('inflight') ?? 4,
    inflightBytes: args.numberOption('inflight-bytes') ?? 1_000_000,
    uncommittedBytes: args.numberOption('uncommitted-bytes') ?? 1_000_000,
    tailBytes: args.numberOption('tail-bytes') ?? 1_000_000,
    random: () => 0,
    lease: leaseOption(args),
  };
  const disk = diskOptions(args);
  ids.forEach((id, i) => {
    // Different, so that elections are decided by the script and not by a tie.
    const own = i < count ? settings : { ...settings, membership: NOBODY };
    const node = cluster.addNode({ ...own, id }, Math.min(150 + 25 * i, 299));
    giveDisk(cluster, node, disk);
  });
}

/** `lease=20`: reads by lease, with a clock bound of 20 %. */
function leaseOption(args: Args): LeaseConfig | undefined {
  const percent = args.numberOption('lease');
  return percent === undefined ? undefined : { clockBound: percent / 100 };
}

interface GivenDisk {
  readonly terms: readonly number[];
  readonly term: number | undefined;
  readonly vote: string;
  readonly mustReach: number | undefined;
  readonly tail: number | undefined;
}

/** `1 1 2*3` means 1 1 2 2 2. */
export function termsOf(words: string | undefined): number[] {
  const terms: number[] = [];
  for (const word of words?.split(/\s+/) ?? []) {
    if (word === '') continue;
    const [term = '', count = '1'] = word.split('*');
    for (let left = toNumber(count); left > 0; left--) terms.push(toNumber(term));
  }
  return terms;
}

export function diskOptions(args: Args): GivenDisk {
  const vote = args.option('vote');
  return {
    terms: termsOf(args.option('log')),
    term: args.numberOption('term'),
    vote: vote === undefined ? '' : nodeId(vote),
    mustReach: args.numberOption('must-reach'),
    tail: args.numberOption('tail'),
  };
}

export function giveDisk(cluster: Cluster, node: ScriptNode, disk: GivenDisk): void {
  node.stored = entriesOfTerms(disk.terms);
  node.hardState = { term: disk.term ?? disk.terms.at(-1) ?? 0, vote: disk.vote };
  cluster.start(node, disk.mustReach, disk.tail);
}

export function partition(cluster: Cluster, args: Args): void {
  cluster.islands = args
    .word()
    .split('|')
    .map((island) => new Set(nodesOf(cluster, island).map((node) => node.id)));
}

export function crash(cluster: Cluster, args: Args): void {
  const node = cluster.node(nodeId(args.word()));
  const keep = args.words.shift() ?? 'lose-unsynced';
  if (keep !== 'keep-unsynced' && keep !== 'lose-unsynced') throw new ScriptError(`crash … ${keep}?`);
  live(node);
  node.crash(keep === 'keep-unsynced');
  cluster.print(
    `${node.id} is down; its disk has term=${node.hardState.term} vote=${node.hardState.vote || 'none'} log=${logEnd(node)}`,
  );
}

function logEnd(node: ScriptNode): string {
  const last = node.stored.at(-1);
  return `${last?.index ?? 0}@${last?.term ?? 0}`;
}

export function restart(cluster: Cluster, args: Args): void {
  const node = cluster.node(nodeId(args.word()));
  if (node.raft !== undefined) throw new ScriptError(`${node.id} is running`);
  cluster.start(node, args.numberOption('must-reach'), args.numberOption('tail'));
  cluster.print(describeNode(live(node)));
}

/** The disk loses, without a word, what it had confirmed after an index. */
export function forget(cluster: Cluster, args: Args): void {
  const node = cluster.node(nodeId(args.word()));
  if (node.raft !== undefined) throw new ScriptError(`${node.id} is running`);
  node.stored.length = Math.min(node.stored.length, args.numberOption('after') ?? 0);
  if (node.stored.length < node.base.index) node.base = ORIGIN;
  node.log = [...node.stored];
  node.forgetful = true;
  cluster.print(`${node.id}: its disk has log=${logEnd(node)} now`);
}

/** It comes again under its name with an empty disk, and joins. The membership names disks as `n3-2`: its second one. */
export function wipe(cluster: Cluster, args: Args): void {
  const node = cluster.node(nodeId(args.word()));
  if (node.raft !== undefined) throw new ScriptError(`${node.id} is running`);
  node.wipe();
  cluster.print(`${node.id} has the empty disk ${node.config.disk}`);
}

/** The snapshot that it was told to fetch last has come, and is on its disk. */
export function installSnapshot(cluster: Cluster, args: Args): void {
  const node = cluster.node(nodeId(args.word()));
  const { wanted } = node;
  if (wanted === undefined) throw new ScriptError(`${node.id} was offered no snapshot`);
  const from = cluster.node(wanted.from);
  const config = from.configAt(wanted.index);
  const point = { ...from.pointAt(wanted.index), config };
  node.snapshots = [...node.snapshots.filter(({ index }) => index < point.index), point];
  cluster.print(`${node.id} has the snapshot ${point.index}@${point.term} of ${wanted.from}`);
  cluster.step(node, { type: 'install', point });
}
