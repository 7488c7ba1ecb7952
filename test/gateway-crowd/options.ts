/**
 * The command line of the crowd. MUST: refuse what it does not understand with one clear line.
 */
import { parseArgs } from 'node:util';
import { BenchError } from '../bench/processes.ts';

export const USAGE = `npm run gateway:crowd -- [options]
  --clients 10000       clients of the one gateway; all but the flooders ask now and then
  --per-second 1000     requests of those in one second, all together
  --flooders 100        clients that always have as much open as they can, and ask on whatever they are told
  --depth 300           requests that each of those keeps open
  --seconds 30          how long the well-behaved client is measured, without the crowd and under it
  --value-bytes 100     size of a value
  --dir DIR             where data goes (default: a folder on the disk of this checkout)
  --json                print the figures as JSON
Exit code: 0 all limits met, 1 one missed or not measured, 2 bad usage.`;

export interface CrowdOptions {
  readonly clients: number;
  readonly perSecond: number;
  readonly flooders: number;
  readonly depth: number;
  readonly seconds: number;
  readonly valueBytes: number;
  readonly dir: string | undefined;
  readonly json: boolean;
  readonly help: boolean;
}

/** Throws BenchError with one sentence when the arguments make no sense. */
export function readOptions(args: readonly string[]): CrowdOptions {
  const values = parse(args);
  const clients = whole('--clients', values.clients, 1, 16_384);
  return {
    clients,
    perSecond: whole('--per-second', values['per-second'], 0, 100_000),
    flooders: whole('--flooders', values.flooders, 0, clients),
    depth: whole('--depth', values.depth, 1, 100_000),
    seconds: whole('--seconds', values.seconds, 1, 3600),
    valueBytes: whole('--value-bytes', values['value-bytes'], 0, 1_000_000),
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
        clients: { type: 'string', default: '10000' },
        'per-second': { type: 'string', default: '1000' },
        flooders: { type: 'string', default: '100' },
        depth: { type: 'string', default: '300' },
        seconds: { type: 'string', default: '30' },
        'value-bytes': { type: 'string', default: '100' },
        dir: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new BenchError(error instanceof Error ? error.message : String(error));
  }
}

function whole(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new BenchError(`${option} must be a whole number from ${least} to ${most}, not ${text}.`);
}
