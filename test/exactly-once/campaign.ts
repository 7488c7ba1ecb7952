/**
 * Clients that count, and everything that can die under them: leaders, followers, apps, links in one direction.
 *
 * MUST: judge from the counters themselves, and only when every node has them alike.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppClient } from '../support/app-client.ts';
import { RetryingClient } from './retrying-client.ts';
import { Stage } from './stage.ts';

export interface CampaignOptions {
  readonly kills: number;
  readonly clients: number;
  readonly sessions: boolean;
  readonly random: () => number;
  readonly progress: (line: string) => void;
}

export interface Verdict {
  readonly commands: number;
  readonly tries: number;
  readonly indefinite: number;
  readonly duplicates: number;
  readonly resultsLost: number;
  /** Increments that happened and were never asked for, in all. */
  readonly surplus: number;
  /** Acknowledged increments that did not happen. */
  readonly missing: number;
  /** What the app saw: commands again, and commands out of order. */
  readonly repeats: number;
  readonly gaps: number;
  readonly problems: readonly string[];
}

const KEYS = ['a', 'b', 'c', 'd'];

interface Counters {
  readonly counters: Record<string, number>;
  readonly repeats: number;
  readonly gaps: number;
  readonly digest: string;
}

export async function campaign(options: CampaignOptions): Promise<Verdict> {
  const stage = await Stage.open(['n2']);
  try {
    const sockets = stage.ids.map((id) => stage.socketOf(id));
    const clients = Array.from(
      { length: options.clients },
      (_, at) => new RetryingClient({ name: `c${at}`, sockets, keys: KEYS, ...options }),
    );
    const running = Promise.all(clients.map((client) => client.run()));
    // What a client throws ends the campaign at once.
    await Promise.race([running, faults(stage, options, clients)]);
    for (const client of clients) client.stop();
    await running;
    await stage.allReady();
    return await judge(stage, clients);
  } finally {
    await stage.close();
  }
}

async function faults(
  stage: Stage,
  { kills, random, progress }: CampaignOptions,
  clients: readonly RetryingClient[],
): Promise<void> {
  const pick = (ids: readonly string[]): string => ids[Math.floor(random() * ids.length)] ?? '';
  const done = (): number => clients.reduce((sum, { counts }) => sum + counts.commands, 0);
  for (let kill = 1; kill <= kills; kill++) {
    const before = done();
    // Half of the kills hit a cluster at its full speed, the others one that has not recovered from the last.
    if (kill % 2 === 0) await stage.allConnected();
    const leader = await stage.leader();
    const others = stage.ids.filter((id) => id !== leader);
    if (kill % 3 === 0) stage.daemons.network.cutOneWay(leader, pick(others));
    if (kill % 4 === 0) await stage.killApp(pick(stage.ids));
    await stage.killSidecar(leader);
    if (kill % 5 === 0) await stage.killApp(leader);
    stage.daemons.network.heal();
    await stage.leader(leader);
    await stage.startSidecar(leader);
    // Some cuts with nobody killed: what the leader says does not arrive, what it hears does.
    const next = await stage.leader();
    const far = stage.ids.find((id) => id !== next && id !== leader) ?? '';
    stage.daemons.network.cutOneWay(next, far);
    await sleep(50 + random() * 400);
    stage.daemons.network.heal();
    while (done() < before + clients.length) await sleep(5);
    progress(`${kill} of ${kills} leaders killed, ${done()} commands`);
  }
}

async function judge(stage: Stage, clients: readonly RetryingClient[]): Promise<Verdict> {
  const copies = await Promise.all(stage.ids.map((id) => readCounters(stage.socketOf(id))));
  const problems = clients.flatMap((client) => client.counts.problems);
  if (new Set(copies.map(({ digest }) => digest)).size !== 1)
    problems.push('the nodes have different counters');
  const [copy] = copies as [Counters];
  let surplus = 0;
  let missing = 0;
  for (const key of KEYS) {
    const asked = clients.reduce((sum, client) => sum + (client.acknowledged.get(key) ?? 0), 0);
    const counted = copy.counters[key] ?? 0;
    surplus += Math.max(0, counted - asked);
    missing += Math.max(0, asked - counted);
  }
  const sum = (count: 'commands' | 'tries' | 'indefinite' | 'duplicates' | 'resultsLost'): number =>
    clients.reduce((total, { counts }) => total + counts[count], 0);
  return {
    commands: sum('commands'),
    tries: sum('tries'),
    indefinite: sum('indefinite'),
    duplicates: sum('duplicates'),
    resultsLost: sum('resultsLost'),
    surplus,
    missing,
    repeats: copy.repeats,
    gaps: copy.gaps,
    problems,
  };
}

/** What the app beside that sidecar has counted, read through the log. */
async function readCounters(socket: string): Promise<Counters> {
  const client = await AppClient.greet(socket, 'json');
  client.send({ type: 'propose', id: 1, command: Buffer.from('{"read":true}') });
  const { result } = await client.next('proposed');
  await client.close();
  return JSON.parse(Buffer.from(result ?? []).toString()) as Counters;
}
