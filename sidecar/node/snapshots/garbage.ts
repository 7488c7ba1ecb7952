/**
 * Keeps the memory small while a large snapshot, or a long log, passes through this process.
 *
 * Its pieces are buffers outside of the JavaScript heap. V8 lets those grow by 64 MB and more before it looks, and looks at the
 * whole heap then. They die young, so a look at the young ones alone, which takes a millisecond or two, gives them back.
 *
 * MUST: do nothing where the runtime cannot do that.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LIMITS } from '../../../shared/limits.ts';

type Collect = (options: { type: 'minor' }) => void;

let collect: Collect | undefined;
let passed = 0;

/** So many bytes of it went through this process, and are not needed any more. */
export function piecePassed(bytes: number): void {
  passed += bytes;
  if (passed < LIMITS.snapshotGarbageBytes) return;
  passed = 0;
  collect ??= collector();
  collect({ type: 'minor' });
}

function collector(): Collect {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('typeof gc === "function" ? gc : undefined');
  setFlagsFromString('--no-expose-gc');
  return typeof found === 'function' ? (found as Collect) : () => undefined;
}
