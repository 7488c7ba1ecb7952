/**
 * How hard clients may push this node now (DESIGN: backpressure end to end).
 *
 * MUST: follow the fullest of the queues that a client can fill, and an app that does not keep up.
 */
import type { PressureLevel } from '../../shared/app-frames.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { Node } from './node.ts';

/** Shares of a full queue at which clients are asked to slow down, and to stop. */
const SLOW_DOWN_AT = 0.5;
const STOP_AT = 0.9;

export function pressureOf({ app, driver, options, proposals, reads }: Node): PressureLevel {
  const pending = (proposals.pending + reads.pending) / LIMITS.pendingRequests;
  const disk = options.store.stats().queuedBytes / LIMITS.storeQueueBytes;
  const uncommitted = driver.raft.uncommittedBytes / LIMITS.uncommittedBytes;
  const bytes = proposals.pendingBytes / LIMITS.pendingBytes;
  const fullest = Math.max(pending, bytes, disk, uncommitted);
  if (fullest >= STOP_AT || app.state === 'STALLED') return 'STOP';
  return fullest >= SLOW_DOWN_AT || app.state === 'LAGGING' ? 'SLOW_DOWN' : 'OK';
}
