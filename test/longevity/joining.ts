/**
 * What it costs a cluster under load that a node joins by snapshot: its throughput from the start of that node's process until it
 * votes, beside its throughput in the seconds before.
 *
 * Where people run them, nodes are machines of their own. Here all share the processors of one machine, and a process that starts takes
 * its part of them whatever it does. So a node that joins has a processor to itself, and everything else keeps to the others, already
 * before: what is judged is what the cluster itself pays, most of it on its leader. What it looks like where all share all
 * processors is told as well; it has no limit.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { BenchError, type Child, cpuMicros } from '../bench/processes.ts';
import type { LongCluster, LongNode } from './cluster.ts';
import { atLeast, type Figure, holds, perSecond, told } from './report.ts';

export interface JoinOptions {
  readonly clients: number;
  readonly keys: number;
  readonly valueBytes: number;
  /** So many nodes join one after another, each removed again: what one meets in its seconds is chance. */
  readonly joins: number;
  /** Throughput is measured for so long before each. */
  readonly windowMs: number;
  readonly progress: (line: string) => void;
}

/** What was committed in some time, and the processor time of the leader meanwhile. */
export interface Span {
  readonly commits: number;
  readonly ms: number;
  readonly leaderMicros: number;
}

export interface Join {
  readonly before: Span;
  readonly during: Span;
}

interface Load {
  readonly name: string;
  /** Commands a second; 0: as many as can be. */
  readonly pace: number;
  readonly joins: number;
  /** The processors of nodes that join and of all else; undefined: all share all, and nothing is judged. */
  readonly apart: Processors | undefined;
}

interface Processors {
  readonly fresh: string;
  readonly others: string;
}

const SETTLE_MS = 15_000;
const FOR_EVER_MS = 3_600_000;
/** While nodes join, at least this share of the throughput before. */
const SHARE = 0.9;

/** One for a node that joins, the rest for all else. Throws BenchError where that cannot be. */
export function processors(): Processors {
  const last = availableParallelism() - 1;
  if (last < 1 || spawnSync('taskset', ['--version']).status !== 0)
    throw new BenchError(
      'a node that joins needs a processor of its own: two of them, and taskset (util-linux)',
    );
  return { fresh: String(last), others: last === 1 ? '0' : `0-${last - 1}` };
}

/** At full load, all on all processors and each node apart; then, apart, at half of that load. */
export async function joins(cluster: LongCluster, options: JoinOptions): Promise<Figure[]> {
  const shared = { name: 'full load, shared processors', pace: 0, joins: 1, apart: undefined };
  const full = { name: 'full load', pace: 0, joins: options.joins, apart: processors() };
  const figures = [...(await underLoad(cluster, options, shared)).figures];
  const { before, figures: more } = await underLoad(cluster, options, full);
  const half = {
    ...full,
    name: 'half load',
    pace: Math.round(before / 2),
    joins: Math.ceil(options.joins / 2),
  };
  return [...figures, ...more, ...(await underLoad(cluster, options, half)).figures];
}

async function underLoad(
  cluster: LongCluster,
  options: JoinOptions,
  load: Load,
): Promise<{ figures: Figure[]; before: number }> {
  const { clients, keys, valueBytes, progress } = options;
  const leader = await cluster.leader();
  const old = [...cluster.nodes];
  const plan = { clients, keys, valueBytes, measureMs: FOR_EVER_MS, operations: 0, perSecond: load.pace };
  const { child } = cluster.load(plan);
  if (load.apart !== undefined) await cluster.keepTo(load.apart.others, child);
  await pause(SETTLE_MS);
  const elections = await electionsOf(cluster, old);
  const { term } = await cluster.status(leader);

  const seen: Join[] = [];
  let snapshots = 0;
  let fresh: LongNode | undefined;
  for (let count = 1; count <= load.joins; count++) {
    if (fresh !== undefined) await cluster.remove(leader, fresh);
    const before = await span(cluster, leader, () => pause(options.windowMs));
    fresh = await cluster.layOut();
    const during = await join(cluster, leader, fresh, load.apart?.fresh);
    seen.push({ before, during });
    snapshots += Math.min(1, await cluster.metric(fresh, 'outrigger_snapshots_total{outcome="INSTALLED"}'));
    progress(`${load.name}, ${fresh.id}: ${joinText({ before, during })}`);
  }
  const now = await cluster.status(leader);
  const moreElections = (await electionsOf(cluster, old)) - elections;
  await stopLoad(child);
  const states = await Promise.all(cluster.nodes.map((node) => cluster.stateOf(node, now.commitIndex)));
  if (fresh !== undefined) await cluster.remove(leader, fresh);
  const quiet = moreElections === 0 && now.term === term && now.role === 'LEADER';
  const figures = [
    ...joinFigures(load.name, seen, load.apart !== undefined),
    holds(`${load.name}: each was given a snapshot`, snapshots === load.joins),
    holds(`${load.name}: no election, the same leader and term`, quiet, `${moreElections} elections`),
    holds(`${load.name}: all apps have the same state`, new Set(states).size === 1),
  ];
  return { figures, before: rate(sum(seen.map(({ before }) => before))) };
}

