/**
 * Kills the leader again and again while clients write through HAProxy, by every way of the example at once, and measures
 * for each way how long no write got through.
 */
import type { BalancedCluster } from './cluster.ts';
import type { Way } from './haproxy.ts';
import { Load } from './load.ts';
import { SessionLoad } from './session-load.ts';

/** Ways by which proposals go (the fifth is the app's own HTTP). */
export const PROPOSAL_WAYS = ['any', 'leader', 'leader_by_agent', 'leader_by_news'] as const;
const WRITERS = 2;
const SESSIONS = 4;

export interface KillReport {
  /** From each kill to the first success of a request that began after it, ms. */
  readonly gaps: ReadonlyMap<Way, readonly number[]>;
  /** How requests ended, by way. */
  readonly outcomes: ReadonlyMap<Way, ReadonlyMap<string, number>>;
  /** Clients in sessions, by way of any node. */
  readonly sessions: SessionLoad;
}

/** Resolves when the last victim is back. `said` hears of each kill. */
export async function killLeaders(
  cluster: BalancedCluster,
  kills: number,
  said: (kill: number, victim: string, gaps: ReadonlyMap<Way, number>) => void = () => undefined,
): Promise<KillReport> {
  const sessions = await SessionLoad.begin(cluster.haproxy.url('any'), cluster.token, SESSIONS);
  const loads = new Map(
    PROPOSAL_WAYS.map((way) => [way, new Load(cluster.haproxy.url(way), cluster.token, WRITERS)]),
  );
  const gaps = new Map<Way, number[]>(PROPOSAL_WAYS.map((way) => [way, []]));
  try {
    for (let kill = 1; kill <= kills; kill++) {
      await cluster.settled();
      const victim = await cluster.leader();
      const killed = performance.now();
      const back = [...loads].map(async ([way, load]): Promise<[Way, number]> => {
        return [way, (await load.successAfter(killed)) - killed];
      });
      await cluster.kill(victim);
      const found = new Map(await Promise.all(back));
      for (const [way, ms] of found) gaps.get(way)?.push(ms);
      said(kill, victim, found);
      await cluster.startSidecar(victim);
    }
    await cluster.settled();
  } finally {
    await Promise.all([sessions, ...loads.values()].map((load) => load.stop()));
  }
  return { gaps, outcomes: new Map([...loads].map(([way, load]) => [way, load.outcomes])), sessions };
}
