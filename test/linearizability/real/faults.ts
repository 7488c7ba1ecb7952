/**
 * What is done to a cluster while clients work on it.
 *
 * MUST: be undone completely, whatever happens meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Prng } from '../../simulation/prng.ts';
import type { KvCluster, Member } from './kv-cluster.ts';

export const FAULTS = [
  'kill leader',
  'kill follower',
  'stop leader',
  'stop follower',
  'cut leader off',
  'cut follower off',
  'leader unheard',
  'leader deaf',
  'cut one pair',
  'slow links',
  'kill app of leader',
  'kill app of follower',
] as const;
export type Fault = (typeof FAULTS)[number];

/** A slow link keeps each piece back for up to so long: answers of different nodes overtake each other. */
const SLOW_MS = 40;

/** One fault, by time since the clients began. */
export interface PlannedFault {
  readonly fault: Fault;
  readonly fromMs: number;
  readonly forMs: number;
}

/** Two of `faults` one after the other; a third of the time the second one begins before the first one is over. */
export function planFaults(
  random: Prng,
  durationMs: number,
  faults: readonly Fault[] = FAULTS,
): PlannedFault[] {
  const first = { fault: random.pick(faults), fromMs: 500, forMs: random.between(500, 1_200) };
  const overlap = random.chance(1 / 3);
  const fromMs = overlap ? first.fromMs + first.forMs / 2 : first.fromMs + first.forMs + 400;
  const forMs = Math.min(random.between(500, 1_200), Math.max(300, durationMs - fromMs - 200));
  return [first, { fault: random.pick(faults), fromMs, forMs }];
}

type Undo = () => Promise<void> | void;

/** Does `planned` to the cluster, and undoes all of it. Resolves with those that had something to strike. */
export async function inflict(
  cluster: KvCluster,
  planned: readonly PlannedFault[],
  random: Prng,
): Promise<Fault[]> {
  const down = new Set<string>();
  const struck: Fault[] = [];
  const one = async ({ fault, fromMs, forMs }: PlannedFault): Promise<void> => {
    await sleep(fromMs);
    const undo = await strike(cluster, fault, down, random);
    if (undo === undefined) return;
    struck.push(fault);
    await sleep(forMs);
    await undo();
  };
  try {
    const results = await Promise.allSettled(planned.map(one));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  } finally {
    cluster.network.heal();
  }
  return struck;
}

/** Undefined where there is nobody to do it to. `down` are nodes that are killed or stopped, or whose app is. */
async function strike(
  cluster: KvCluster,
  fault: Fault,
  down: Set<string>,
  random: Prng,
): Promise<Undo | undefined> {
  const leader = await cluster.leader();
  const standing = cluster.members.filter(({ id }) => !down.has(id));
  const followers = standing.filter((member) => member !== leader);
  const wanted = fault.includes('leader') ? standing.filter((member) => member === leader) : followers;
  if (wanted.length === 0) return undefined;
  const target = random.pick(wanted);
  switch (fault) {
    case 'kill leader':
    case 'kill follower':
      return killed(cluster, target, down);
    case 'stop leader':
    case 'stop follower':
      return stopped(cluster, target, down);
    case 'kill app of leader':
    case 'kill app of follower':
      return killedApp(cluster, target, down);
    case 'slow links':
      cluster.network.delay(() => random.between(0, SLOW_MS));
      // Not off: what is kept back must not be overtaken on its own link.
      return () => cluster.network.delay(() => 0);
    default:
      return cut(cluster, fault, target, random);
  }
}

async function killed(cluster: KvCluster, target: Member, down: Set<string>): Promise<Undo> {
  down.add(target.id);
  await cluster.killSidecar(target);
  return async () => {
    await cluster.startSidecar(target);
    down.delete(target.id);
  };
}

async function killedApp(cluster: KvCluster, target: Member, down: Set<string>): Promise<Undo> {
  down.add(target.id);
  await cluster.killApp(target);
  return async () => {
    // The next app is known only when its sidecar is there to know it.
    await cluster.startApp(target);
    down.delete(target.id);
  };
}

function stopped(cluster: KvCluster, target: Member, down: Set<string>): Undo {
  down.add(target.id);
  cluster.signalSidecar(target, 'SIGSTOP');
  return () => {
    cluster.signalSidecar(target, 'SIGCONT');
    down.delete(target.id);
  };
}

type Cut = Extract<
  Fault,
  'cut leader off' | 'cut follower off' | 'leader unheard' | 'leader deaf' | 'cut one pair'
>;

function cut(cluster: KvCluster, fault: Cut, target: Member, random: Prng): Undo | undefined {
  const { network, members } = cluster;
  const others = members.filter(({ id }) => id !== target.id);
  if (others.length === 0) return undefined;
  const how = random.pick(['hang', 'refuse'] as const);
  if (fault === 'cut leader off' || fault === 'cut follower off') network.cutOff(target.id, how);
  if (fault === 'cut one pair') network.cut(target.id, random.pick(others).id, how);
  if (fault === 'leader unheard') for (const { id } of others) network.cutOneWay(target.id, id, how);
  if (fault === 'leader deaf') for (const { id } of others) network.cutOneWay(id, target.id, how);
  return () => network.heal();
}
