/**
 * `npm run bench`: the load of many clients on a cluster of real processes, beside etcd if wanted.
 *
 * MUST: run every system under the same load, on the same disk, in turns, and clean up after itself.
 * The same program is also its own child processes: `main.mjs app|echo SOCKET`, `main.mjs load PLAN`.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runApp } from './app.ts';
import { ClosedLoop } from './closed-loop.ts';
import { selfTimes, selfTimeTable } from './cpu-profile.ts';
import { runEcho } from './echo.ts';
import { EchoSystem } from './echo-system.ts';
import { connectEtcd } from './etcd-load.ts';
import { EtcdSystem, onPath } from './etcd-system.ts';
import { type Cell, measure, type Shape } from './measure.ts';
import { type BenchOptions, readOptions, USAGE } from './options.ts';
import { connectOutrigger } from './outrigger-load.ts';
import { OutriggerSystem } from './outrigger-system.ts';
import { BenchError, Workplace } from './processes.ts';
import type { LoadLine, LoadPlan } from './protocol.ts';
import { cellTable, cpuText, machine, ratioText } from './report.ts';
import { restart, restartText } from './restart.ts';
import type { System } from './system.ts';
import { watched, watchedText } from './watched.ts';

/** The checkout: this program is dist…/test/bench/main.mjs. */
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const PREHEAT_CLIENTS = 64;
const PROFILE_ROWS = 25;

const [mode, argument] = process.argv.slice(2);
if (mode === 'app' || mode === 'echo') {
  endWithParent();
  (mode === 'app' ? runApp : runEcho)(argument ?? '');
} else if (mode === 'load') {
  endWithParent();
  await runLoad(JSON.parse(argument ?? '') as LoadPlan);
  process.exit(0);
} else {
  process.exit(await runBench(process.argv.slice(2)));
}

/** A child whose bench was killed must not stay: the bench holds the other end of stdin. */
function endWithParent(): void {
  process.stdin.on('close', () => process.exit(0)).resume();
}

