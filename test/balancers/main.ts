/**
 * Measures what clients behind a balancer notice: `npm run balancers -- [--kills 20] [--at-least 100000]`.
 *
 * Ends with exit code 1 when a figure misses its limit.
 */
import { parseArgs } from 'node:util';
import { NEWS_WAYS, type NewsWay } from '../../shared/leader-news.ts';
import { readAtLeast } from './at-least.ts';
import { BalancedCluster, DEFAULT_ELECTION_MS } from './cluster.ts';
import { haproxyProgram, type Way } from './haproxy.ts';
import { killLeaders } from './kills.ts';

const { values } = parseArgs({ options: { kills: { type: 'string' }, 'at-least': { type: 'string' } } });

/** The interval of the health check of the leader-only way in the example. */
const CHECK_INTERVAL_MS = 200;
/** What is promised, where something is. */
const LIMIT_MS: Partial<Record<Way, number>> = {
  leader: CHECK_INTERVAL_MS + 3 * DEFAULT_ELECTION_MS.max,
  leader_by_agent: 3 * DEFAULT_ELECTION_MS.max + 100,
  leader_by_news: 3 * DEFAULT_ELECTION_MS.max + 100,
};

async function measureKills(program: string, kills: number, by: NewsWay): Promise<boolean> {
  console.log(`news of leadership by ${by}`);
  const cluster = await BalancedCluster.start(program, { newsBy: by, electionMs: DEFAULT_ELECTION_MS });
  try {
    const report = await killLeaders(cluster, kills, (kill, victim, gaps) => {
      const all = [...gaps].map(([way, ms]) => `${way} ${Math.round(ms)} ms`).join(', ');
      console.log(`kill ${kill} of ${kills}: ${victim}; traffic is back: ${all}`);
    });
    let well = true;
    for (const [way, gaps] of report.gaps) {
      const sorted = [...gaps].sort((a, b) => a - b);
      const at = (share: number): number => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0);
      const limit = LIMIT_MS[way];
      const worst = at(1);
      const verdict = limit === undefined ? '' : `, limit ${limit} ms: ${worst <= limit ? 'kept' : 'MISSED'}`;
      if (limit !== undefined && worst > limit) well = false;
      console.log(`${way}: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, worst ${worst} ms${verdict}`);
      console.log(`  ${[...(report.outcomes.get(way) ?? [])].map(([name, n]) => `${name} ${n}`).join(', ')}`);
    }
    const { commands, duplicates, indefinite, definite } = report.sessions;
    const tries = [...indefinite].map(([name, n]) => `${name} ${n}`).join(', ') || 'none';
    console.log(
      `sessions, any node: ${commands} commands, ${duplicates} duplicates; indefinite: ${tries}; definite errors: ${definite.length}`,
    );
    for (const what of definite.slice(0, 10)) console.log(`  ${what}`);
    return well && definite.length === 0;
  } finally {
    await cluster.end();
  }
}

async function readThroughFaults(program: string, reads: number): Promise<boolean> {
  const cluster = await BalancedCluster.start(program, { newsBy: 'url', electionMs: DEFAULT_ELECTION_MS });
  try {
    const began = performance.now();
    const report = await readAtLeast(cluster, { reads, faults: 1, consistency: 'AT_LEAST' });
    const seconds = Math.round((performance.now() - began) / 1000);
    const { sidecar, app } = report.reads;
    console.log(
      `AT_LEAST: ${sidecar + app} reads (${sidecar} of sidecars, ${app} of apps, ${report.judged} of them with a value that could be judged), ` +
        `${report.writes} writes, ${report.faults} faults, ${seconds} s`,
    );
    console.log(`  errors: ${[...report.errors].map(([name, n]) => `${name} ${n}`).join(', ') || 'none'}`);
    for (const way of ['any', 'app'] as const) {
      const servers = await cluster.haproxy.servers(way);
      console.log(`  ${way}: ${servers.map(({ name, requests }) => `${name} ${requests}`).join(', ')}`);
    }
    console.log(`  went back: ${report.wentBack}`);
    for (const what of report.told) console.log(`  ${what}`);
    return report.wentBack === 0;
  } finally {
    await cluster.end();
  }
}

const program = haproxyProgram();
if (program === undefined) throw new Error('there is nothing to measure without HAProxy');
const { kills, reads } = asked();
let well = true;
for (const by of kills > 0 ? NEWS_WAYS : []) well = (await measureKills(program, kills, by)) && well;
if (reads > 0) well = (await readThroughFaults(program, reads)) && well;
process.exitCode = well ? 0 : 1;

/** 20 kills, where nothing else was asked for. */
function asked(): { kills: number; reads: number } {
  const number = (name: string, text: string | undefined): number => {
    if (text === undefined) return 0;
    if (!/^[1-9]\d{0,8}$/.test(text)) {
      console.error(`--${name} must be a whole number from 1 on, not "${text}"`);
      process.exit(2);
    }
    return Number(text);
  };
  const kills = number('kills', values.kills);
  const reads = number('at-least', values['at-least']);
  return kills + reads === 0 ? { kills: 20, reads: 0 } : { kills, reads };
}
