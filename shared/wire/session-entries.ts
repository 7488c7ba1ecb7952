/**
 * What the entries of sessions carry in place of a command, encoded and decoded (proto/peer.proto).
 *
 * MUST: refuse nothing that is in a log already: bytes that cannot be read mean the default.
 */
import { peerSchema } from './schema.ts';

const OpenType = peerSchema.lookupType('outrigger.peer.v1.SessionOpen');
const ExpireType = peerSchema.lookupType('outrigger.peer.v1.SessionExpire');

export function encodeSessionOpen(ttlMs: number): Uint8Array {
  return OpenType.encode({ ttlMs }).finish();
}

/** The time to live that was asked for in ms, 0 where none can be read. */
export function decodeSessionOpen(bytes: Uint8Array): number {
  const ttlMs = readField(OpenType, bytes, 'ttlMs');
  return typeof ttlMs === 'number' && Number.isSafeInteger(ttlMs) ? ttlMs : 0;
}

export function encodeSessionExpire(sessions: readonly number[]): Uint8Array {
  return ExpireType.encode({ sessions }).finish();
}

export function decodeSessionExpire(bytes: Uint8Array): readonly number[] {
  const sessions = readField(ExpireType, bytes, 'sessions');
  return Array.isArray(sessions) ? sessions.filter((id): id is number => Number.isSafeInteger(id)) : [];
}

/** Every node reads the same bytes the same way: what cannot be decoded is absent everywhere. */
function readField(type: typeof OpenType, bytes: Uint8Array, field: string): unknown {
  try {
    return type.decode(bytes)[field];
  } catch {
    return undefined;
  }
}
