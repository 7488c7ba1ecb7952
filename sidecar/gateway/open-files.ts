/** How many files (connections are files) the system lets this process open. */
import { report } from 'node:process';
import * as z from 'zod';

const limits = z.object({ userLimits: z.object({ open_files: z.object({ soft: z.number() }) }) });

/** Infinity where there is no limit, or none is told (Windows). */
export function openFiles(): number {
  if (report === undefined) return Number.POSITIVE_INFINITY;
  const found = limits.safeParse(report.getReport());
  return found.success ? found.data.userLimits.open_files.soft : Number.POSITIVE_INFINITY;
}
