/** `outrigger members`: the membership as one node knows it. */
import type { Command } from 'commander';
import type { MemberStatus } from '../../../shared/inspect.ts';
import type { Shell } from '../shell.ts';
import { chooseOne, type TargetFlags, targetOptions } from '../targets.ts';

const COLUMNS = [
  { title: 'NODE' },
  { title: 'KIND' },
  { title: 'PRIORITY' },
  { title: 'PEER' },
  { title: 'HTTP' },
  { title: 'LINK' },
] as const;

const HELP = `
LINK is the connection from the node that was asked; choose that node with --node.

Examples:
  outrigger members
  outrigger members --node n3 --json`;

export function addMembers(program: Command, shell: Shell): void {
  targetOptions(program.command('members'))
    .description('show the members of the cluster and the links to them')
    .addHelpText('after', HELP)
    .action(async (flags: TargetFlags & { json?: true }) => {
      const client = await chooseOne(flags, shell.env);
      const members = await client.get<readonly MemberStatus[]>('/v1/members', 'view');
      if (flags.json) {
        shell.out.json(members);
        return;
      }
      const { colors } = shell.out;
      shell.out.table(
        COLUMNS,
        members.map((member) => [
          member.id,
          member.kind,
          String(member.priority ?? 0),
          member.peer,
          member.http || '-',
          member.self
            ? { text: 'this node', paint: colors.dim }
            : member.connected
              ? { text: 'connected', paint: colors.green }
              : { text: member.reason || 'not connected', paint: colors.red },
        ]),
      );
    });
}
