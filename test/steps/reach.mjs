/**
 * In a build with steps: says which are reached, and ends the process at one of them, as a power cut would.
 *
 *   OUTRIGGER_TEST_STEPS=FILE      the name of each step that is reached is a line of it
 *   OUTRIGGER_TEST_KILL_AT=N:NAME  SIGKILL when that step is reached for the N-th time
 */
import { appendFileSync } from 'node:fs';

const { OUTRIGGER_TEST_STEPS: file, OUTRIGGER_TEST_KILL_AT: killAt = '' } = process.env;
const [, count = '0', name = ''] = /^(\d+):(.+)$/.exec(killAt) ?? [];
let left = Number(count);

export function reachStep(reached) {
  if (file !== undefined) appendFileSync(file, `${reached}\n`);
  if (reached !== name || --left !== 0) return;
  process.kill(process.pid, 'SIGKILL');
  // Until the kernel has done it: nothing of this process may go on.
  for (;;);
}
