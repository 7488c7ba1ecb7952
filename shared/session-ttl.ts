/** How long a session lives without a sign of its client. */
import { LIMITS } from './limits.ts';

/** The time to live that a session gets, ms, when so much was asked for (0: nothing was). The same on every node. */
export function clippedTtl(asked: number): number {
  if (asked === 0) return LIMITS.sessionTtlMs;
  return Math.max(LIMITS.sessionTtlMsMin, Math.min(asked, LIMITS.sessionTtlMsMax));
}
