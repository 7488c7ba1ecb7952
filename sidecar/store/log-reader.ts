/**
 * Reads entries back, each proven by its row's chain hash.
 *
 * MUST: keep within the asked bytes, whatever the size of the rows.
 * MUST NOT: be called while a write is in flight.
 */
import { type ChainHash, type Entry, ZERO_HASH } from '../../shared/entry.ts';
import { StoreError } from './contract.ts';
import type { LogTable } from './log-table.ts';
import { type PackedRow, unpackRow } from './packed-row.ts';

/** `lastIndex` is the end of the log. Throws RangeError for a bad range, StoreError for damage. */
export async function readEntries(
  table: LogTable,
  lastIndex: number,
  from: number,
  to: number,
  maxBytes: number,
): Promise<Entry[]> {
  checkRange(from, to, lastIndex);
  const end = Math.min(to, lastIndex);
  const entries: Entry[] = [];
  let bytes = 0;
  let next = from;
  // The row that holds `from` may begin before it.
  let rows = [await rowHolding(table, from)];
  while (true) {
    for (const row of rows) {
      for (const entry of unpackRow(row)) {
        if (entry.index < next) continue;
        if (entry.index > end) return entries;
        bytes += entry.command.length;
        if (entries.length > 0 && bytes > maxBytes) return entries;
        entries.push(entry);
      }
      if (row.firstIndex > next) throw gap(next);
      next = row.lastIndex + 1;
    }
    if (next > end || bytes >= maxBytes) return entries;
    rows = await table.pageFrom(next, end, maxBytes - bytes);
    if (rows.length === 0) throw gap(next);
  }
}

/** Chain hash at `index`, undefined when the log does not have it. Throws StoreError for damage. */
export async function readHash(
  table: LogTable,
  lastIndex: number,
  index: number,
): Promise<ChainHash | undefined> {
  if (index === 0) return ZERO_HASH;
  if (!Number.isSafeInteger(index) || index < 0 || index > lastIndex) return undefined;
  const row = await rowHolding(table, index);
  return unpackRow(row)[index - row.firstIndex]?.hash;
}

/** The row that holds `index`, which the log must have. Throws StoreError. */
export async function rowHolding(table: LogTable, index: number): Promise<PackedRow> {
  const row = await table.rowAt(index);
  if (row === undefined || row.lastIndex < index) throw gap(index);
  return row;
}

/** Throws RangeError unless `from`…`to` begins in a log that ends at `lastIndex`. */
export function checkRange(from: number, to: number, lastIndex: number): void {
  const whole = Number.isSafeInteger(from) && Number.isSafeInteger(to);
  if (!whole || from < 1 || from > lastIndex || to < from) {
    throw new RangeError(`cannot read ${String(from)} to ${String(to)}: the log ends at ${lastIndex}`);
  }
}

function gap(index: number): StoreError {
  return new StoreError('FAULT', `the log is damaged: entry ${index} is missing`);
}