async function runLoad(plan: LoadPlan): Promise<void> {
  const say = (line: LoadLine): void => {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  let submit: (client: number) => void = () => undefined;
  const loop = new ClosedLoop(plan, (client) => submit(client), say);
  submit = await (plan.target === 'etcd' ? connectEtcd : connectOutrigger)(plan, loop);
  await loop.run();
}

/** The exit code: 0 done, 1 failed or a limit missed, 2 bad usage. */
async function runBench(args: readonly string[]): Promise<number> {
  let options: BenchOptions;
  try {
    options = readOptions(args);
  } catch (error) {
    return fail(error, 2);
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const bin = resolve(options.bin ?? join(ROOT, 'bin/outrigger.mjs'));
  if (!existsSync(bin)) return fail(new BenchError(`${bin} is not there.`), 2);
  const place = new Workplace(resolve(options.dir ?? join(ROOT, 'node_modules/.cache/outrigger-bench')));
  try {
    if (options.restart) return await runRestart(place, options, bin);
    if (options.watched) return await runWatched(place, options, bin);
    if (options.profile) return await runProfile(place, options, bin);
    return await runTable(place, options, bin);
  } catch (error) {
    return fail(error, 1);
  }
}

async function runTable(place: Workplace, options: BenchOptions, bin: string): Promise<number> {
  const systems = chooseSystems(place, options, bin);
  for (const system of systems) await system.start();
  for (const system of systems) await preheat(place, system, options);
  const cells: Cell[] = [];
  for (const clients of options.clients) {
    cells.push(...(await inTurns(place, systems, { ...shapeOf(options), clients }, options.rounds)));
  }
  for (const system of systems) await system.stop();
  const clients = systems.map((system) => `  ${system.name}: ${system.client}`).join('\n');
  if (options.json) {
    console.log(
      JSON.stringify({ machine: machine(), clients, valueBytes: options.valueBytes, cells }, null, 2),
    );
  } else {
    console.log(`${machine()}; ${options.valueBytes}-byte values, three nodes on loopback, fsync on\n`);
    console.log(
      `${cellTable(cells)}\n\nLoad generators:\n${clients}\n\nCPU, µs per operation:\n${cpuText(cells)}`,
    );
    const [ours, theirs] = [/^outrigger/, /^etcd/].map((name) =>
      cells.filter((cell) => name.test(cell.system)),
    );
    if (ours?.length && theirs?.length) console.log(`\nOutrigger ÷ etcd:\n${ratioText(ours, theirs)}`);
  }
  const clean = cells.every((cell) => Object.keys(cell.errors).length === 0);
  if (!clean) console.error('bench: some operations did not end well, so these figures do not count.');
  return clean ? 0 : 1;
}

/** What is compiled while it runs is slow at first, and a server is not measured in its first seconds. */
async function preheat(place: Workplace, system: System, options: BenchOptions): Promise<void> {
  if (options.preheat === 0) return;
  console.error(`bench: ${system.name}, preheating`);
  const shape = { ...shapeOf(options), warmupMs: 0, measureMs: options.preheat * 1000 };
  await measure(place, system, { ...shape, clients: PREHEAT_CLIENTS });
}

/** Systems take turns, so that a slow minute of the machine hits all alike. One cell per system: its median turn. */
async function inTurns(place: Workplace, systems: System[], shape: Shape, rounds: number): Promise<Cell[]> {
  const turns = systems.map((): Cell[] => []);
  for (let round = 1; round <= rounds; round++) {
    for (const [i, system] of systems.entries()) {
      console.error(`bench: ${system.name}, ${shape.clients} clients, turn ${round} of ${rounds}`);
      turns[i]?.push(await measure(place, system, shape));
    }
  }
  return turns.flatMap((cells) => {
    const failed = cells.find((cell) => Object.keys(cell.errors).length > 0); // never hidden by the median
    const sorted = cells.sort((a, b) => a.throughput - b.throughput);
    return failed ?? sorted[Math.floor(sorted.length / 2)] ?? [];
  });
}

function chooseSystems(place: Workplace, options: BenchOptions, bin: string): System[] {
  const systems: System[] = [];
  if (!options.onlyOthers) systems.push(new OutriggerSystem(place, { nodes: options.nodes, bin }));
  if (options.against === 'etcd') {
    const etcd = onPath('etcd');
    const source = join(ROOT, 'test/bench/etcd-load');
    const { etcdClient: client, etcdConnections: connections } = options;
    if (etcd === undefined) console.error('bench: no `etcd` on PATH, so there is nothing to compare with.');
    else systems.push(new EtcdSystem(place, { etcd, client, connections, source }));
  }
  if (options.ceiling) systems.push(new EchoSystem(place));
  return systems;
}

function shapeOf(options: BenchOptions) {
  const { valueBytes, seconds, warmup } = options;
  return { valueBytes, warmupMs: warmup * 1000, measureMs: seconds * 1000, operations: 0 };
}

/** One run with profiles; the table says how much the profiler cost. */
async function runProfile(place: Workplace, options: BenchOptions, bin: string): Promise<number> {
  const profileDir = join(place.dir, 'profiles');
  mkdirSync(profileDir);
  const cluster = new OutriggerSystem(place, { nodes: options.nodes, bin, profileDir });
  await cluster.start();
  const cells: Cell[] = [];
  for (const clients of options.clients)
    cells.push(await measure(place, cluster, { ...shapeOf(options), clients }));
  const groups = await cluster.processes();
  const [leader, follower] = [groups.get('leader')?.[0], groups.get('followers')?.[0]];
  if (leader === undefined || follower === undefined)
    throw new BenchError('there is no leader with a follower.');
  await cluster.stopForProfiles(leader, follower);
  await cluster.stop();
  console.log(`${machine()}\n\n${cellTable(cells)}\n\nCPU, µs per operation:\n${cpuText(cells)}`);
  for (const [title, node] of [
    ['Leader', leader],
    ['One follower', follower],
  ] as const) {
    const times = selfTimes([join(profileDir, node.name)]);
    console.log(`\n${title} (${node.name}), start to end, without idle time:\n`);
    console.log(selfTimeTable(times, PROFILE_ROWS));
  }
  return 0;
}

async function runRestart(place: Workplace, options: BenchOptions, bin: string): Promise<number> {
  const cluster = new OutriggerSystem(place, { nodes: options.nodes, bin });
  await cluster.start();
  const figures = await restart(place, cluster, options.restartEntries, options.valueBytes);
  await cluster.stop();
  console.log(
    options.json
      ? JSON.stringify({ machine: machine(), ...figures }, null, 2)
      : `${machine()}\n\n${restartText(figures)}`,
  );
  return figures.met ? 0 : 1;
}

async function runWatched(place: Workplace, options: BenchOptions, bin: string): Promise<number> {
  const cluster = new OutriggerSystem(place, { nodes: options.nodes, bin });
  await cluster.start();
  await preheat(place, cluster, options);
  const all = [];
  for (const clients of options.clients) {
    const shape = { ...shapeOf(options), clients };
    all.push(await watched(place, cluster, shape, options.rounds, options.nodes, bin));
  }
  await cluster.stop();
  console.log(
    options.json
      ? JSON.stringify({ machine: machine(), watched: all }, null, 2)
      : `${machine()}\n\n${all.map(watchedText).join('\n')}`,
  );
  return all.every((one) => one.met) ? 0 : 1;
}

function fail(error: unknown, code: number): number {
  if (!(error instanceof BenchError)) throw error;
  console.error(`bench: ${error.message}`);
  return code;
}
