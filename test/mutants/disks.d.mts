/** Builds that bring less to the disk than they say, see disks.mjs. */
import type { Mutant } from './mutants.mjs';
export const UNSYNCED: readonly Mutant[];
