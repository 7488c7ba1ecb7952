/** What an app may say of its state with an acknowledgement: a hash as of an index that it has applied. */
import type { AppliedFrame } from '../../shared/app-frames.ts';
import type { AppLimits } from './context.ts';
import type { Refused } from './delivery.ts';

/** Why `applied.stateHash` is not taken; a wrong position is as fatal as any other. */
export function stateHashRefusal(
  { through, stateHash }: AppliedFrame,
  { stateHashBytes }: Pick<AppLimits, 'stateHashBytes'>,
): Refused | undefined {
  if (stateHash === undefined) return undefined;
  const { index, hash } = stateHash;
  if (index > through) {
    const message = `applied has a stateHash for ${index}, which is after its through ${through}`;
    return { message, fatal: true };
  }
  if (hash.length > 0 && hash.length <= stateHashBytes) return undefined;
  return {
    message: `applied.stateHash has ${hash.length} bytes instead of 1 to ${stateHashBytes}`,
    fatal: false,
  };
}
