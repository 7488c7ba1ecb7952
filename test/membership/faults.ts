/**
 * What befalls a cluster while its membership changes.
 *
 * MUST: strike fewer voters than would leave no quorum; be undone completely.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Prng } from '../simulation/prng.ts';
import { until } from '../support/patience.ts';
import type { Fleet } from './fleet.ts';

export const FAULTS = [
  'none',
  'kill leader',
  'kill follower',
  'stop leader',
  'stop follower',
  'deaf leader',
  'deaf follower',
  'kill newcomer',
  'stop newcomer',
  'deaf newcomer',
  'app of leader gone',
] as const;
export type Fault = (typeof FAULTS)[number];

/** Those that need no voter: for steps in which one is down already. */
export const GENTLE: readonly Fault[] = ['none', 'kill newcomer', 'stop newcomer', 'deaf newcomer'];

export interface Strike {
  readonly fault: Fault;
  readonly afterMs: number;
  readonly forMs: number;
}

export function planStrike(random: Prng, faults: readonly Fault[]): Strike {
  return { fault: random.pick(faults), afterMs: random.int(1_500), forMs: random.between(300, 1_200) };
}

/** Does it, and undoes it. Resolves with what was struck, undefined where there was nothing. */
export async function inflict(
  fleet: Fleet,
  { fault, afterMs, forMs }: Strike,
  newcomer: string | undefined,
  random: Prng,
): Promise<Fault | undefined> {
  if (fault.endsWith('newcomer')) {
    if (newcomer === undefined) return undefined;
    await until(`${newcomer} is there`, () => fleet.nodes.some(({ id }) => id === newcomer));
  }
  await sleep(afterMs);
  if (fault === 'none') return fault;
  const leader = await fleet.leader();
  const followers = fleet.nodes.map(({ id }) => id).filter((id) => id !== leader && id !== newcomer);
  const target = fault.endsWith('newcomer')
    ? newcomer
    : fault.endsWith('follower')
      ? random.pick(followers)
      : leader;
  // It may be about to start, or to be buried.
  if (target === undefined || !fleet.nodes.some(({ id, daemon }) => id === target && daemon.child.running))
    return undefined;
  const undo = await strike(fleet, fault, target);
  await sleep(forMs);
  await undo();
  return fault;
}

async function strike(fleet: Fleet, fault: Fault, id: string): Promise<() => Promise<void> | void> {
  switch (fault.split(' ')[0]) {
    case 'kill':
      await fleet.kill(id);
      return () => fleet.restart(id);
    case 'stop':
      fleet.signal(id, 'SIGSTOP');
      return () => fleet.signal(id, 'SIGCONT');
    case 'deaf':
      fleet.deafen(id);
      return () => fleet.heal();
    default:
      await fleet.node(id).app.close();
      return () => fleet.startApp(id);
  }
}
