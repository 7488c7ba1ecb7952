/** The words of the transcript language, one handler each. */
import { CAUSES } from '../../shared/causes.ts';
import { EntryKind } from '../../shared/entry.ts';
import {
  describeEntry,
  describeMembership,
  describeNode,
  describeProgress,
} from '../../sidecar/raft/describe.ts';
import { Args, live, nodeId, nodesOf, restOfNodes, toNumber } from './args.ts';
import type { Cluster } from './cluster.ts';
import { inject, printMessages, selected, stabilize } from './messages.ts';
import { ScriptError } from './script.ts';
import {
  addNodes,
  crash,
  diskOptions,
  forget,
  giveDisk,
  installSnapshot,
  partition,
  restart,
  wipe,
} from './stage.ts';

// -- inputs

function propose(cluster: Cluster, args: Args): void {
  const node = cluster.node(nodeId(args.word()));
  const commands = args.words.splice(0);
  if (commands.length === 0) throw new ScriptError('propose what?');
  const entries = commands.map((command) => ({
    kind: EntryKind.COMMAND,
    command: new TextEncoder().encode(command),
    session: 0,
    sequence: 0,
  }));
  cluster.step(node, { type: 'propose', ref: ++cluster.proposals, entries });
}

function stepDown(cluster: Cluster, args: Args): void {
  const node = cluster.node(nodeId(args.word()));
  const word = args.word();
  const cause = CAUSES.find((known) => known === word);
  if (cause === undefined) throw new ScriptError(`${word} is no cause`);
  cluster.step(node, { type: 'stepDown', cause });
}

// -- views

function printLog(cluster: Cluster, args: Args): void {
  for (const node of restOfNodes(cluster, args)) {
    const commit = node.raft?.commitIndex ?? 0;
    const committed = node.log.slice(0, commit).map(describeEntry);
    const open = node.log.slice(commit).map(describeEntry);
    cluster.print(`${node.id}: ${[...committed, '|', ...open].join('  ')}`);
  }
}

function printTimes(cluster: Cluster, args: Args): void {
  for (const node of restOfNodes(cluster, args)) {
    cluster.print(
      `${node.id}: ${node.log.map((entry) => `${entry.index}@${entry.term} ${entry.time} ms`).join('  ')}`,
    );
  }
}

function printStatus(cluster: Cluster, args: Args): void {
  for (const node of restOfNodes(cluster, args)) {
    cluster.print(node.raft === undefined ? `${node.id} is down` : describeNode(node.raft));
  }
}

function disk(cluster: Cluster, args: Args): void {
  for (const node of nodesOf(cluster, args.word())) {
    const mode = args.words[0];
    if (mode !== 'auto' && mode !== 'manual') throw new ScriptError('disk … auto or manual?');
    node.autoDisk = mode === 'auto';
    while (node.autoDisk && node.jobs.length > 0) cluster.finishDiskJob(node);
  }
  args.word();
}

function quietly(cluster: Cluster, words: readonly string[]): void {
  const before = cluster.takeLines();
  runCommand(cluster, words);
  cluster.takeLines();
  for (const line of before) cluster.print(line);
}

function elect(cluster: Cluster, args: Args): void {
  const id = nodeId(args.word());
  runQuietly(cluster, ['campaign', id], ['stabilize']);
  cluster.print(describeNode(live(cluster.node(id))));
}

function runQuietly(cluster: Cluster, ...lines: string[][]): void {
  for (const line of lines) quietly(cluster, line);
}

/** `1,2` → n1 and n2. */
function idsOf(words: string | undefined): string[] {
  return words === undefined ? [] : words.split(',').map(nodeId);
}

type Handler = (cluster: Cluster, args: Args) => void;

