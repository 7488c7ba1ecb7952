/** The command line of the campaign. */
import { parseArgs } from 'node:util';
import { FAULTS, type Fault } from './faults.ts';

export interface Options {
  readonly histories: number;
  readonly seed: number;
  readonly durationMs: number;
  /** Nodes of the clusters, one after the other. */
  readonly sizes: readonly number[];
  readonly perCluster: number;
  /** Reads STALE: to see that the check can fail. */
  readonly stale: boolean;
  /** What strikes. */
  readonly faults: readonly Fault[];
  /** Judges this file instead. */
  readonly check: string | undefined;
}

/** Throws RangeError (or what `parseArgs` throws) with one clear sentence. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      histories: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      ms: { type: 'string', default: '3500' },
      sizes: { type: 'string', default: '3,5,3,4,3,2,3,5,3,1' },
      'per-cluster': { type: 'string', default: '20' },
      stale: { type: 'boolean', default: false },
      faults: { type: 'string', default: FAULTS.join(',') },
      check: { type: 'string' },
    },
  });
  return {
    histories: whole('histories', values.histories, 1, 100_000),
    seed: whole('seed', values.seed, 1, 1_000_000_000),
    durationMs: whole('ms', values.ms, 2_500, 20_000),
    sizes: values.sizes.split(',').map((size) => whole('sizes', size, 1, 7)),
    perCluster: whole('per-cluster', values['per-cluster'], 1, 100),
    stale: values.stale,
    faults: values.faults.split(',').map(faultOf),
    check: values.check,
  };
}

function faultOf(name: string): Fault {
  const fault = FAULTS.find((known) => known === name);
  if (fault === undefined) throw new RangeError(`--faults knows no ${name}, but ${FAULTS.join(', ')}`);
  return fault;
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least || value > most)
    throw new RangeError(`--${name} must be a whole number from ${least} to ${most}, not ${text}`);
  return value;
}
