/**
 * Starts copies of the program under test.
 *
 * MUST: leave none behind, also when this process is killed (`../cluster/reaper.ts`).
 */
import type { Launcher } from '../../conformance/contract.ts';
import { ManagedProcess } from '../cluster/managed-process.ts';
import { CliError, messageOf, usageError } from '../errors.ts';
import type { Shell } from '../shell.ts';

export interface Launching {
  readonly launch: Launcher;
  /** Kills what still runs; nothing is started after that. */
  killAll(): Promise<void>;
  /** Ends what watches over the copies. */
  close(): Promise<void>;
}

const CLOSE_MS = 3_000;

export async function launcherOf(shell: Shell, command: string, args: readonly string[]): Promise<Launching> {
  const reaper = await ManagedProcess.start({
    command: process.execPath,
    args: [shell.script, 'reap'],
    env: shell.env,
    stdin: 'held',
    onLine: () => undefined,
  });
  const running = new Set<ManagedProcess>();
  let over = false;
  const launch: Launcher = async ({ env, args: more, stdin, onLine }) => {
    if (over) throw new CliError('stopped.');
    const child = await ManagedProcess.start({
      command,
      args: [...args, ...more],
      env: { ...withoutOurs(shell.env), ...env },
      stdin,
      onLine,
    }).catch((error: unknown) => {
      throw usageError(messageOf(error));
    });
    if (over) await child.kill();
    running.add(child);
    reaper.tell(`+${child.pid}\n`);
    void child.exited.then(() => {
      running.delete(child);
      reaper.tell(`-${child.pid}\n`);
    });
    return child;
  };
  return {
    launch,
    killAll: async () => {
      over = true;
      await Promise.all([...running].map((child) => child.kill()));
    },
    close: async () => {
      await reaper.stop(CLOSE_MS);
    },
  };
}

/** A cluster that this shell was told of is not the one that is played. */
function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('OUTRIGGER_')));
}
