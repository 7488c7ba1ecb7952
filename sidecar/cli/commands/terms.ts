/** `outrigger terms`: the log as runs of one term each. */
import type { Command } from 'commander';
import type { TermsView } from '../../../shared/inspect.ts';
import type { Shell } from '../shell.ts';
import { chooseOne, type TargetFlags, targetOptions } from '../targets.ts';

const COLUMNS = [
  { title: 'TERM', align: 'right' },
  { title: 'FIRST', align: 'right' },
  { title: 'LAST', align: 'right' },
  { title: 'ENTRIES', align: 'right' },
] as const;

const HELP = `
Each leader writes in a term of its own, so this is the history of leadership as far as the log goes back.

Examples:
  outrigger terms
  outrigger terms --node n2 --json`;

export function addTerms(program: Command, shell: Shell): void {
  targetOptions(program.command('terms'))
    .description('show the log as runs of terms')
    .addHelpText('after', HELP)
    .action(async (flags: TargetFlags & { json?: true }) => {
      const client = await chooseOne(flags, shell.env);
      const view = await client.get<TermsView>('/v1/log/terms', 'view');
      if (flags.json) {
        shell.out.json(view);
        return;
      }
      shell.out.table(
        COLUMNS,
        view.runs.map((run) => [run.term, run.first, run.last, run.last - run.first + 1]),
      );
      const snapshot =
        view.snapshotIndex === 0 ? '' : `, snapshot at ${view.snapshotIndex} (term ${view.snapshotTerm})`;
      shell.out.line(
        shell.out.colors.dim(`committed to ${view.commitIndex}, applied to ${view.appliedIndex}${snapshot}`),
      );
    });
}
