/** `outrigger app-version`: has the app's commands be of a newer version from one entry of the log on. */
import type { Command } from 'commander';
import { atLeast } from '../numbers.ts';
import type { Shell } from '../shell.ts';
import { chooseOne, type TargetFlags, targetOptions } from '../targets.ts';

const HELP = `
For an upgrade of the app that changes what a command does. Upgrade every app first, to one that does the old thing and the new one
and says so (\`version\` in its hello). Then say the version here: it is written into the log, and each app does the new thing from
that entry on, whenever it gets there. A version only rises.

DANGER of --force: where the app does not know the version it is given nothing from there on, until one comes that does.

Examples:
  outrigger app-version 2 --reason 'amounts are in cents'`;

export function addAppVersion(program: Command, shell: Shell): void {
  targetOptions(program.command('app-version'))
    .description('begin a newer version of the app\u2019s commands, on every node at one entry')
    .argument('<version>', 'the version that every app knows by now', atLeast(1))
    .requiredOption('--reason <text>', 'why, for the log')
    .option('--force', 'also where an app does not know it, or does not say')
    .addHelpText('after', HELP)
    .action(
      async (
        version: number,
        { reason, force, ...flags }: TargetFlags & { reason: string; force?: true; json?: true },
      ) => {
        const client = await chooseOne(flags, shell.env);
        const body = { version, reason, force: force === true };
        const answer = await client.post<{ version: number; at: number }>('/v1/app-version', 'admin', body);
        if (flags.json) shell.out.json(answer);
        else shell.out.line(`commands after entry ${answer.at} are of version ${answer.version}`);
      },
    );
}
