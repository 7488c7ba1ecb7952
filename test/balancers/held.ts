/**
 * A program that knows nothing of us and still ends with us, however we end: a shell holds it, and ends it when its own
 * standard input closes. Signals go to the process group (`-pid`).
 */
import { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';

const HOLD = [
  // What runs in the background gets an empty input of its own: hence the copy.
  'exec 3<&0',
  '"$@" < /dev/null 3<&- & held=$!',
  '(cat <&3; kill -9 $held) > /dev/null 2>&1 &',
  'exec 3<&-',
  'wait $held',
].join('\n');

/** Resolves when the shell runs. Its exit is the program's. */
export function startHeld(
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  onLine: (text: string) => void,
): Promise<ManagedProcess> {
  return ManagedProcess.start({
    command: '/bin/sh',
    args: ['-c', HOLD, 'hold', ...words],
    env,
    stdin: 'held',
    onLine: (_stream, text) => onLine(text),
  });
}
