/**
 * The command line of the bench. MUST: refuse what it does not understand with one clear line.
 */
import { parseArgs } from 'node:util';
import { BenchError } from './processes.ts';

export const USAGE = `npm run bench -- [options]
  --against etcd        the same load against three etcd processes, in the same run, with ratios
  --clients 1,64,...    closed-loop clients, one run each (default 1,64,512,2048)
  --seconds 5           measured time per run      --warmup 2      before it
  --preheat 6           each system first runs so long with 64 clients: none is measured cold
  --rounds 1            turns per cell; the table shows the turn with the median throughput
  --value-bytes 256     size of a value
  --nodes 3             sidecars                   --bin FILE      the outrigger program
  --etcd-client auto    auto, go or node           --etcd-connections N    per endpoint
  --ceiling             also against processes that only answer: the load generator's own limit
  --only-others         leave Outrigger out (to measure the others alone)
  --profile             CPU profiles of the sidecars: the functions with the most self time
  --watched             what an editor that watches costs: --rounds pairs of turns
  --restart             a log of many entries, then a restart: time to serving, memory
  --restart-entries N   default 1000000
  --dir DIR             where data goes (default: a folder on the disk of this checkout)
  --json                print the figures as JSON`;

export interface BenchOptions {
  readonly against: 'etcd' | undefined;
  readonly clients: readonly number[];
  readonly seconds: number;
  readonly warmup: number;
  readonly preheat: number;
  readonly rounds: number;
  readonly valueBytes: number;
  readonly nodes: number;
  readonly bin: string | undefined;
  readonly etcdClient: 'auto' | 'go' | 'node';
  readonly etcdConnections: number | undefined;
  readonly ceiling: boolean;
  readonly onlyOthers: boolean;
  readonly profile: boolean;
  readonly watched: boolean;
  readonly restart: boolean;
  readonly restartEntries: number;
  readonly dir: string | undefined;
  readonly json: boolean;
  readonly help: boolean;
}

/** Throws BenchError with one sentence when the arguments make no sense. */
export function readOptions(args: readonly string[]): BenchOptions {
  const values = parse(args);
  const { against, 'etcd-client': etcdClient } = values;
  if (against !== undefined && against !== 'etcd')
    throw new BenchError(`--against knows only etcd, not ${against}.`);
  if (etcdClient !== 'auto' && etcdClient !== 'go' && etcdClient !== 'node') {
    throw new BenchError(`--etcd-client is auto, go or node, not ${etcdClient}.`);
  }
  return {
    against,
    clients: values.clients.split(',').map((text) => number('--clients', text, 1, 100_000)),
    seconds: number('--seconds', values.seconds, 0.1, 3600),
    warmup: number('--warmup', values.warmup, 0, 3600),
    preheat: number('--preheat', values.preheat, 0, 3600),
    rounds: number('--rounds', values.rounds, 1, 99),
    valueBytes: number('--value-bytes', values['value-bytes'], 0, 1_000_000),
    nodes: number('--nodes', values.nodes, 1, 9),
    bin: values.bin,
    etcdClient,
    etcdConnections:
      values['etcd-connections'] === undefined
        ? undefined
        : number('--etcd-connections', values['etcd-connections'], 1, 64),
    ceiling: values.ceiling,
    onlyOthers: values['only-others'],
    profile: values.profile,
    watched: values.watched,
    restart: values.restart,
    restartEntries: number('--restart-entries', values['restart-entries'], 1, 100_000_000),
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
        against: { type: 'string' },
        clients: { type: 'string', default: '1,64,512,2048' },
        seconds: { type: 'string', default: '5' },
        warmup: { type: 'string', default: '2' },
        preheat: { type: 'string', default: '6' },
        rounds: { type: 'string', default: '1' },
        'value-bytes': { type: 'string', default: '256' },
        nodes: { type: 'string', default: '3' },
        bin: { type: 'string' },
        'etcd-client': { type: 'string', default: 'auto' },
        'etcd-connections': { type: 'string' },
        ceiling: { type: 'boolean', default: false },
        'only-others': { type: 'boolean', default: false },
        profile: { type: 'boolean', default: false },
        watched: { type: 'boolean', default: false },
        restart: { type: 'boolean', default: false },
        'restart-entries': { type: 'string', default: '1000000' },
        dir: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new BenchError(error instanceof Error ? error.message : String(error));
  }
}

function number(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  const fraction = option === '--seconds' || option === '--warmup';
  if (text.trim() === '' || !(value >= least && value <= most) || !(fraction || Number.isInteger(value))) {
    throw new BenchError(
      `${option} must be ${fraction ? 'a number' : 'whole numbers'} from ${least} to ${most}, not ${text}.`,
    );
  }
  return value;
}
