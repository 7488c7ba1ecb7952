/**
 * The command line of the inspector's bench. MUST: refuse what it does not understand with one clear line.
 */
import { parseArgs } from 'node:util';
import { BenchError } from '../bench/processes.ts';

export const PARTS = ['sizes', 'matrix', 'windows', 'host'] as const;
export type Part = (typeof PARTS)[number];

export const USAGE = `npm run bench:inspector -- [options]
  --entries 1000000     entries of the real log (fewer for a quick run: then the limits say less)
  --only ${PARTS.join(',')}   parts to measure (default: all)
  --rounds 3            starts of the extension host
  --dir DIR             where data goes (default: a folder on the disk of this checkout)
  --json                print the figures as JSON
Exit code: 0 all limits met, 1 one missed or not measured, 2 bad usage.`;

/** Fewer would leave no three windows apart from those that warm up. */
export const MIN_ENTRIES = 60_000;

export interface InspectorOptions {
  readonly entries: number;
  readonly parts: ReadonlySet<Part>;
  readonly rounds: number;
  readonly dir: string | undefined;
  readonly json: boolean;
  readonly help: boolean;
}

/** Throws BenchError with one sentence when the arguments make no sense. */
export function readOptions(args: readonly string[]): InspectorOptions {
  const values = parse(args);
  return {
    entries: whole('--entries', values.entries, MIN_ENTRIES, 100_000_000),
    parts: new Set(values.only === undefined ? PARTS : values.only.split(',').map(partNamed)),
    rounds: whole('--rounds', values.rounds, 1, 99),
    dir: values.dir,
    json: values.json,
    help: values.help,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        entries: { type: 'string', default: '1000000' },
        only: { type: 'string' },
        rounds: { type: 'string', default: '3' },
        dir: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new BenchError(error instanceof Error ? error.message : String(error));
  }
}

function partNamed(name: string): Part {
  const part = PARTS.find((known) => known === name);
  if (part === undefined) throw new BenchError(`--only knows ${PARTS.join(', ')}, not ${name}.`);
  return part;
}

function whole(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new BenchError(`${option} must be a whole number from ${least} to ${most}, not ${text}.`);
}
