/**
 * What the bench needs of a system under load, whichever it is.
 */

import type { Child } from './processes.ts';
import type { LoadPlan } from './protocol.ts';

export interface System {
  /** As shown in the table. */
  readonly name: string;
  /** The load generator, for the footnote of the table. */
  readonly client: string;
  /** Resolves when all nodes serve. */
  start(): Promise<void>;
  /** The program that offers `plan` to this system. */
  load(plan: Omit<LoadPlan, 'target' | 'endpoints' | 'connections'>): { command: string; args: string[] };
  /** Running processes by what they are for, to split CPU time. The leader may have changed since the last call. */
  processes(): Promise<Map<string, Child[]>>;
  stop(): Promise<void>;
}

/** `main.mjs` itself: the bench's own child processes are modes of it. */
export const self: string = process.argv[1] ?? '';
