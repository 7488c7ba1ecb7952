/** The command line as a whole: its commands, its help, and how commander's complaints become ours. */
import { Command, CommanderError } from 'commander';
import { VERSION } from '../../shared/version.ts';
import { reap } from './cluster/reaper.ts';
import { addAppVersion } from './commands/app-version.ts';
import { addBackup } from './commands/backup.ts';
import { addBench } from './commands/bench.ts';
import { addCerts } from './commands/certs.ts';
import { addConformance } from './commands/conformance.ts';
import { addDemo } from './commands/demo.ts';
import { addDemoApp } from './commands/demo-app.ts';
import { addDev } from './commands/dev.ts';
import { addEvents } from './commands/events.ts';
import { addExplain } from './commands/explain.ts';
import { addFault } from './commands/fault.ts';
import { addGateway } from './commands/gateway.ts';
import { addHealth } from './commands/health.ts';
import { addLog } from './commands/log.ts';
import { addLsp } from './commands/lsp.ts';
import { addMembers } from './commands/members.ts';
import { addAdd, addPromote, addRemove, addReplace } from './commands/membership.ts';
import { addPropose } from './commands/propose.ts';
import { addRead } from './commands/read.ts';
import { addRecover } from './commands/recover.ts';
import { addRestore } from './commands/restore.ts';
import { addRun } from './commands/run.ts';
import { addRunNews } from './commands/run-news.ts';
import { addSkip } from './commands/skip.ts';
import { addSnapshot } from './commands/snapshot.ts';
import { addStatus } from './commands/status.ts';
import { addTerms } from './commands/terms.ts';
import { addTransfer } from './commands/transfer.ts';
import { usageError } from './errors.ts';
import type { Shell } from './shell.ts';

const HELP = `
Start here:
  outrigger demo                                         see it survive a crash
  outrigger dev -- python3 examples/python-kv/kv.py      your program beside each of three sidecars
  outrigger status                                       how the cluster of this machine is
  outrigger explain leader                               why it is so, with evidence

Commands find the sidecars of this machine by themselves; with several clusters, choose with --cluster.
Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 storage fault, 4 another daemon has the data folder.
\`outrigger COMMAND --help\` explains each command with examples.`;

/** Runs one command line. Throws CliError; sets `process.exitCode` where a command says so. */
export async function runProgram(shell: Shell, args: readonly string[]): Promise<void> {
  const program = buildProgram(shell);
  try {
    await program.parseAsync(args.length === 0 ? ['--help'] : args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version end by exception too, with exit code 0.
    if (error.exitCode !== 0) throw usageError(sentence(error.message));
  }
}

export function buildProgram(shell: Shell): Command {
  const program = new Command('outrigger')
    .description('A Raft sidecar for programs in any language.')
    .version(VERSION, '--version', 'print the version')
    .enablePositionalOptions()
    .helpCommand(false)
    .addHelpText('after', HELP);
  quiet(program, shell);
  program.commandsGroup('Run:');
  for (const add of [addRun, addDev, addDemo, addGateway, addCerts, addConformance]) add(program, shell);
  program.commandsGroup('Look and act:');
  const looking = [addStatus, addHealth, addExplain, addEvents, addMembers, addLog, addTerms];
  for (const add of [
    ...looking,
    addPropose,
    addRead,
    addTransfer,
    addAdd,
    addPromote,
    addRemove,
    addReplace,
    addSnapshot,
    addBackup,
    addRestore,
    addRecover,
    addSkip,
    addAppVersion,
    addFault,
    addBench,
    addLsp,
  ])
    add(program, shell);
  addRunNews(program);
  addDemoApp(program, shell);
  program.command('reap', { hidden: true }).action(() => reap(shell.stdin));
  for (const command of program.commands) {
    quiet(command, shell);
    for (const inner of command.commands) quiet(inner, shell);
  }
  return program;
}

/** Complaints are thrown, not printed: `main.ts` prints them as one line. */
function quiet(command: Command, { out }: Shell): void {
  command
    .exitOverride()
    .showHelpAfterError(false)
    .configureOutput({
      writeOut: (text) => out.bytes(Buffer.from(text)),
      writeErr: () => undefined,
      getOutHasColors: () => out.colors.isColorSupported,
    })
    .configureHelp({ styleTitle: (title) => out.colors.bold(title), helpWidth: 110 });
}

/** `error: unknown option '--x'\n(Did you mean --y?)` → `unknown option '--x' (Did you mean --y?)`. */
function sentence(message: string): string {
  const text = message
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
  return `${text}${/[.)?]$/.test(text) ? '' : '.'} See \`outrigger --help\`.`;
}
