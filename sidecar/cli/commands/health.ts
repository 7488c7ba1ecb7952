/**
 * `outrigger health`: the probes of sidecars as an exit code, for containers and scripts that have no HTTP client.
 *
 * MUST: ask the probes themselves, and need no token.
 */
import { type Command, Option } from 'commander';
import { Client } from '../client.ts';
import { CliError, ExitCode } from '../errors.ts';
import type { Shell } from '../shell.ts';
import { chooseTargets, type TargetFlags, targetOptions } from '../targets.ts';
import { harmless } from '../terminal.ts';

const PROBES = {
  live: { path: '/livez', good: 'works' },
  ready: { path: '/readyz', good: 'is ready' },
  leader: { path: '/leader', good: 'leads, and holds a quorum' },
} as const;
type Probe = keyof typeof PROBES;

const HELP = `
live: the process works. ready: it knows a leader, has caught up, and has a healthy app. leader: it leads and holds a quorum.
Without --node or --http all sidecars of the cluster on this machine are asked.
Exit code 0 only if all that were asked are well (leader: if one of them leads); else 1, and why.

Examples:
  outrigger health                                            are the sidecars of this machine ready?
  outrigger health --of live --http http://127.0.0.1:8001     a container's health check`;

export function addHealth(program: Command, shell: Shell): void {
  targetOptions(program.command('health'))
    .description('ask probes, and say it by the exit code too')
    .addOption(
      new Option('--of <probe>', 'live, ready or leader').choices(Object.keys(PROBES)).default('ready'),
    )
    .addHelpText('after', HELP)
    .action(async (flags: TargetFlags & { json?: true; of: Probe }) => {
      const targets = await chooseTargets(flags, shell.env);
      const { path, good } = PROBES[flags.of];
      const answers = await Promise.all(
        targets.map(async (target) => ({ node: target.name, ...(await ask(new Client(target), path)) })),
      );
      if (flags.json)
        shell.out.json(answers.map(({ node, reason }) => ({ node, ok: reason === '', reason })));
      for (const { node, reason } of answers) {
        if (reason !== '') shell.err.line(`outrigger: ${harmless(reason)}`);
        else if (!flags.json) shell.out.line(`${harmless(node)} ${good}`);
      }
      const well = answers.filter(({ reason }) => reason === '').length;
      const enough = flags.of === 'leader' ? 1 : answers.length;
      process.exitCode = well >= enough ? ExitCode.DONE : ExitCode.FAILED;
    });
}

/** Why it is not well, '' where it is. */
async function ask(client: Client, path: string): Promise<{ reason: string }> {
  try {
    await client.get(path);
    return { reason: '' };
  } catch (error) {
    if (error instanceof CliError) return { reason: error.message };
    throw error;
  }
}
