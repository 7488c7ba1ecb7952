/** `outrigger bench`: how many commands a second a running cluster takes, and how long each one waits. */
import type { Command } from 'commander';
import { endpointRoot } from '../../../shared/endpoint-files.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { duration } from '../../../shared/wording.ts';
import { discover } from '../../gateway/replicas.ts';
import { Load, type LoadResult } from '../bench/load.ts';
import { CliError, usageError } from '../errors.ts';
import type { Shell } from '../shell.ts';
import { chooseTargets, type TargetFlags, targetOptions } from '../targets.ts';

const HELP = `
Clients are spread over the nodes of this machine; each sends its next command when the one before was answered: committed, and applied by
the app beside that node. {n} in the command becomes 1, 2, 3, …

The commands are real ones: the app executes them, and they stay in the log. Use a cluster that is there for it (\`outrigger dev\`).

Examples:
  outrigger bench '{"op":"put","key":"bench-{n}","value":"x"}'
  outrigger bench '{"op":"put","key":"bench","value":"{n}"}' --clients 512 --seconds 30
  outrigger bench '…' --node n1 --clients 1        what one client alone waits at n1`;

const MAX_CLIENTS = LIMITS.requestsPerConnection;
const MAX_SECONDS = 3_600;

interface BenchFlags extends TargetFlags {
  readonly json?: true;
  readonly clients: number;
  readonly seconds: number;
  readonly warmup: number;
}

export function addBench(program: Command, shell: Shell): void {
  targetOptions(program.command('bench'))
    .description('measure how fast the cluster takes a command of your app')
    .argument('<command>', 'a command of your app, as text; {n} becomes its number')
    .option('--clients <count>', 'so many at a time', Number, 64)
    .option('--seconds <time>', 'how long it is measured', Number, 10)
    .option('--warmup <seconds>', 'load before that, which does not count', Number, 2)
    .addHelpText('after', HELP)
    .action(async (command: string, flags: BenchFlags) => {
      const { clients, seconds, warmup } = checked(flags);
      const replicas = await nodesOf(flags, shell.env);
      const load = new Load({
        ...{ clients, warmupMs: warmup * 1_000, measureMs: seconds * 1_000 },
        command: (number) => Buffer.from(command.replaceAll('{n}', String(number))),
        progress: (perSecond) => {
          if (shell.err.isTerminal) shell.err.line(`${perSecond.toLocaleString('en-US')}/s`);
        },
      });
      const result = await load.run(replicas).catch((error: unknown): never => {
        throw new CliError(error instanceof Error ? error.message : String(error));
      });
      const nodes = replicas.map(({ id }) => id);
      if (flags.json) shell.out.json({ nodes, clients, ...result });
      else print(shell, nodes, clients, result);
      if (result.completed === 0) throw new CliError('no command was acknowledged.');
    });
}

function checked({
  clients,
  seconds,
  warmup,
  http,
}: BenchFlags): Pick<BenchFlags, 'clients' | 'seconds' | 'warmup'> {
  if (http !== undefined)
    throw usageError('bench speaks to the app sockets of this machine: leave out --http.');
  if (!(Number.isInteger(clients) && clients >= 1 && clients <= MAX_CLIENTS))
    throw usageError(`--clients must be a whole number from 1 to ${MAX_CLIENTS}.`);
  if (!(seconds > 0 && seconds <= MAX_SECONDS))
    throw usageError(`--seconds must be a number over 0, up to ${MAX_SECONDS}.`);
  if (!(warmup >= 0 && warmup <= MAX_SECONDS))
    throw usageError(`--warmup must be a number from 0 to ${MAX_SECONDS}.`);
  return { clients, seconds, warmup };
}

/** The app sockets of the chosen nodes; at least one. */
async function nodesOf(flags: BenchFlags, env: NodeJS.ProcessEnv) {
  const targets = await chooseTargets(flags, env);
  const names = new Set(targets.map(({ name }) => name));
  const cluster = targets[0]?.trust?.node?.cluster ?? '';
  const { replicas, skipped } = await discover(cluster, endpointRoot(env));
  const chosen = replicas.filter(({ id }) => names.has(id));
  if (chosen.length > 0) return chosen;
  throw new CliError(
    `no app socket of ${cluster} can be used here: ${skipped[0]?.reason ?? 'there is none'}.`,
  );
}

const COLUMNS = [
  { title: 'CLIENTS', align: 'right' },
  { title: 'PER SECOND', align: 'right' },
  { title: 'P50', align: 'right' },
  { title: 'P90', align: 'right' },
  { title: 'P99', align: 'right' },
  { title: 'WORST', align: 'right' },
  { title: 'ACKNOWLEDGED', align: 'right' },
  { title: 'FAILED', align: 'right' },
] as const;

function print({ out }: Shell, nodes: readonly string[], clients: number, result: LoadResult): void {
  const { perSecond, latencyMs, completed, errors, seconds } = result;
  const count = (value: number): string => Math.round(value).toLocaleString('en-US');
  const failed = Object.values(errors).reduce((sum, one) => sum + one, 0);
  out.line(`${nodes.join(', ')}, for ${duration(seconds * 1_000)}`);
  out.table(COLUMNS, [
    [
      ...[String(clients), count(perSecond), duration(latencyMs.p50), duration(latencyMs.p90)],
      ...[duration(latencyMs.p99), duration(latencyMs.max), count(completed)],
      failed === 0 ? '0' : { text: count(failed), paint: out.colors.red },
    ],
  ]);
  for (const [code, times] of Object.entries(errors)) out.line(`${code}: ${count(times)}`);
}
