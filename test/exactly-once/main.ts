/**
 * `npm run exactly-once`: counters under many kills of leaders, with sessions, and then without (which must show
 * duplicates, or the campaign could not fail).
 *
 *   npm run exactly-once -- --kills 100
 *   npm run exactly-once -- --pairs 10000      two commands of a session at the same moment through two nodes
 *
 * Exit code 1 when a counter is not exact, a retry was answered otherwise than its first try, or nothing can be seen.
 */
import { parseArgs } from 'node:util';
import { Prng } from '../simulation/prng.ts';
import { campaign, type Verdict } from './campaign.ts';
import { sendPairs } from './pairs.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    clients: { type: 'string', default: '8' },
    pairs: { type: 'string' },
  },
});
const kills = Number(values.kills);
const clients = Number(values.clients);

const show = process.stderr.isTTY;

function describe(verdict: Verdict): string {
  const { problems, ...counts } = verdict;
  const words = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return [words.join(', '), ...problems.slice(0, 10)].join('\n  ');
}

async function run(sessions: boolean, times: number): Promise<Verdict> {
  const random = new Prng(7, sessions ? 1 : 0);
  const verdict = await campaign({
    kills: times,
    clients,
    sessions,
    random: () => random.float(),
    progress: (line) => process.stderr.write(show ? `\r${line}\x1b[K` : `${line}\n`),
  });
  process.stdout.write(`${sessions ? 'with' : 'without'} sessions: ${describe(verdict)}\n`);
  return verdict;
}

async function orderOfPairs(pairs: number): Promise<void> {
  const random = new Prng(7, 2);
  const verdict = await sendPairs({
    pairs,
    sessions: 50,
    lateMs: 10,
    random: () => random.float(),
    progress: (line) => process.stderr.write(show ? `\r${line}\x1b[K` : `${line}\n`),
  });
  const { repeats, gaps, overtaken, problems } = verdict;
  const right = repeats + gaps + problems.length === 0 && verdict.pairs >= pairs;
  process.stdout.write(
    `${verdict.pairs} pairs, ${overtaken} second commands answered first, ${repeats} repeats, ${gaps} out of order, ` +
      `${problems.length} refused\n${problems.slice(0, 10).join('\n')}\n${right ? 'always in order' : 'NOT in order'}\n`,
  );
  process.exitCode = right ? 0 : 1;
}

async function onceAndOnly(): Promise<void> {
  const exact = await run(true, kills);
  const right =
    exact.surplus + exact.missing + exact.repeats + exact.gaps + exact.problems.length === 0 &&
    exact.duplicates > 0;
  const control = await run(false, Math.max(10, Math.ceil(kills / 5)));
  const seen = control.surplus > 0 && control.missing === 0;
  process.stdout.write(
    `${right ? 'exactly once' : 'NOT exactly once'} with sessions; ` +
      `${seen ? `${control.surplus} duplicates` : 'no duplicates seen, which proves nothing,'} without\n`,
  );
  process.exitCode = right && seen ? 0 : 1;
}

if (values.pairs === undefined) await onceAndOnly();
else await orderOfPairs(Number(values.pairs));
