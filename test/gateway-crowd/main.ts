/**
 * `npm run gateway:crowd`: ten thousand clients on one gateway in front of three sidecars with apps. Do the replicas' queues
 * and memory stay within their limits, and is a client that asks one thing at a time still served?
 *
 * MUST: use only what is public, and clean up after itself. The same program is also its child processes: `main.mjs
 * app SOCKET`, `main.mjs crowd PLAN`, `main.mjs probe PLAN`.
 */
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { LIMITS } from '../../shared/limits.ts';
import { OutriggerSystem } from '../bench/outrigger-system.ts';
import { BenchError, type Child, freePorts, until, Workplace } from '../bench/processes.ts';
import { machine } from '../bench/report.ts';
import { self } from '../bench/system.ts';
import { type CrowdLine, type CrowdPlan, type CrowdResult, runCrowd } from './crowd.ts';
import { type CrowdOptions, readOptions, USAGE } from './options.ts';
import { type ProbePlan, type ProbeResult, runProbe } from './probe.ts';
import { closingLine, isMet, judge, type Measured, percentile, verdictTable } from './verdict.ts';
import { Watch } from './watch.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** It asks less than its share: one of a hundred that flood gets about fifty answers a second here. */
const PAUSE_MS = 40;
/** The crowd asks for so long before the well-behaved client is measured under it. */
const SETTLE_MS = 3_000;
/** What is compiled while it runs is slow at first. */
const WARM_SECONDS = 5;

const [mode, argument] = process.argv.slice(2);
if (mode === 'app') await import('../bench/main.ts');
else if (mode === 'crowd' || mode === 'probe') {
  process.stdin.on('close', () => process.exit(1)).resume();
  if (mode === 'crowd') await runCrowd(JSON.parse(argument ?? '') as CrowdPlan);
  else await runProbe(JSON.parse(argument ?? '') as ProbePlan);
  process.exit(0);
} else process.exit(await main(process.argv.slice(2)));

/** The exit code: 0 all limits met, 1 one missed or not measured, 2 bad usage. */
async function main(args: readonly string[]): Promise<number> {
  let options: CrowdOptions;
  try {
    options = readOptions(args);
  } catch (error) {
    return fail(error, 2);
  }
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const place = new Workplace(resolve(options.dir ?? join(ROOT, 'node_modules/.cache/outrigger-bench')));
  try {
    const load = loadavg()[0] ?? 0;
    const measured = await run(place, options);
    const where = `${machine()}; load before and after: ${load.toFixed(1)}, ${loadavg()[0]?.toFixed(1)}`;
    report(where, options, measured);
    return judge(measured).every(isMet) ? 0 : 1;
  } catch (error) {
    return fail(error, 1);
  }
}

async function run(place: Workplace, options: CrowdOptions): Promise<Measured> {
  const { clients, flooders, depth, perSecond, valueBytes, seconds } = options;
  const bin = join(ROOT, 'bin/outrigger.mjs');
  const cluster = new OutriggerSystem(place, { nodes: 3, bin });
  await cluster.start();
  const gateway = await startGateway(place, bin);
  const probe = (forSeconds: number) =>
    runChild<ProbeResult>(place, 'probe', {
      socket: gateway.socket,
      seconds: forSeconds,
      pauseMs: PAUSE_MS,
      valueBytes,
    });
  await probe(WARM_SECONDS);
  console.error(`crowd: the well-behaved client alone, ${seconds} s`);
  const idle = await probe(seconds);
  console.error(`crowd: ${clients} clients connect`);
  const plan: CrowdPlan = { socket: gateway.socket, clients, flooders, depth, perSecond, valueBytes };
  const crowd = place.start('crowd', process.execPath, [self, 'crowd', JSON.stringify(plan)], { pipe: true });
  const said = linesOf<CrowdLine>(crowd);
  await Promise.race([place.broken, said.next()]);
  const watch = new Watch(gateway, cluster.replicas);
  crowd.process.stdin?.write('go\n');
  await Promise.race([place.broken, delay(SETTLE_MS)]);
  console.error(`crowd: the well-behaved client among them, ${seconds} s`);
  const crowded = await probe(seconds);
  crowd.expectedToEnd = true;
  crowd.process.stdin?.write('stop\n');
  const result = (await Promise.race([place.broken, said.next()])) as CrowdResult;
  await watch.end();
  await place.stop(gateway.child);
  await cluster.stop();
  return {
    clients,
    idle,
    crowded,
    crowd: result,
    most: watch.most,
    elections: watch.elections,
    inFlightMax: LIMITS.requestsPerConnection,
  };
}

