/** `outrigger conformance`: plays a sidecar for any app, and judges what the app says and does. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import VECTORS from '../../../test/conformance/vectors.json' with { type: 'json' };
import { APP_CHECKS } from '../../conformance/checks.ts';
import { CLIENT_CHECKS } from '../../conformance/client/checks.ts';
import type { Check, SuiteOptions, Workload } from '../../conformance/contract.ts';
import { judgeApp, judgeClient } from '../../conformance/suite.ts';
import { kvWorkload, opaqueWorkload, readCommands } from '../../conformance/workload.ts';
import { openWorkspace } from '../cluster/workspace.ts';
import { launcherOf } from '../conformance/launcher.ts';
import { countOf, describeFacts, Reporter } from '../conformance/report.ts';
import { ExitCode, messageOf, usageError } from '../errors.ts';
import { atLeast } from '../numbers.ts';
import type { Shell } from '../shell.ts';
import { stopSignals } from '../stop-signals.ts';

const WAIT_S = 10;
const WAIT_MAX_S = 600;
const JOBS = 3;
const JOBS_MAX = 16;

const HELP = `
It listens on a socket of its own, starts APP with OUTRIGGER_SOCKET, OUTRIGGER_NODE, OUTRIGGER_DATA (an empty folder) and, with --tcp,
OUTRIGGER_TOKEN, and speaks protocol 1 (docs/protocol.md) as a sidecar does, in the codec that APP begins with. No sidecar runs, nothing
is left behind. Several copies of APP run at a time: it must not insist on one port (KV_PORT=0 is set for the apps of examples/).

Commands are bytes that only APP understands. By default it is taken for the key-value app of examples/:
  {"op":"put","key":"k","value":"v"} and {"op":"delete","key":"k"}, each answered with {"existed":true or false}; where it prints
  \`listening on http://127.0.0.1:PORT\`, also its PUT, GET and GET /_dump are judged.
For any other app, give a file of commands (--commands). Then copies are compared with each other.

With --client, CLIENT gets the addresses of nodes as its last arguments, after --once where it is to use no session. It proposes each
line of its standard input when the one before is answered, and prints for each \`INDEX RESULT\`, or \`! KIND …\` where KIND is definite,
unknown or session-lost. After the last line it reads AT_LEAST the highest index it was told, and ends with 0.

A check that needs one that failed is skipped. Exit codes: 0 nothing failed, 1 something failed, 2 bad usage.

Examples:
  outrigger conformance -- python3 examples/python-kv/kv.py
  outrigger conformance --commands commands.txt -- ./my-app --quiet
  outrigger conformance --only restore-corrupt --only killed -- ./my-app
  outrigger conformance --client -- ./propose-lines
  outrigger conformance [--client] --list
  outrigger conformance --vectors > vectors.json      golden bytes of every frame, in both codecs`;

/** What of a check is listed. */
type Listed = Pick<Check<never>, 'id' | 'proves' | 'needs'>;

interface Flags {
  readonly commands?: string;
  readonly base64?: true;
  readonly client?: true;
  readonly tcp?: true;
  readonly only: readonly string[];
  readonly timeout: number;
  readonly jobs: number;
  readonly json?: true;
  readonly list?: true;
  readonly vectors?: true;
}

export function addConformance(program: Command, shell: Shell): void {
  const collect = (id: string, ids: readonly string[]): string[] => [...ids, id];
  program
    .command('conformance')
    .description('check that your app keeps to the protocol')
    .usage('[options] -- APP [ARG…]')
    .argument('[app]', 'your program')
    .argument('[arg...]', 'its arguments')
    .option('--client', 'the program is a client that proposes the lines of its standard input')
    .option('--commands <file>', 'commands of your app, one a line')
    .option('--base64', 'the lines of that file are base64')
    .option('--tcp', 'listen on loopback TCP with a token, instead of a Unix socket')
    .option('--only <id>', 'only this check, and what it needs; may be repeated', collect, [])
    .option('--timeout <seconds>', 'how long anything is waited for', atLeast(1, WAIT_MAX_S), WAIT_S)
    .option('--jobs <count>', 'how many checks at a time', atLeast(1, JOBS_MAX), JOBS)
    .option('--json', 'print JSON')
    .option('--list', 'print the checks and what each proves, and end')
    .option('--vectors', 'print the golden vectors of both codecs, and end')
    .passThroughOptions()
    .addHelpText('after', HELP)
    .action(async (command: string | undefined, args: string[], flags: Flags) => {
      process.exitCode = await conformance(shell, command, args, flags);
    });
}

