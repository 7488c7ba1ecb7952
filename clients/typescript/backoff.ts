/** How long to wait after so many failures in a row. */
import type { ClientLimits } from './limits.ts';

/** From half of the doubled pause to all of it, so that clients that failed together do not come back together. */
export function backoffMs(
  failures: number,
  { backoffMinMs, backoffMaxMs }: ClientLimits,
  random: () => number = Math.random,
): number {
  if (failures <= 0) return 0;
  const full = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(failures - 1, 30));
  return full * (0.5 + random() / 2);
}
