/**
 * `npm run apps:soak`: commands on and on while one app never acknowledges; prints the memory of each sidecar over time.
 *
 *   npm run apps:soak -- --minutes 5
 *   npm run apps:soak -- --minutes 5 --mood deaf      it reads nothing; or `absent`: it is away; `stall` otherwise
 *   npm run apps:soak -- --rate 1000 --bytes 512      commands a second, and bytes of each
 *
 * Memory is judged from three minutes on. Exit code 1 when it was not flat, an election was held, or another app was not well; 2 for bad usage.
 */
import { parseArgs } from 'node:util';
import { MOODS, type Mood, type Sample, SETTLED_S, soak } from './soak.ts';

const SAMPLES = 60;

interface Options {
  readonly minutes: number;
  readonly rate: number;
  readonly bytes: number;
  readonly mood: Mood;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      rate: { type: 'string', default: '1000' },
      bytes: { type: 'string', default: '512' },
      mood: { type: 'string', default: 'stall' },
    },
  });
  const mood = MOODS.find((one) => one === values.mood);
  if (mood === undefined)
    throw new RangeError(`--mood must be one of ${MOODS.join(', ')}, not ${values.mood}`);
  const positive = (name: 'minutes' | 'rate' | 'bytes'): number => {
    const number = Number(values[name]);
    if (!(number > 0)) throw new RangeError(`--${name} must be a number over 0, not ${values[name]}`);
    return number;
  };
  return { minutes: positive('minutes'), rate: positive('rate'), bytes: positive('bytes'), mood };
}

function print({ seconds, nodes }: Sample): void {
  const parts = nodes.map(
    ({ id, part, rssMb, condition, lag }) =>
      `${id} ${part.toLowerCase()} ${rssMb.toFixed(0).padStart(4)} MB, ${condition}, ${lag} behind`,
  );
  process.stdout.write(`${seconds.toFixed(0).padStart(5)} s  ${parts.join('  |  ')}\n`);
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = readOptions();
  } catch (error) {
    process.stderr.write(`apps:soak: ${error instanceof Error ? error.message : error}\n`);
    return 2;
  }
  const { minutes, ...rest } = options;
  const seconds = minutes * 60;
  const verdict = await soak({ ...rest, seconds, sampleMs: (seconds * 1_000) / SAMPLES, progress: print });
  process.stdout.write(`${verdict.commands} commands, ${verdict.elections} elections\n`);
  for (const problem of verdict.problems) process.stdout.write(`NOT WELL: ${problem}\n`);
  if (verdict.problems.length === 0) {
    const memory = seconds < SETTLED_S ? 'too short a time to judge memory' : 'memory is flat';
    process.stdout.write(`${memory}, nobody else noticed\n`);
  }
  return verdict.problems.length === 0 ? 0 : 1;
}

process.exitCode = await main();
