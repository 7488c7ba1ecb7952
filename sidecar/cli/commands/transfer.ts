/** `outrigger transfer`: hands leadership over without an election timeout. */
import type { Command } from 'commander';
import type { Shell } from '../shell.ts';
import { chooseOne, type TargetFlags, targetOptions } from '../targets.ts';

const HELP = `
Without --to the leader hands over to the follower that has the most of its log. Writes pause for as long as that takes.

Examples:
  outrigger transfer
  outrigger transfer --to n2`;

export function addTransfer(program: Command, shell: Shell): void {
  targetOptions(program.command('transfer'))
    .description('hand leadership to another node')
    .option('--to <id>', 'the node to lead next')
    .addHelpText('after', HELP)
    .action(async ({ to, ...flags }: TargetFlags & { to?: string; json?: true }) => {
      const client = await chooseOne(flags, shell.env, 'leader');
      const body = to === undefined ? {} : { to };
      const answer = await client.post<{ leader: string; term: number }>(
        '/v1/leader/transfer',
        'admin',
        body,
      );
      if (flags.json) shell.out.json(answer);
      else shell.out.line(`${answer.leader} leads in term ${answer.term}`);
    });
}
