/**
 * What every command is given: where it runs and what it prints with. One object, so that commands take nothing from
 * the process by themselves and tests can hand them another one.
 */
import { dirname, join } from 'node:path';
import type { Terminal } from './terminal.ts';

export interface Shell {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadableStream;
  readonly out: Terminal;
  readonly err: Terminal;
  /** The script of this command (`dist/sidecar/main.mjs`): children are started with it. */
  readonly script: string;
  /**
   * Called when nobody reads our output any more (`outrigger log | head`), maybe again and again. At first it ends the
   * process at once; a command that has something to clean up puts its orderly stop here.
   */
  whenUnread: () => void;
}

/** The package's root folder: the bundle is `dist/sidecar/main.mjs` in it. */
export function packageRoot(script: string): string {
  return join(dirname(script), '..', '..');
}
