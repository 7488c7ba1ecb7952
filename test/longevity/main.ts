/**
 * `npm run longevity`: does a cluster stay within its limits for long?
 *
 *   npm run longevity -- --writes 1000000 --keys 1000      disk, memory, restart, and nodes that join under load
 *   npm run longevity -- --transfer 1GB                    a snapshot so large, cut twice on its way to a new node
 *
 * The program is also its own child processes: `main.mjs app SOCKET FILLER`, `main.mjs load PLAN`.
 * Exit code 1 when a limit is broken, 2 for bad usage.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ClosedLoop } from '../bench/closed-loop.ts';
import { connectOutrigger } from '../bench/outrigger-load.ts';
import { Workplace } from '../bench/processes.ts';
import type { LoadLine, LoadPlan } from '../bench/protocol.ts';
import { machine } from '../bench/report.ts';
import { runLeanApp } from './app.ts';
import { LongCluster, SELF, timing } from './cluster.ts';
import { processors } from './joining.ts';
import { type Figure, figureTable } from './report.ts';
import { largeSnapshot } from './transfer.ts';
import { manyWrites } from './writes.ts';

const USAGE = `npm run longevity -- [options]
  --writes 1000000        writes in all            --keys 1000      to so many keys
  --clients 256           closed-loop clients      --value-bytes 256
  --interval 8MB          log after which nodes take a snapshot (their --snapshot-bytes)
  --joins 10              nodes that join one after another at full load, and half as many at half of it
  --window 6              seconds over which throughput is measured before each
  --rss 512MB             resident memory of a sidecar, at most
  --transfer 1GB          instead of all that: a snapshot of so many bytes goes to a new node
  --send-rate 128MB       bytes a second of it (their --snapshot-send-bytes)
  --election-ms 150       shortest election timeout of the nodes; longer ones where the machine does other things
  --dir DIR               where data goes (default: a folder on the disk of this checkout)
  --json                  figures as JSON`;

const UNITS = { '': 1, KB: 1e3, MB: 1e6, GB: 1e9 } as const;

const [mode, argument, more] = process.argv.slice(2);
if (mode === 'app' || mode === 'load') {
  // A child whose parent was killed must not stay.
  process.stdin.on('close', () => process.exit(0)).resume();
  if (mode === 'app') runLeanApp(argument ?? '', Number(more));
  else {
    await runLoad(JSON.parse(argument ?? '') as LoadPlan);
    process.exit(0);
  }
} else process.exit(await run());

async function runLoad(plan: LoadPlan): Promise<void> {
  let submit: (client: number) => void = () => undefined;
  const say = (line: LoadLine): void => {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  const loop = new ClosedLoop(plan, (client) => submit(client), say);
  submit = await connectOutrigger(plan, loop);
  await loop.run();
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      writes: { type: 'string', default: '1000000' },
      keys: { type: 'string', default: '1000' },
      clients: { type: 'string', default: '256' },
      'value-bytes': { type: 'string', default: '256' },
      interval: { type: 'string', default: '8MB' },
      joins: { type: 'string', default: '10' },
      window: { type: 'string', default: '6' },
      rss: { type: 'string', default: '512MB' },
      transfer: { type: 'string' },
      'send-rate': { type: 'string', default: '128MB' },
      'election-ms': { type: 'string', default: '150' },
      dir: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const number = (
    name: 'writes' | 'keys' | 'clients' | 'value-bytes' | 'joins' | 'window' | 'election-ms',
  ): number => {
    const value = Number(values[name]);
    if (!(value > 0)) throw new RangeError(`--${name} must be a number over 0, not ${values[name]}`);
    return value;
  };
  return {
    ...{ writes: number('writes'), keys: number('keys'), clients: number('clients') },
    ...{ valueBytes: number('value-bytes'), windowMs: number('window') * 1_000 },
    joins: number('joins'),
    electionMs: number('election-ms'),
    snapshotBytes: bytes('interval', values.interval),
    rssBytes: bytes('rss', values.rss),
    transfer: values.transfer === undefined ? undefined : bytes('transfer', values.transfer),
    sendRate: bytes('send-rate', values['send-rate']),
    ...{ dir: values.dir, json: values.json, help: values.help },
  };
}

function bytes(name: string, text: string): number {
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?)(KB|MB|GB)?$/.exec(text) ?? [];
  if (count === undefined) throw new RangeError(`--${name} must be like 64MB, not ${text}`);
  return Math.round(Number(count) * UNITS[unit as keyof typeof UNITS]);
}

async function run(): Promise<number> {
  let options: ReturnType<typeof readOptions>;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`longevity: ${error instanceof Error ? error.message : error}`);
    return 2;
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  // This program is dist…/test/longevity/main.mjs.
  const root = resolve(SELF, '../../../..');
  const bin = join(root, 'bin/outrigger.mjs');
  const place = new Workplace(resolve(options.dir ?? join(root, 'node_modules/.cache/outrigger-longevity')));
  const progress = (line: string): void => console.error(line);
  try {
    const figures = await judge(place, bin, options, progress);
    if (options.json) console.log(JSON.stringify({ machine: machine(), figures }, null, 2));
    else console.log(`${machine()}\n\n${figureTable(figures)}`);
    return figures.every(({ kept }) => kept) ? 0 : 1;
  } catch (error) {
    console.error(`longevity: ${error instanceof Error ? error.message : error}`);
    return 1;
  }
}

async function judge(
  place: Workplace,
  bin: string,
  options: ReturnType<typeof readOptions>,
  progress: (line: string) => void,
): Promise<Figure[]> {
  const { transfer: bytes, sendRate, electionMs, snapshotBytes } = options;
  if (bytes !== undefined) return largeSnapshot(place, bin, { bytes, sendRate, electionMs, progress });
  processors(); // what cannot be measured is refused before anything starts
  const cluster = new LongCluster(place, bin, [
    ...['--snapshot-bytes', String(snapshotBytes), ...timing(electionMs)],
  ]);
  return manyWrites(cluster, { ...options, progress });
}
