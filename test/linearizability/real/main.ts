/**
 * `npm run linearizability`: many histories of real clusters under faults, each judged.
 *
 *   npm run linearizability -- --histories 200       on clusters of 1 to 5 nodes, 20 histories on each
 *   npm run linearizability -- --histories 3 --sizes 5 --seed 7
 *   npm run linearizability -- --faults 'stop leader,cut leader off'
 *   npm run linearizability -- --stale --histories 3       reads STALE: must be found out
 *   npm run linearizability -- --check FILE          judges a history that was kept
 *
 * Exit code 1 when a history is not linearizable or undecided, could not be taken to its end, or when too little happened;
 * 2 for bad usage. What was wrong is printed, and the history is kept in a file.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prng } from '../../simulation/prng.ts';
import { BadHistory } from '../history.ts';
import { keep, readEvidence } from './evidence.ts';
import { type PlannedFault, planFaults } from './faults.ts';
import { KvCluster } from './kv-cluster.ts';
import { type Options, readOptions } from './options.ts';
import { judge, type Taken, takeHistory } from './take-history.ts';
import { Tally } from './tally.ts';

/** Every so many histories there is one without faults: what the success of clients is measured by. */
const QUIET_EVERY = 10;
/** Clusters take turns between the default timing and this slower one: other races become likely. */
const TIMINGS = [[], ['--election-min-ms', '300', '--election-max-ms', '600']] as const;
const PLAN_STREAM = 2_000;
/** Histories taken at most, for each one that is wanted. */
const ATTEMPTS = 1.2;

class Campaign {
  readonly #options: Options;
  readonly #tally = new Tally();
  #keptIn: string | undefined;
  #cluster: KvCluster | undefined;
  #clusters = 0;
  #takenHere = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  async run(): Promise<number> {
    try {
      // Where a node of two is down for long, little happens.
      const attempts = Math.ceil(this.#options.histories * ATTEMPTS);
      for (let at = 0; at < attempts && this.#tally.histories < this.#options.histories; at++)
        await this.#one(at);
    } finally {
      await this.#cluster?.end();
    }
    for (const [fault, count] of [...this.#tally.faults].sort())
      say(`${String(count).padStart(6)}  ${fault}`);
    const { mostPerKey, mostAtOnce, refused, unansweredReads, undecidedWithoutLog } = this.#tally;
    say(
      `at most ${mostPerKey} operations of a key, ${mostAtOnce} at once; ${refused} refused, ` +
        `${unansweredReads} reads without an answer; ${undecidedWithoutLog} histories undecided without the log`,
    );
    const tooLittle = this.#tally.tooLittle(this.#options.histories, this.#options.faults);
    for (const reason of tooLittle) say(`too little happened: ${reason}`);
    process.stdout.write(`${this.#tally.line()}\n`);
    const { illegal, undecided, broken } = this.#tally;
    return illegal + undecided + broken > 0 || tooLittle.length > 0 ? 1 : 0;
  }

  async #one(at: number): Promise<void> {
    const seed = this.#options.seed * 1_000_000 + at;
    const { durationMs, stale } = this.#options;
    const quiet = at % QUIET_EVERY === 0;
    const faults = quiet ? [] : planFaults(new Prng(seed, PLAN_STREAM), durationMs, this.#options.faults);
    const began = performance.now();
    try {
      const cluster = await this.#clusterForNext();
      const consistency = stale ? 'STALE' : 'LINEARIZABLE';
      const taken = await takeHistory({ cluster, name: `h${at}`, seed, durationMs, faults, consistency });
      this.#tally.add(taken);
      say(progress(at, cluster.members.length, taken, performance.now() - began));
      if (taken.problems.length > 0) await this.#keep(at, taken, faults);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      // The next one needs a cluster that is known to be well.
      this.#tally.broken += 1;
      say(`history ${at} (${describeFaults(faults)}) broke off: ${error.message}`);
      await this.#endCluster();
    }
  }

  async #clusterForNext(): Promise<KvCluster> {
    const { perCluster, sizes } = this.#options;
    if (this.#takenHere >= perCluster) await this.#endCluster();
    this.#takenHere += 1;
    if (this.#cluster !== undefined) return this.#cluster;
    const size = sizes[this.#clusters % sizes.length] ?? 3;
    this.#cluster = await KvCluster.start(size, TIMINGS[this.#clusters % TIMINGS.length]);
    this.#clusters += 1;
    this.#takenHere = 1;
    return this.#cluster;
  }

  async #endCluster(): Promise<void> {
    await this.#cluster?.end();
    this.#cluster = undefined;
  }

  async #keep(at: number, taken: Taken, faults: readonly PlannedFault[]): Promise<void> {
    this.#keptIn ??= await mkdtemp(join(tmpdir(), 'outrigger-linearizability-'));
    const file = join(this.#keptIn, `history-${at}.json`);
    await keep(file, taken);
    say(`history ${at} (${describeFaults(faults)}) is wrong:\n${taken.problems.join('\n')}\nkept: ${file}`);
  }
}

function progress(at: number, size: number, taken: Taken, ms: number): string {
  const { history, faults, elections, withLog, withoutLog, resolved, checkMs } = taken;
  return [
    `history ${at} of ${size} nodes: ${withLog.verdict}, ${history.length} operations, ${withoutLog.unknown} unknown`,
    `(${resolved.removed} not in the log), ${elections} elections, ${faults.join(' + ') || 'no faults'},`,
    `checked in ${Math.round(checkMs.withLog)} ms and ${Math.round(checkMs.withoutLog)} ms, ${(ms / 1000).toFixed(1)} s`,
  ].join(' ');
}

function describeFaults(faults: readonly PlannedFault[]): string {
  const one = ({ fault, fromMs, forMs }: PlannedFault): string =>
    `${fault} at ${Math.round(fromMs)} ms for ${Math.round(forMs)} ms`;
  return faults.map(one).join(', ') || 'no faults';
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function judgeFile(file: string): Promise<number> {
  const { history, log } = await readEvidence(file);
  const { withLog, withoutLog, problems } = judge(history, log);
  for (const problem of problems) say(problem);
  process.stdout.write(
    `${history.length} operations: ${withLog.verdict}, without the log ${withoutLog.verdict}\n`,
  );
  return problems.length > 0 ? 1 : 0;
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    say(`linearizability: ${error.message}`);
    return 2;
  }
  if (options.check === undefined) return new Campaign(options).run();
  try {
    return await judgeFile(options.check);
  } catch (error) {
    if (!(error instanceof BadHistory)) throw error;
    say(`linearizability: ${error.message}`);
    return 2;
  }
}

process.exitCode = await main();
