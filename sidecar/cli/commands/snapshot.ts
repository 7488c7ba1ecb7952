/** `outrigger snapshot`: has one node take a snapshot of its app now. */
import type { Command } from 'commander';
import { byteSize } from '../../../shared/wording.ts';
import type { Shell } from '../shell.ts';
import { chooseOne, type TargetFlags, targetOptions } from '../targets.ts';

/** A large one takes its time. */
const SNAPSHOT_MS = 600_000;

const HELP = `
Nodes take snapshots by themselves, after so much log (settings snapshotBytes and snapshotEntries). This asks one node for one at
once, with the app's bytes. It needs an app that said in hello that it has snapshots.

Examples:
  outrigger snapshot --node n2`;

export function addSnapshot(program: Command, shell: Shell): void {
  targetOptions(program.command('snapshot'))
    .description('take a snapshot of the app of one node now')
    .addHelpText('after', HELP)
    .action(async (flags: TargetFlags & { json?: true }) => {
      const client = await chooseOne(flags, shell.env);
      const answer = await client.post<{ index: number; term: number; bytes: number }>(
        '/v1/snapshot',
        'admin',
        {},
        SNAPSHOT_MS,
      );
      if (flags.json) shell.out.json(answer);
      else shell.out.line(`a snapshot of everything up to entry ${answer.index}: ${byteSize(answer.bytes)}`);
    });
}
