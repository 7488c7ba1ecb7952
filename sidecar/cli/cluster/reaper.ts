/**
 * Ends the programs of a local cluster when the process that started them is gone, even by `kill -9`.
 *
 * It is a process of its own that reads `+PID` and `-PID` lines from a pipe. The pipe closes when its parent ends; what is
 * still listed then gets SIGTERM, and SIGKILL when that did not help.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from '../errors.ts';
import { signalGroup } from './managed-process.ts';

const GRACE_MS = 3_000;
const STEP_MS = 50;

/** Runs in the reaper process, until its input closes. */
export async function reap(input: NodeJS.ReadableStream): Promise<void> {
  const listed = new Set<number>();
  let rest = '';
  for await (const chunk of input) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const pid = Number(line.slice(1));
      if (!Number.isSafeInteger(pid) || pid <= 1) continue;
      if (line.startsWith('+')) listed.add(pid);
      else listed.delete(pid);
    }
  }
  for (const pid of listed) signalGroup(pid, 'SIGTERM');
  for (let waited = 0; waited < GRACE_MS && [...listed].some(isAlive); waited += STEP_MS)
    await sleep(STEP_MS);
  for (const pid of listed) signalGroup(pid, 'SIGKILL');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}
