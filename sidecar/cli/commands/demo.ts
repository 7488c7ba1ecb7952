/** `outrigger demo`: a replicated key-value app, a crash, and proof that nothing was lost. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { carriedFile } from '../../../shared/carried-files.ts';
import { LocalCluster } from '../cluster/local-cluster.ts';
import { describeExit } from '../cluster/managed-process.ts';
import { clusterName, openWorkspace, type Workspace } from '../cluster/workspace.ts';
import type { Copy } from '../demo/check.ts';
import { tellStory } from '../demo/story.ts';
import { CliError, ExitCode, messageOf, usageError } from '../errors.ts';
import { atLeast } from '../numbers.ts';
import { packageRoot, type Shell, spokenName, startWords } from '../shell.ts';
import { stopSignals } from '../stop-signals.ts';
import { DEMO_APP } from './demo-app.ts';

/** `carried`: the one in TypeScript, which is part of this program. */
const APP_NAMES = ['python', 'carried'] as const;
type AppName = (typeof APP_NAMES)[number];
interface App {
  readonly command: string;
  readonly args: readonly string[];
  /** Which one it is, in words. */
  readonly what: string;
}
const PYTHON_APP = 'examples/python-kv/kv.py';
const NODES = 3;
const APPS_MS = 15_000;
const LISTENING = /^listening on (http:\/\/127\.0\.0\.1:\d+)$/;

const HELP = `
Starts three sidecars and three copies of a key-value app on this machine, writes through all of them, kills the leader
with kill -9 while writers write, starts it again, and checks every acknowledged write on every node.
Then it stays up for you to play with, until Ctrl-C. The app is examples/python-kv where there is Python 3.8 or newer; where
there is none it is examples/typescript-kv, which this program carries. Nothing else is needed.

Examples:
  outrigger demo
  outrigger demo --once      ends by itself; exit code 0 only if nothing was lost`;

interface DemoFlags {
  readonly once?: true;
  readonly app?: AppName;
  readonly keepDown: number;
}

export function addDemo(program: Command, shell: Shell): void {
  program
    .command('demo')
    .description('watch a replicated app survive a crash (about 10 s)')
    .option('--once', 'end after the check')
    .addOption(
      new Option('--app <which>', 'the app to run (default: python where there is one)').choices(APP_NAMES),
    )
    .addOption(
      new Option('--keep-down <count>', 'deliberately keep so many nodes down, to see the demo fail')
        .argParser(atLeast(0, NODES))
        .default(0)
        .hideHelp(),
    )
    .addHelpText('after', HELP)
    .action(async (flags: DemoFlags) => {
      process.exitCode = await demo(shell, flags);
    });
}

async function demo(shell: Shell, flags: DemoFlags): Promise<number> {
  const python = choosePython(flags.app);
  const workspace = await openWorkspace('outrigger-demo-', undefined);
  let cluster: LocalCluster | undefined;
  const signals = stopSignals(() => cluster?.killAll());
  const { out, err } = shell;
  try {
    const app = await prepareApp(shell, workspace, python);
    out.line(
      out.colors.bold(
        `Three nodes on this machine, each a sidecar and a small key-value server ${app.what}.`,
      ),
    );
    const started = await startCluster(shell, workspace, app);
    cluster = started.cluster;
    for (const [at, node] of cluster.nodes.entries()) {
      out.line(
        `${out.colors.bold(node.id.padStart(6))}  app ${started.copies[at]?.app}, sidecar ${node.http}`,
      );
    }
    const told = tellStory({ ...started, out, keepDown: flags.keepDown });
    if ((await Promise.race([told.then(() => 'told'), signals.first])) === undefined) {
      told.catch((error: unknown) => err.line(`outrigger: stopped: ${messageOf(error)}`));
      return ExitCode.FAILED;
    }
    out.line(out.colors.green('Nothing was lost.'));
    if (!flags.once) await stayUp(shell, cluster, started.copies, signals.first);
    return ExitCode.DONE;
  } catch (error) {
    if (error instanceof CliError) out.line(out.colors.red('The demo failed.'));
    throw error;
  } finally {
    await cluster?.stop();
    await workspace.close();
    signals.release();
  }
}

