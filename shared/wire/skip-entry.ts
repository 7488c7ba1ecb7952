/**
 * What a SKIP entry carries: the index of a command that no app is to be given, and why (proto/peer.proto).
 */
import { peerSchema } from './schema.ts';

const SkipType = peerSchema.lookupType('outrigger.peer.v1.Skip');

export interface Skip {
  readonly index: number;
  readonly reason: string;
}

export function encodeSkip(skip: Skip): Uint8Array {
  return SkipType.encode(skip).finish();
}

/** Index 0 where the bytes cannot be read: that skips nothing, on every node. */
export function decodeSkip(bytes: Uint8Array): Skip {
  try {
    const { index, reason } = SkipType.decode(bytes) as unknown as Skip;
    return { index: Number.isSafeInteger(index) ? index : 0, reason };
  } catch {
    return { index: 0, reason: '' };
  }
}
