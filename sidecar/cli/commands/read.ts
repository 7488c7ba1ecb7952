/** `outrigger read`: the index at which a read may be served. */
import { type Command, Option } from 'commander';
import { usageError } from '../errors.ts';
import { atLeast } from '../numbers.ts';
import type { Shell } from '../shell.ts';
import { chooseOne, type TargetFlags, targetOptions } from '../targets.ts';

const HELP = `
Prints an index: the app beside the node that was asked has applied at least that much when the answer comes, so what it
holds from then on is at least as new as the consistency says. LINEARIZABLE sees every write that was acknowledged before;
LEASE as well, without asking anybody, on a leader that runs with --lease-reads and has a lease now. STALE promises nothing.

Examples:
  outrigger read
  outrigger read --node n3 --consistency AT_LEAST --index 41
  outrigger read --consistency LEASE`;

interface ReadFlags extends TargetFlags {
  readonly consistency: string;
  readonly index?: number;
  readonly json?: true;
}

export function addRead(program: Command, shell: Shell): void {
  targetOptions(program.command('read'))
    .description('wait until a read may be served, and print its index')
    .addOption(
      new Option('--consistency <level>', 'how fresh')
        .choices(['LINEARIZABLE', 'LEASE', 'AT_LEAST', 'STALE'])
        .default('LINEARIZABLE'),
    )
    .option('--index <index>', 'with AT_LEAST: the index to wait for', atLeast(0))
    .addHelpText('after', HELP)
    .action(async ({ consistency, index, ...flags }: ReadFlags) => {
      if ((consistency === 'AT_LEAST') !== (index !== undefined)) {
        throw usageError('--consistency AT_LEAST and --index go together.');
      }
      const client = await chooseOne(flags, shell.env, consistency === 'LEASE' ? 'leader' : 'any');
      const body = index === undefined ? { consistency } : { consistency, index };
      const answer = await client.post<{ index: number }>('/v1/read', 'write', body);
      if (flags.json) shell.out.json(answer);
      else shell.out.line(String(answer.index));
    });
}
