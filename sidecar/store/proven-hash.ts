/** The chain hash at an index of a log on the disk, where its rows prove it. */
import type { ChainHash } from '../../shared/entry.ts';
import type { LogShape } from './log-shape.ts';
import type { LogTable } from './log-table.ts';
import { provenEntries } from './packed-row.ts';

/** Undefined when its row is damaged, or the log does not have it. */
export async function provenHashAt(
  table: LogTable,
  { base, lastIndex, lastHash }: LogShape,
  index: number,
): Promise<ChainHash | undefined> {
  if (index === base.index) return base.hash;
  if (index === lastIndex) return lastHash;
  const row = await table.rowAt(index);
  if (row === undefined) return undefined;
  return provenEntries(row)?.[index - row.firstIndex]?.hash;
}