async function conformance(
  shell: Shell,
  command: string | undefined,
  args: readonly string[],
  flags: Flags,
): Promise<number> {
  if (flags.vectors) {
    shell.out.line(JSON.stringify(VECTORS, undefined, 2));
    return ExitCode.DONE;
  }
  const checks: readonly Listed[] = flags.client ? CLIENT_CHECKS : APP_CHECKS;
  if (flags.list) return list(shell, checks, flags);
  if (command === undefined)
    throw usageError('which program? `outrigger conformance [options] -- APP [ARG…]`.');
  const only = known(flags.only, checks);
  const workload = await workloadOf(flags);
  const launching = await launcherOf(shell, command, args);
  const signals = stopSignals(() => launching.killAll());
  shell.whenUnread = signals.stop;
  const workspace = await openWorkspace('outrigger-conf-', undefined);
  const options: SuiteOptions = {
    ...{ launch: launching.launch, workload, folder: workspace.dir, tcp: flags.tcp === true },
    ...{ waitMs: flags.timeout * 1_000, jobs: flags.jobs, only },
  };
  try {
    const judged = judge(shell, options, flags, checks);
    const failed = await Promise.race([judged, signals.first.then(() => undefined)]);
    judged.catch(() => undefined);
    if (failed === undefined) shell.err.line('outrigger: stopped before all was judged');
    return failed === false ? ExitCode.DONE : ExitCode.FAILED;
  } finally {
    await launching.killAll();
    await launching.close();
    await workspace.close();
    signals.release();
  }
}

/** True when something failed. */
async function judge(
  shell: Shell,
  options: SuiteOptions,
  { json, client }: Flags,
  checks: readonly Listed[],
): Promise<boolean> {
  const { out } = shell;
  const reporter = new Reporter(
    out,
    checks.map(({ id }) => id),
  );
  if (!json) reporter.title();
  const { facts, findings } = await (client ? judgeClient : judgeApp)(
    options,
    json ? () => undefined : reporter.finding,
  );
  const count = countOf(findings);
  if (json) out.json({ program: facts ?? null, ...count, checks: findings });
  else reporter.summary(findings, describeFacts(facts));
  return count.failed > 0;
}

function list({ out }: Shell, checks: readonly Listed[], { json }: Flags): number {
  const listed = checks.map(({ id, proves, needs }) => ({ id, proves, needs }));
  if (json) out.json(listed);
  else
    out.table(
      [{ title: 'CHECK' }, { title: 'WHAT IT PROVES' }],
      listed.map(({ id, proves }) => [id, proves]),
    );
  return ExitCode.DONE;
}

function known(ids: readonly string[], checks: readonly Listed[]): ReadonlySet<string> {
  const wrong = ids.find((id) => !checks.some((check) => check.id === id));
  if (wrong !== undefined)
    throw usageError(`there is no check ${wrong}; \`outrigger conformance --list\` has them.`);
  return new Set(ids);
}

async function workloadOf({ client, commands, base64 }: Flags): Promise<() => Workload> {
  if (client && commands !== undefined)
    throw usageError('--commands is for apps: lines are given to a client by the suite.');
  if (commands === undefined) {
    if (base64) throw usageError('--base64 says how the file of --commands is written, and there is none.');
    return kvWorkload;
  }
  try {
    const list = readCommands(await readFile(commands, 'utf8'), base64 === true);
    return () => opaqueWorkload(list);
  } catch (error) {
    throw usageError(`--commands ${commands} cannot be used: ${messageOf(error)}.`);
  }
}
