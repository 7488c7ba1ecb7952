/** What may stand on a command line: the commands of `outrigger` and their options, from the command's own definition. */
import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import { loadConfig } from '../../sidecar/cli/config.ts';
import { buildProgram } from '../../sidecar/cli/program.ts';
import { createTerminal } from '../../sidecar/cli/terminal.ts';

function build(): Command {
  const nowhere = createTerminal(new PassThrough(), {});
  return buildProgram({
    env: {},
    stdin: new PassThrough(),
    out: nowhere,
    err: nowhere,
    script: '',
    whenUnread: () => undefined,
  });
}

/** Those that `--help` lists, and what it names as inner ones (`certs ca`). */
export function commands(): readonly Command[] {
  const program = build();
  const shown = program.createHelp().visibleCommands(program);
  return shown.filter((command) => command.name() !== 'help');
}

/** `--join` and the like, of a command and those inside it, hidden ones too. */
export function optionsOf(command: Command): string[] {
  const own = command.options.flatMap(({ long }) => long ?? []);
  return [...own, ...command.commands.flatMap(optionsOf)];
}

export function shownOptionsOfRun(): string[] {
  const run = commands().find((command) => command.name() === 'run');
  if (run === undefined) throw new Error('there is no `outrigger run`');
  const options = run.options.filter(({ hidden }) => !hidden);
  return options.flatMap(({ long }) => long ?? []);
}

/** The value of each setting that nobody gave, by its name in the file. */
export function defaults(): ReadonlyMap<string, unknown> {
  const given = { id: 'n1', cluster: 'orders', data: '/nowhere/n1', members: 'n1=127.0.0.1:7001' };
  return new Map(Object.entries(loadConfig(given, {})));
}

/** `--peer-listen` → `peerListen`; `--no-pre-vote` → `preVote`. */
export function settingOf(option: string): string {
  return option
    .replace(/^--(no-)?/, '')
    .replaceAll(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase());
}
