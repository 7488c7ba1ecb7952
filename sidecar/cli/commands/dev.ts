/** `outrigger dev`: a local cluster, with your program beside each sidecar. */
import { type Command, Option } from 'commander';
import type { Part } from '../cluster/local-cluster.ts';
import { LocalCluster, type LocalNode } from '../cluster/local-cluster.ts';
import { describeExit, type Exit } from '../cluster/managed-process.ts';
import { clusterName, openWorkspace } from '../cluster/workspace.ts';
import { CliError } from '../errors.ts';
import { atLeast } from '../numbers.ts';
import type { Shell } from '../shell.ts';
import { stopSignals } from '../stop-signals.ts';
import { harmless, type Terminal } from '../terminal.ts';

const LEADER_MS = 15_000;

const HELP = `
Each app gets in its environment:
  OUTRIGGER_SOCKET   the app socket of its sidecar (docs/protocol.md says what to speak there)
  OUTRIGGER_NODE     the name of its node: n1, n2, …
  OUTRIGGER_DATA     a folder of its own
Output is shown line by line with the name of its node in front. Nothing is restarted: what ends is reported.
Ctrl-C stops everything. The data is in a fresh temporary folder that is removed at the end, unless --dir is given.
Meanwhile \`outrigger status\` and the other commands work from any terminal.

Examples:
  outrigger dev -- python3 examples/python-kv/kv.py
  outrigger dev --nodes 5 --dir ./data -- ./my-server --port 0
  outrigger dev --once -- ./my-test          ends when all apps have ended; exit code 0 only if all of theirs are`;

interface DevFlags {
  readonly nodes: number;
  readonly dir?: string;
  readonly once?: true;
  readonly control?: true;
  readonly agents?: true;
  readonly exitWithParent?: true;
}

export function addDev(program: Command, shell: Shell): void {
  program
    .command('dev')
    .description('run a local cluster with your program beside each sidecar')
    .usage('[options] -- APP [ARG…]')
    .argument('<app>', 'your program')
    .argument('[arg...]', 'its arguments')
    .option('--nodes <count>', 'how many nodes', atLeast(1, 9), 3)
    .option('--dir <folder>', 'where to keep the data, and leave it')
    .option('--once', 'end when the apps have ended')
    .option('--control', 'let faults be planted (`outrigger fault`), and editors propose and transfer')
    .option('--agents', "give each sidecar ports for HAProxy's agent-check, and show them")
    .addOption(new Option('--exit-with-parent', 'stop when standard input closes').hideHelp())
    .passThroughOptions()
    .addHelpText('after', HELP)
    .action(async (command: string, args: string[], flags: DevFlags) => {
      process.exitCode = await dev(shell, { command, args }, flags);
    });
}

async function dev(
  shell: Shell,
  app: { command: string; args: readonly string[] },
  flags: DevFlags,
): Promise<number> {
  let cluster: LocalCluster | undefined;
  const signals = stopSignals(() => cluster?.killAll());
  // Who reads us is gone: what runs here is stopped in order all the same.
  shell.whenUnread = signals.stop;
  if (flags.exitWithParent) shell.stdin.on('end', signals.stop).on('error', signals.stop).resume();
  const workspace = await openWorkspace('outrigger-dev-', flags.dir);
  try {
    const printer = new Printer(shell, flags.nodes);
    const name = clusterName('dev', workspace.dir);
    cluster = await LocalCluster.start({
      script: shell.script,
      cluster: name,
      nodes: flags.nodes,
      dir: workspace.dir,
      env: shell.env,
      app,
      sidecarFlags: sidecarFlags(flags),
      onLine: printer.line,
      onDeath: printer.death,
    });
    shell.out.line(
      `cluster ${name}, data in ${workspace.dir}${workspace.temporary ? ' (removed at the end)' : ''}`,
    );
    for (const node of cluster.nodes) printer.node(node);
    void announceLeader(cluster, shell.out);
    const ended = allEnded(cluster, flags.once === true);
    const failed = await Promise.race([ended, signals.first.then(() => false)]);
    if (signals.received) shell.out.line('stopping');
    return failed ? 1 : 0;
  } finally {
    await cluster?.stop();
    await workspace.close();
    signals.release();
  }
}

function sidecarFlags({ control, agents }: DevFlags): string[] {
  const anyPort = '127.0.0.1:0';
  return [
    ...['--log-level', 'error', ...(control ? ['--control'] : [])],
    ...(agents ? ['--agent-listen', anyPort, '--agent-ready-listen', anyPort] : []),
  ];
}

/** Resolves when there is nothing left to wait for: with `once` the apps have ended, else every process has. True: badly. */
async function allEnded(cluster: LocalCluster, once: boolean): Promise<boolean> {
  const apps = await Promise.all(cluster.nodes.map((node) => cluster.exited(node, 'app')));
  if (once) return apps.some((exit) => exit.code !== 0);
  await Promise.all(cluster.nodes.map((node) => cluster.exited(node, 'sidecar')));
  throw new CliError('every process has ended.');
}

async function announceLeader(cluster: LocalCluster, out: Terminal): Promise<void> {
  const leader = await cluster.waitForLeader(LEADER_MS);
  if (leader !== undefined) out.line(out.colors.green(`${leader.node} leads in term ${leader.term}`));
}

/** From the line by which a sidecar says what it bound. */
const boundAgents = (line: string): { agent?: string; agentReady?: string } => JSON.parse(line);

/** Puts the name of the node before each line, in a colour of its own. */
class Printer {
  readonly #shell: Shell;
  readonly #width: number;

  constructor(shell: Shell, nodes: number) {
    this.#shell = shell;
    this.#width = `n${nodes} sidecar`.length;
  }

  node({ id, http, peer, appSocket }: LocalNode): void {
    this.#shell.out.line(
      `${this.#prefix(this.#shell.out, id, '')} http ${http}, peers ${peer}, app socket ${appSocket}`,
    );
  }

  readonly line = (node: LocalNode, part: Part, stream: 'stdout' | 'stderr', text: string): void => {
    // The only line on standard output is what it bound, which LocalCluster waits for; the log is on standard error.
    if (part === 'sidecar' && stream === 'stdout') return this.#agents(node, text);
    const to = part === 'app' && stream === 'stdout' ? this.#shell.out : this.#shell.err;
    to.line(`${this.#prefix(to, node.id, part === 'app' ? '' : ' sidecar')} ${text}`);
  };

  #agents(node: LocalNode, bound: string): void {
    const { agent, agentReady } = boundAgents(bound);
    if (agent === undefined || agentReady === undefined) return;
    const { out } = this.#shell;
    out.line(
      `${this.#prefix(out, node.id, '')} agent-check: up on the leader ${agent}, up where ready ${agentReady}`,
    );
  }

  readonly death = (node: LocalNode, part: Part, exit: Exit): void => {
    const { out } = this.#shell;
    out.line(
      `${this.#prefix(out, node.id, '')} ${out.colors.red(`the ${part} has ended: ${harmless(describeExit(exit))}`)}`,
    );
  };

  #prefix(to: Terminal, id: string, part: string): string {
    const { cyan, magenta, yellow, blue, green } = to.colors;
    const paint = [cyan, magenta, yellow, blue, green][Number(id.slice(1)) % 5] ?? cyan;
    return paint(`${`${id}${part}`.padEnd(this.#width)} |`);
  }
}