/** From the start of its process until it says that it votes. (The leader is not asked: answering costs it.) */
async function join(cluster: LongCluster, leader: LongNode, fresh: LongNode, cores?: string): Promise<Span> {
  fresh.args = [...fresh.args, '--join', `http://${leader.http}`];
  return await span(cluster, leader, async () => {
    cluster.startNode(fresh, cores);
    await cluster.until(`${fresh.id} votes`, async () => {
      const status = await cluster.statusIfAny(fresh);
      return status?.membership.voters.includes(fresh.id) === true;
    });
  });
}

async function span(cluster: LongCluster, leader: LongNode, work: () => Promise<void>): Promise<Span> {
  const { commitIndex } = await cluster.status(leader);
  const micros = leaderMicros(leader);
  const from = performance.now();
  await Promise.race([cluster.place.broken, work()]);
  const ms = performance.now() - from;
  const leaderMore = leaderMicros(leader) - micros;
  return { commits: (await cluster.status(leader)).commitIndex - commitIndex, ms, leaderMicros: leaderMore };
}

function leaderMicros({ sidecar }: LongNode): number {
  return sidecar === undefined ? Number.NaN : (cpuMicros(sidecar.pid) ?? Number.NaN);
}

export function joinFigures(name: string, seen: readonly Join[], judged: boolean): Figure[] {
  const before = sum(seen.map((join) => join.before));
  const during = sum(seen.map((join) => join.during));
  const what = `${name}: throughput while ${seen.length === 1 ? 'a node joins' : `${seen.length} nodes join`}`;
  const worst = seen.reduce((a, b) => (kept(b) < kept(a) ? b : a));
  return [
    told(`${name}: throughput before`, perSecond(rate(before))),
    judged
      ? atLeast(what, rate(during), SHARE * rate(before), perSecond)
      : told(what, `${perSecond(rate(during))}, ${percent(rate(during) / rate(before) - 1)}`),
    ...(seen.length === 1 ? [] : [told(`${name}: the worst of them`, joinText(worst))]),
    told(
      `${name}: the leader's processor time for a command, before and while`,
      `${micros(before)}, ${micros(during)}`,
    ),
    told(
      `${name}: from the start of a node until it votes`,
      `${(during.ms / seen.length / 1_000).toFixed(1)} s`,
    ),
  ];
}

function joinText({ before, during }: Join): string {
  const took = `${(during.ms / 1_000).toFixed(1)} s`;
  return `${perSecond(rate(before))} before, ${perSecond(rate(during))} for ${took}`;
}

const kept = ({ before, during }: Join): number => rate(during) / rate(before);
const rate = ({ commits, ms }: Span): number => (commits * 1_000) / ms;
const micros = ({ leaderMicros, commits }: Span): string => `${(leaderMicros / commits).toFixed(1)} µs`;
const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

function sum(spans: readonly Span[]): Span {
  return spans.reduce(
    (a, b) => ({
      commits: a.commits + b.commits,
      ms: a.ms + b.ms,
      leaderMicros: a.leaderMicros + b.leaderMicros,
    }),
    { commits: 0, ms: 0, leaderMicros: 0 },
  );
}

async function stopLoad(child: Child): Promise<void> {
  child.process.kill('SIGKILL');
  await child.ended;
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function electionsOf(cluster: LongCluster, nodes: readonly LongNode[]): Promise<number> {
  const counts = await Promise.all(
    nodes.map((node) => cluster.metric(node, 'outrigger_elections_started_total')),
  );
  return counts.reduce((all, count) => all + count, 0);
}
