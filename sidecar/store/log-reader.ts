/**
 * Reads entries back, each proven by its row's chain hash.
 *
 * MUST: keep within the asked bytes, whatever the size of the rows.
 * MUST NOT: be called while a write is in flight.
 */
import type { ChainHash, Entry } from '../../shared/entry.ts';
import type { TermRuns } from '../../shared/term-runs.ts';
import { type Selected, StoreError, type Wanted } from './contract.ts';
import type { LogShape } from './log-shape.ts';
import type { LogTable } from './log-table.ts';
import { DamageError, type PackedRow, provenEntries, selectFromRow, unpackRow } from './packed-row.ts';

/** `runs` are those of the log on the disk. Throws RangeError for a bad range, StoreError for damage. */
export async function readEntries(
  table: LogTable,
  runs: TermRuns,
  from: number,
  to: number,
  maxBytes: number,
): Promise<Entry[]> {
  checkRange(from, to, runs.firstIndex, runs.lastIndex);
  const end = Math.min(to, runs.lastIndex);
  const entries: Entry[] = [];
  let bytes = 0;
  // The row that holds `from` may begin before it; the pages after it begin where the one before ends.
  let row = await rowHolding(table, from);
  let found = unpackRow(row);
  while (true) {
    for (const entry of found) {
      if (entry.index < from) continue;
      bytes += entry.command.length;
      if (entry.index > end || (entries.length > 0 && bytes > maxBytes)) return entries;
      entries.push(entry);
    }
    const next = row.lastIndex + 1;
    if (next > end || bytes >= maxBytes) return entries;
    row = await pageAt(table, runs, next, end, maxBytes - bytes);
    const proven = provenEntries(row);
    if (proven === undefined) row = await pageAt(table, runs, next, end, 0);
    found = proven ?? unpackRow(row);
  }
}

/** What `select` reads at a time. Whole rows, so that none is proven twice. */
const SELECT_BYTES = 512 * 1024;
/** And in how many entries its end is looked for: SQLite would go through thousands of rows for each page. */
const SELECT_ENTRIES = 4_096;

/** One step of `Store.select`. Throws as `readEntries`. */
export async function selectEntries(
  table: LogTable,
  runs: TermRuns,
  from: number,
  to: number,
  wanted: Wanted,
): Promise<Selected> {
  checkRange(from, to, runs.firstIndex, runs.lastIndex);
  const end = Math.min(to, runs.lastIndex);
  const endOfTerm = runs.runAt(from)?.last ?? from;
  // None begins there: it is within a row.
  const page = await table.pageFrom(from, Math.min(end, endOfTerm, from + SELECT_ENTRIES - 1), SELECT_BYTES);
  const inRange: Wanted = (head) => head.index >= from && head.index <= end && wanted(head);
  const selected = ({ lastIndex, records }: PackedRow, entries: Entry[]): Selected => {
    return { through: Math.min(end, lastIndex), bytes: records.length, entries };
  };
  try {
    if (page?.firstIndex === from) return selected(page, selectFromRow(page, inRange));
  } catch (error) {
    // What is before the damage is not damaged.
    if (!(error instanceof DamageError)) throw error;
  }
  const row = await rowHolding(table, from);
  return selected(row, selectFromRow(row, inRange));
}

/** Rows from `index` on, of one term, as one. With `maxBytes` 0 exactly one row. */
async function pageAt(
  table: LogTable,
  runs: TermRuns,
  index: number,
  end: number,
  maxBytes: number,
): Promise<PackedRow> {
  const endOfTerm = runs.runAt(index)?.last ?? index;
  const row = await table.pageFrom(index, Math.min(end, endOfTerm), maxBytes);
  if (row === undefined || row.firstIndex !== index) throw gap(index);
  return row;
}

/** Chain hash at `index`, undefined when the log does not have it. Throws StoreError for damage. */
export async function readHash(
  table: LogTable,
  { base, lastIndex }: LogShape,
  index: number,
): Promise<ChainHash | undefined> {
  if (index === base.index) return base.hash;
  if (!Number.isSafeInteger(index) || index < base.index || index > lastIndex) return undefined;
  const row = await rowHolding(table, index);
  return unpackRow(row)[index - row.firstIndex]?.hash;
}

/** The row that holds `index`, which the log must have. Throws StoreError. */
export async function rowHolding(table: LogTable, index: number): Promise<PackedRow> {
  const row = await table.rowAt(index);
  if (row === undefined || row.lastIndex < index) throw gap(index);
  return row;
}

/** Throws RangeError unless `from`…`to` begins in a log of `firstIndex` to `lastIndex`. */
export function checkRange(from: number, to: number, firstIndex: number, lastIndex: number): void {
  const whole = Number.isSafeInteger(from) && Number.isSafeInteger(to);
  if (!whole || from < firstIndex || from > lastIndex || to < from) {
    const log =
      firstIndex === 1 ? `the log ends at ${lastIndex}` : `the log holds ${firstIndex} to ${lastIndex}`;
    throw new RangeError(`cannot read ${String(from)} to ${String(to)}: ${log}`);
  }
}

function gap(index: number): StoreError {
  return new StoreError('FAULT', `the log is damaged: entry ${index} is missing`);
}
