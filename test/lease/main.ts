/**
 * `npm run lease`: stops leaders of a real cluster for many lengths of time, while they are read from by lease.
 *
 *   npm run lease -- --pauses 40                  40 pauses from 0.1 to 10 s
 *   npm run lease -- --pauses 20 --most 2         up to 2 s
 *   npm run lease -- --script FILE                a build of one's own, such as one with a planted bug
 *   npm run lease -- --bench                      what a read costs on the leader, by consistency
 *
 * Exit code 1 when a read was stale, or when nothing could be shown; 2 for bad usage.
 */
import { parseArgs } from 'node:util';
import { bench } from './bench.ts';
import { describeTally, Trial } from './trial.ts';

/** As the product has it, whereas tests use longer ones: short leases are the harder case. */
const PRODUCT = ['--election-min-ms', '150', '--election-max-ms', '300'];

interface Options {
  readonly pauses: number;
  readonly least: number;
  readonly most: number;
  readonly script: string | undefined;
  readonly bench: boolean;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      pauses: { type: 'string', default: '40' },
      least: { type: 'string', default: '0.1' },
      most: { type: 'string', default: '10' },
      script: { type: 'string' },
      bench: { type: 'boolean', default: false },
    },
  });
  const { script, bench: measure } = values;
  return {
    pauses: number('pauses', values.pauses),
    least: number('least', values.least),
    most: number('most', values.most),
    script,
    bench: measure,
  };
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 10_000)) throw new RangeError(`--${name} must be a number over 0, not ${text}`);
  return value;
}

/** From the least to the most, each longer than the one before by the same share; in an order that mixes them. */
function lengths({ pauses, least, most }: Options): number[] {
  const step = pauses > 1 ? (most / least) ** (1 / (pauses - 1)) : 1;
  const ascending = Array.from({ length: pauses }, (_, at) => least * step ** at);
  const half = Math.ceil(pauses / 2);
  return ascending.flatMap((_, at) => ascending[at % 2 === 0 ? at / 2 : half + (at - 1) / 2] ?? []);
}

async function campaign(options: Options): Promise<number> {
  const { script } = options;
  const trial = await Trial.begin({ flags: PRODUCT, ...(script === undefined ? {} : { script }) });
  try {
    for (const seconds of lengths(options)) {
      await trial.pause(seconds * 1_000);
      process.stderr.write(`${seconds.toFixed(2).padStart(6)} s: ${describeTally(trial.tally)}\n`);
      if (trial.tally.stale.length > 0) break;
    }
  } finally {
    await trial.end();
  }
  const { stale, served, dangerous } = trial.tally;
  for (const one of stale.slice(0, 5)) process.stderr.write(`STALE: ${one}\n`);
  process.stdout.write(`${describeTally(trial.tally)}\n`);
  if (served === 0 || dangerous === 0) {
    process.stderr.write('nothing is shown: no read was served, or none was in danger\n');
    return 1;
  }
  return stale.length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = readOptions();
  } catch (error) {
    process.stderr.write(`lease: ${error instanceof Error ? error.message : error}\n`);
    return 2;
  }
  if (!options.bench) return campaign(options);
  process.stdout.write(`${await bench()}\n`);
  return 0;
}

process.exitCode = await main();
