/**
 * What every command is given: where it runs and what it prints with. One object, so that commands take nothing from
 * the process by themselves and tests can hand them another one.
 */
import { basename, dirname, join, relative } from 'node:path';
import type { Terminal } from './terminal.ts';

export interface Shell {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadableStream;
  readonly out: Terminal;
  readonly err: Terminal;
  /** The script of this command (`dist/sidecar/main.mjs`), or the single executable itself: children are started with it. */
  readonly script: string;
  /**
   * Called when nobody reads our output any more (`outrigger log | head`), maybe again and again. At first it ends the
   * process at once; a command that has something to clean up puts its orderly stop here.
   */
  whenUnread: () => void;
}

/** The words that start this command again: Node.js with the script, or the single executable, which needs none. */
export function startWords(script: string): readonly [string, ...string[]] {
  return script === process.execPath ? [script] : [process.execPath, script];
}

/** The package's root folder: the bundle is `dist/sidecar/main.mjs` in it. */
export function packageRoot(script: string): string {
  return join(dirname(script), '..', '..');
}

/** What a user types to start this command, as it was started just now. */
export function spokenName(
  script: string,
  started = process.argv[1] ?? script,
  folder = process.cwd(),
): string {
  // An installed package puts `outrigger` on the PATH.
  if (basename(started) === 'outrigger') return 'outrigger';
  const path = relative(folder, started);
  return script === process.execPath ? (path.includes('/') ? path : `./${path}`) : `node ${path}`;
}
