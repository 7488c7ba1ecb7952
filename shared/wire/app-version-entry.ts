/**
 * What an APP_VERSION entry carries: the version of the app's commands that counts from there on, and why (proto/peer.proto).
 */
import { peerSchema } from './schema.ts';

const AppVersionType = peerSchema.lookupType('outrigger.peer.v1.AppVersion');

export interface AppVersion {
  readonly version: number;
  readonly reason: string;
}

export function encodeAppVersion(appVersion: AppVersion): Uint8Array {
  return AppVersionType.encode(appVersion).finish();
}

/** Version 0 where the bytes cannot be read: that changes nothing, on every node. */
export function decodeAppVersion(bytes: Uint8Array): AppVersion {
  try {
    const { version, reason } = AppVersionType.decode(bytes) as unknown as AppVersion;
    return { version, reason };
  } catch {
    return { version: 0, reason: '' };
  }
}