async function startGateway(place: Workplace, bin: string) {
  const [port] = await freePorts(1);
  const socket = join(place.socketDir, 'gateway', 'app.sock');
  const http = `http://127.0.0.1:${port}`;
  const child = place.start(
    'gateway',
    process.execPath,
    [bin, 'gateway', '--app-socket', socket, '--http-listen', `127.0.0.1:${port}`],
    { env: { XDG_RUNTIME_DIR: place.socketDir } },
  );
  await Promise.race([
    place.broken,
    until('the gateway is ready', 10_000, async () => {
      const answer = await fetch(`${http}/readyz`).catch((error: Error) => error);
      if (answer instanceof Error) return answer.message;
      return answer.ok || (await answer.text());
    }),
  ]);
  return { socket, http, child };
}

/** Runs a mode of this program to its end; resolves with the line of JSON that it says. */
async function runChild<T>(place: Workplace, name: string, plan: object): Promise<T> {
  const child = place.start(name, process.execPath, [self, name, JSON.stringify(plan)], { pipe: true });
  child.expectedToEnd = true;
  const line = await Promise.race([place.broken, linesOf<T>(child).next()]);
  await child.ended;
  return line;
}

function linesOf<T>(child: Child): { next(): Promise<T> } {
  const { stdout } = child.process;
  if (stdout === null) throw new BenchError(`${child.name} has no output`);
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return {
    async next() {
      const { value, done } = await lines.next();
      if (done === true) throw new BenchError(`${child.name} ended without a result; see ${child.logFile}`);
      return JSON.parse(value) as T;
    },
  };
}

function report(where: string, options: CrowdOptions, measured: Measured): void {
  const lines = judge(measured);
  const { idle, crowded, crowd, most } = measured;
  if (options.json) {
    const p99 = { idle: percentile(idle.took, 0.99), crowded: percentile(crowded.took, 0.99) };
    console.log(JSON.stringify({ machine: where, options, p99, crowd, most, lines }, null, 2));
    console.error(closingLine(lines));
    return;
  }
  const figures = (name: string, took: readonly number[]) =>
    `  ${name}: ${took.length} requests, p50 ${percentile(took, 0.5).toFixed(2)} ms, p99 ${percentile(took, 0.99).toFixed(2)} ms, worst ${Math.max(...took).toFixed(1)} ms`;
  const perSecond = (count: number) => Math.round(count / crowd.seconds).toLocaleString('en-US');
  console.log(`${where}\n
The well-behaved client (one proposal at a time):
${figures('alone', idle.took)}
${figures('among the crowd', crowded.took)}
The crowd: ${options.clients} clients, ${options.flooders} of them flood with ${options.depth} requests open each
  good answers ${perSecond(crowd.good)}/s, of them to those who do not flood ${perSecond(crowd.quietGood)}/s of ${perSecond(crowd.quietAsked)}/s asked
  other answers ${JSON.stringify(crowd.codes)}; the gateway's event loop was late by at most ${most.gatewayLagMs.toFixed(0)} ms

${verdictTable(lines)}

${closingLine(lines)}`);
}

function fail(error: unknown, code: number): number {
  if (!(error instanceof BenchError)) throw error;
  console.error(`crowd: ${error.message}`);
  return code;
}
