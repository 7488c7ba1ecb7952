/**
 * `npm run membership`: the membership of a real cluster changes again and again under load and faults.
 *
 *   npm run membership -- --rounds 50
 *   npm run membership -- --rounds 5 --seed 7 --faults 'none,kill leader'
 *
 * Exit code 1 when a write that was acknowledged is lost, apps differ, two nodes led in one term, or nothing was acknowledged
 * for longer than three election timeouts in a step; 2 for bad usage.
 */
import { parseArgs } from 'node:util';
import { ELECTION_MAX_MS } from '../support/daemons.ts';
import { MembershipCampaign, type StepTaken } from './campaign.ts';
import { FAULTS, type Fault } from './faults.ts';

const GAP_MS = 3 * ELECTION_MAX_MS;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function quantile(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
}

interface Options {
  readonly rounds: number;
  readonly seed: number;
  readonly faults: readonly Fault[];
}

function readOptions(args: string[]): Options | string {
  const options = {
    rounds: { type: 'string' },
    seed: { type: 'string' },
    faults: { type: 'string' },
  } as const;
  try {
    const { values } = parseArgs({ args, options });
    const rounds = Number(values.rounds ?? 50);
    const seed = Number(values.seed ?? 1);
    const faults = values.faults?.split(',') ?? FAULTS;
    const unknown = faults.find((fault) => !FAULTS.some((known) => known === fault));
    if (unknown !== undefined) return `there is no fault "${unknown}"; there are ${FAULTS.join(', ')}`;
    if (!(Number.isSafeInteger(rounds) && rounds > 0)) return '--rounds: give a whole number from 1';
    if (!Number.isSafeInteger(seed)) return '--seed: give a whole number';
    return { rounds, seed, faults: faults as readonly Fault[] };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function run({ rounds, seed, faults }: Options): Promise<number> {
  const campaign = await MembershipCampaign.start(seed, faults);
  const steps: StepTaken[] = [];
  const problems: string[] = [];
  let judged = 0;
  try {
    for (let at = 1; at <= rounds; at++) {
      const round = await campaign.round();
      for (const { what, fault, tookMs, gapMs } of round.steps)
        say(
          `round ${at}: ${what}, ${fault ?? 'struck nobody'}: ${(tookMs / 1000).toFixed(1)} s, longest gap ${Math.round(gapMs)} ms${gapMs > GAP_MS ? '   TOO LONG' : ''}`,
        );
      for (const problem of round.problems) say(`round ${at}: ${problem}`);
      say(`round ${at}: ${round.judged} acknowledged writes judged, ${round.problems.length} problems`);
      steps.push(...round.steps);
      problems.push(...round.problems);
      judged += round.judged;
    }
  } finally {
    await campaign.end();
  }
  const gaps = steps.map(({ gapMs }) => gapMs).sort((a, b) => a - b);
  const late = gaps.filter((gap) => gap > GAP_MS).length;
  const struck = new Map<string, number>();
  for (const { fault = 'struck nobody' } of steps) struck.set(fault, (struck.get(fault) ?? 0) + 1);
  for (const [fault, count] of [...struck].sort()) say(`${String(count).padStart(6)}  ${fault}`);
  say(
    `gaps: p50 ${quantile(gaps, 0.5)} ms, p95 ${quantile(gaps, 0.95)} ms, longest ${quantile(gaps, 1)} ms; limit ${GAP_MS} ms`,
  );
  process.stdout.write(
    `${rounds} rounds, ${steps.length} changes, ${campaign.terms} terms, ${campaign.acknowledged} acknowledged writes, ` +
      `${judged} judged, ${late} gaps over ${GAP_MS} ms, ${problems.length} problems\n`,
  );
  return problems.length + late > 0 || judged === 0 ? 1 : 0;
}

const options = readOptions(process.argv.slice(2));
if (typeof options === 'string') {
  say(`membership: ${options}`);
  process.exitCode = 2;
} else process.exitCode = await run(options);