const HANDLERS: Readonly<Record<string, Handler>> = {
  'add-nodes': addNodes,
  /** `given 2 log="1 1 2" term=3 vote=1`: that node starts from such a disk instead. */
  given: (cluster, args) => giveDisk(cluster, cluster.node(nodeId(args.word())), diskOptions(args)),
  'election-timeout': (cluster, args) => {
    cluster.node(nodeId(args.word())).electionMs = args.number();
  },
  clock: (cluster, args) => {
    const node = cluster.node(nodeId(args.word()));
    node.skew = args.numberOption('skew') ?? node.skew;
    node.rate = (args.numberOption('rate') ?? node.rate * 100) / 100;
  },
  partition,
  /** That node alone on one side. */
  isolate: (cluster, args) => {
    const alone = nodeId(args.word());
    const others = [...cluster.nodes.keys()].filter((id) => id !== alone);
    cluster.islands = [new Set([alone]), new Set(others)];
  },
  heal: (cluster) => {
    cluster.islands = [];
  },
  crash,
  restart,
  forget,
  disk,
  'disk-done': (cluster, args) => {
    const node = cluster.node(nodeId(args.word()));
    const count = args.words.shift() ?? '1';
    if (count === 'together') cluster.finishWritesTogether(node);
    else for (let left = toNumber(count); left > 0; left--) cluster.finishDiskJob(node);
  },
  campaign: (cluster, args) => cluster.step(cluster.node(nodeId(args.word())), { type: 'campaign' }),
  elect,
  propose,
  read: (cluster, args) => {
    const node = cluster.node(nodeId(args.word()));
    cluster.step(node, { type: 'read', ref: toNumber(args.word().replace(/^r/, '')) });
  },
  /** `fit 2 no`: that node should not lead from now on. */
  fit: (cluster, args) => {
    const node = cluster.node(nodeId(args.word()));
    const word = args.word();
    if (word !== 'yes' && word !== 'no') throw new ScriptError(`fit … ${word}?`);
    cluster.step(node, { type: 'fitness', fit: word === 'yes' });
  },
  'lease-read': (cluster, args) => {
    const node = cluster.node(nodeId(args.word()));
    cluster.step(node, { type: 'leaseRead', ref: toNumber(args.word().replace(/^r/, '')) });
  },
  /** The leader tells a follower how far its own disk is. */
  tell: (cluster, args) => {
    const node = cluster.node(nodeId(args.word()));
    cluster.step(node, { type: 'tellDurable', to: nodeId(args.word()) });
  },
  transfer: (cluster, args) => {
    const node = cluster.node(nodeId(args.word()));
    const to = args.words.shift();
    cluster.step(node, { type: 'transfer', to: to === undefined ? '' : nodeId(to) });
  },
  /** `snapshot 1` or `snapshot 1 4`: that node has one of everything committed, or of everything up to entry 4. */
  snapshot: (cluster, args) => {
    const node = cluster.node(nodeId(args.word()));
    const index = toNumber(args.words.shift() ?? String(live(node).commitIndex));
    node.snapshots.push(node.pointAt(index));
    cluster.step(node, { type: 'snapshots', points: [...node.snapshots] });
  },
  /** `compact 1 4`: that node drops its entries up to 4. */
  compact: (cluster, args) => {
    const node = cluster.node(nodeId(args.word()));
    cluster.step(node, { type: 'compact', point: node.pointAt(args.number()) });
  },
  wipe,
  /** `change 1 voters=1,2,4 learners=3 priority=4:10 disk=3:2`: that node is asked for another membership. */
  change: (cluster, args) => {
    const node = cluster.node(nodeId(args.word()));
    const voters = idsOf(args.option('voters'));
    const learners = idsOf(args.option('learners'));
    const [preferred, priority = ''] = args.option('priority')?.split(':') ?? [];
    const disks =
      args
        .option('disk')
        ?.split(',')
        .map((disk) => disk.split(':')) ?? [];
    const book = [
      ...(preferred === undefined ? [] : [{ id: `n${preferred}`, priority: toNumber(priority) }]),
      ...disks.map(([of, disk]) => ({ id: `n${of}`, disk: `n${of}-${disk}` })),
    ].map((member) => ({ ...member, peer: '127.0.0.1:1' }));
    const membership = { voters, outgoing: [], learners, ...(book.length > 0 ? { book } : {}) };
    cluster.step(node, { type: 'changeMembership', ref: ++cluster.changes, membership });
  },
  members: (cluster, args) => {
    for (const node of restOfNodes(cluster, args))
      cluster.print(`${node.id} counts by ${describeMembership(live(node).membership)}`);
  },
  install: installSnapshot,
  'step-down': stepDown,
  tick: (cluster, args) => cluster.tick(nodesOf(cluster, args.word()), args.number()),
  /** The node did not run for so long, and has not ticked yet: messages may come first. */
  pause: (cluster, args) => {
    cluster.node(nodeId(args.word())).now += args.number();
  },
  /** The machine slept for so long: only the wall clock went on. */
  suspend: (cluster, args) => {
    cluster.node(nodeId(args.word())).skew += args.number();
  },
  stall: (cluster, args) => cluster.stall(cluster.node(nodeId(args.word())), args.number()),
  /** Time passes everywhere and every message arrives within a slice of it. */
  run: (cluster, args) =>
    cluster.tick(nodesOf(cluster, 'all'), args.number(), () => cluster.stabilize(() => true)),
  deliver: (cluster, args) => {
    for (const message of selected(cluster, args)) cluster.deliver(message);
  },
  stabilize,
  inject,
  drop: (cluster, args) => printMessages(cluster, selected(cluster, args), 'dropped'),
  duplicate: (cluster, args) => {
    const messages = selected(cluster, args);
    cluster.wire.push(...messages, ...messages);
    printMessages(cluster, messages, 'twice');
  },
  hold: (cluster, args) => {
    const messages = selected(cluster, args);
    cluster.held.push(...messages);
    printMessages(cluster, messages, 'held');
  },
  /** Back to the end of the wire. */
  release: (cluster) => {
    printMessages(cluster, cluster.held, 'released');
    cluster.wire.push(...cluster.held.splice(0));
  },
  wire: (cluster) => printMessages(cluster, cluster.wire, 'on the wire'),
  status: printStatus,
  log: printLog,
  times: printTimes,
  progress: (cluster, args) => {
    const raft = live(cluster.node(nodeId(args.word())));
    for (const p of raft.progress()) cluster.print(`${raft.id} sees ${describeProgress(p)}`);
  },
};

/** Runs one command line. Throws ScriptError for a script's mistake, anything else for a broken core. */
export function runCommand(cluster: Cluster, words: readonly string[]): void {
  const [name = '', ...rest] = words;
  // Its options are those of the command that it runs.
  if (name === 'quietly') return quietly(cluster, rest);
  const handler = HANDLERS[name];
  if (handler === undefined) throw new ScriptError(`no command is called ${name}`);
  const args = new Args(rest);
  handler(cluster, args);
  args.end();
}
