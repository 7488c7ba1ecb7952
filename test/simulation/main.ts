/**
 * `npm run simulate`: many seeds of the simulation, or one of them step by step.
 *
 *   npm run simulate -- --seeds 5000             seeds 1 … 5000
 *   npm run simulate -- --start 100 --seeds 50   seeds 100 … 149
 *   npm run simulate -- --seed 42                one seed, every step printed
 *
 * Exit code 1 when a promise was broken (with the seed and how to see it again) or a floor was not reached; 2 for bad usage.
 */
import { parseArgs } from 'node:util';
import { brokenFloors, Tally } from './floors.ts';
import { type RunResult, runSeed } from './runner.ts';

const PROGRESS_MS = 5_000;

interface Options {
  readonly start: number;
  readonly seeds: number;
  readonly steps: number;
  readonly seed: number | undefined;
  readonly json: boolean;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '300' },
      start: { type: 'string', default: '1' },
      steps: { type: 'string', default: '10000' },
      seed: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  return {
    start: natural('start', values.start),
    seeds: natural('seeds', values.seeds),
    steps: natural('steps', values.steps),
    seed: values.seed === undefined ? undefined : natural('seed', values.seed),
    json: values.json,
  };
}

function natural(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`--${name} must be a whole number from 1, not ${text}`);
  return value;
}

function report(result: RunResult, { steps }: Options): void {
  process.stderr.write(
    `seed ${result.seed} (${result.nodes} nodes), step ${result.steps}: ${result.violation?.message}\n` +
      `see it again: npm run simulate -- --seed ${result.seed} --steps ${steps}\n`,
  );
}

function replay(seed: number, options: Options): number {
  const result = runSeed(seed, { steps: options.steps, print: (line) => process.stdout.write(`${line}\n`) });
  process.stdout.write(`seed ${seed}: hash ${result.hash}, ${result.steps} steps\n`);
  if (result.violation === undefined) return 0;
  report(result, options);
  return 1;
}

function campaign(options: Options): number {
  const tally = new Tally();
  const began = performance.now();
  let shown = began;
  for (let seed = options.start; seed < options.start + options.seeds; seed++) {
    const result = runSeed(seed, options);
    tally.add(result);
    if (result.violation !== undefined) report(result, options);
    if (performance.now() - shown < PROGRESS_MS) continue;
    shown = performance.now();
    process.stderr.write(`${line(tally, shown - began)}\n`);
  }
  const floors = brokenFloors(tally);
  const ms = performance.now() - began;
  if (options.json) {
    const { seeds, steps, violations } = tally;
    const counts = Object.fromEntries([...tally.counts].sort());
    const stepsPerSecond = Math.round((steps / ms) * 1000);
    process.stdout.write(`${JSON.stringify({ seeds, steps, stepsPerSecond, violations, floors, counts })}\n`);
  } else {
    for (const [name, count] of [...tally.counts].sort())
      process.stdout.write(`${String(count).padStart(10)}  ${name}\n`);
    process.stdout.write(`${line(tally, ms)}\n`);
  }
  for (const floor of floors) process.stderr.write(`too little happened: ${floor}\n`);
  return tally.violations > 0 || floors.length > 0 ? 1 : 0;
}

function line({ seeds, steps, virtualMs, violations }: Tally, ms: number): string {
  const rate = Math.round((steps / ms) * 1000).toLocaleString('en');
  const hours = (virtualMs / 3_600_000).toFixed(2);
  return `${seeds} seeds, ${steps.toLocaleString('en')} steps, ${rate} steps/s, ${hours} h simulated, ${violations} violations`;
}

function main(): number {
  let options: Options;
  try {
    options = readOptions();
  } catch (error) {
    process.stderr.write(`simulate: ${error instanceof Error ? error.message : error}\n`);
    return 2;
  }
  return options.seed === undefined ? campaign(options) : replay(options.seed, options);
}

process.exitCode = main();
