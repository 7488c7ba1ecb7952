/** `outrigger skip`: has every node pass over a command that apps cannot apply. */
import type { Command } from 'commander';
import { atLeast } from '../numbers.ts';
import type { Shell } from '../shell.ts';
import { chooseOne, type TargetFlags, targetOptions } from '../targets.ts';

const HELP = `
For a command that makes every app fail. It is written into the log: from then on no node gives the command at INDEX to its app,
and whoever proposed it is refused (SKIPPED). Ask the node whose app stands there; one whose app has applied the command refuses.

DANGER: an app that has applied the command on another node keeps its effect, and is another state from then on. Look at
\`outrigger status\` first: no node may have applied INDEX. Better, where it can be had: repair the app and start it again.

Examples:
  outrigger skip 4711 --reason 'divides by zero in 2.3; nobody applied it'`;

export function addSkip(program: Command, shell: Shell): void {
  targetOptions(program.command('skip'))
    .description('pass over a command that no app can apply, on every node')
    .argument('<index>', 'the index of its entry in the log', atLeast(1))
    .requiredOption('--reason <text>', 'why, for the log')
    .addHelpText('after', HELP)
    .action(async (index: number, { reason, ...flags }: TargetFlags & { reason: string; json?: true }) => {
      const client = await chooseOne(flags, shell.env);
      const answer = await client.post<{ index: number; at: number }>('/v1/skip', 'admin', { index, reason });
      if (flags.json) shell.out.json(answer);
      else shell.out.line(`entry ${answer.index} is skipped on every node (said so at ${answer.at})`);
    });
}