/** The name of a Python that is new enough; undefined where the app that we carry is to run. Throws CliError (exit code 2). */
function choosePython(asked: AppName | undefined): string | undefined {
  if (asked === 'carried') return undefined;
  for (const name of ['python3', 'python']) {
    const found = spawnSync(name, ['-c', 'import sys; sys.exit(0 if sys.version_info >= (3, 8) else 1)']);
    if (found.status === 0) return name;
  }
  if (asked === undefined) return undefined;
  throw usageError('--app python needs Python 3.8 or newer as python3 on the PATH, and there is none.');
}

/** Throws CliError (exit code 2) where the example is not there. */
async function prepareApp({ script }: Shell, { dir }: Workspace, python: string | undefined): Promise<App> {
  if (python === undefined) {
    const [command, ...args] = startWords(script);
    const what = 'in TypeScript, which this program carries';
    return { command, args: [...args, DEMO_APP], what };
  }
  const inside = carriedFile(PYTHON_APP);
  const program = inside === undefined ? join(packageRoot(script), PYTHON_APP) : join(dir, 'kv.py');
  if (inside !== undefined) await writeFile(program, inside);
  if (!existsSync(program)) throw usageError(`the example is not there: ${program}.`);
  return { command: python, args: [program], what: 'in Python' };
}

async function startCluster(
  shell: Shell,
  { dir }: Workspace,
  { command, args }: App,
): Promise<{ cluster: LocalCluster; copies: Copy[] }> {
  const apps = new Map<string, (address: string) => void>();
  const { out, err } = shell;
  const addresses = Array.from(
    { length: NODES },
    (_, at) => new Promise<string>((resolve) => apps.set(`n${at + 1}`, resolve)),
  );
  const cluster = await LocalCluster.start({
    script: shell.script,
    cluster: clusterName('demo', dir),
    nodes: NODES,
    dir,
    env: { ...shell.env, KV_PORT: '0', PYTHONDONTWRITEBYTECODE: '1' },
    app: { command, args },
    sidecarFlags: ['--log-level', 'error'],
    onLine: (node, part, stream, text) => {
      const address = part === 'app' ? LISTENING.exec(text)?.[1] : undefined;
      if (address !== undefined) apps.get(node.id)?.(address);
      else if (stream === 'stderr') err.line(out.colors.dim(`${node.id} ${part}: ${text}`));
    },
    onDeath: (node, part, exit) => {
      err.line(`outrigger: the ${part} of ${node.id} has ended: ${describeExit(exit)}`);
    },
  });
  const timeout = AbortSignal.timeout(APPS_MS);
  const late = new Promise<never>((_, reject) => {
    const why = `the apps were not listening within ${APPS_MS / 1000} s.`;
    timeout.addEventListener('abort', () => reject(new CliError(why)));
  });
  try {
    const listening = await Promise.race([Promise.all(addresses), late]);
    return { cluster, copies: cluster.nodes.map(({ id }, at) => ({ node: id, app: listening[at] ?? '' })) };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

async function stayUp(
  { out, script }: Shell,
  cluster: LocalCluster,
  copies: readonly Copy[],
  stopped: Promise<void>,
): Promise<void> {
  const [first, second] = copies;
  const leader = (await cluster.waitForLeader(1_000))?.node;
  const id = leader ?? 'n1';
  out.line();
  out.line('The cluster stays up until Ctrl-C. Try, in another terminal:');
  for (const line of [
    `curl -X PUT -d 'hello' ${first?.app}/greeting`,
    `curl -i ${second?.app}/greeting`,
    `curl ${cluster.node(id).http}/v1/status`,
    ...['status', 'log', 'transfer'].map((command) => `${spokenName(script)} ${command}`),
  ]) {
    out.line(`  ${out.colors.cyan(line)}`);
  }
  await stopped;
  out.line('stopping');
}
