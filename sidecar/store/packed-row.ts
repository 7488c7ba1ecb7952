/**
 * A packed row: a batch of entries of one term, as one row of the log table.
 *
 * MUST: give back an entry only when the chain from the row's `previousHash` over every record of the row
 * ends in the row's `hash`, and every record says the index and term the row says.
 * MUST NOT: do I/O.
 */
import type { ChainHash, Entry } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import { chainHash, decodeRecord, readHead } from '../../shared/wire/record.ts';
import { StoreError, type Wanted } from './contract.ts';

/** A row that its hash does not prove. The disk gave it without an error. */
export class DamageError extends StoreError {}

export interface PackedRow {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly term: number;
  readonly previousHash: ChainHash;
  readonly hash: ChainHash;
  /** Each record after its length as u32 LE. */
  readonly records: Uint8Array;
}

/** Entries `from`…`to` (positions, `to` exclusive) of a list, which will be one row of `bytes` packed bytes. */
export interface RowPlan {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

const LENGTH_BYTES = 4;

/** Cuts sealed entries into rows: at each change of term, and before a row outgrows `storeRowBytes`. */
export function planRows(entries: readonly Entry[]): RowPlan[] {
  const plans: RowPlan[] = [];
  let from = 0;
  let bytes = 0;
  let term = entries[0]?.term;
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] as Entry;
    const size = LENGTH_BYTES + recordBytes(entry);
    if (at > from && (entry.term !== term || bytes + size > LIMITS.storeRowBytes)) {
      plans.push({ from, to: at, bytes });
      from = at;
      bytes = 0;
    }
    term = entry.term;
    bytes += size;
  }
  if (entries.length > from) plans.push({ from, to: entries.length, bytes });
  return plans;
}

/** Bytes of the record of a sealed entry. */
export function recordBytes(entry: Entry): number {
  return entry.record === undefined ? 0 : entry.record.length;
}

/** One buffer for all rows of ordinary size: the driver copies it when its call starts. */
const scratch = Buffer.allocUnsafeSlow(LIMITS.storeRowBytes);

/**
 * Packs the entries of `plan`. `records` of the row is good until the next call, so hand it to the driver
 * before you pack another one.
 */
export function packRow(entries: readonly Entry[], plan: RowPlan, previousHash: ChainHash): PackedRow {
  const buffer = plan.bytes <= scratch.length ? scratch : Buffer.allocUnsafe(plan.bytes);
  let offset = 0;
  for (let at = plan.from; at < plan.to; at++) {
    const record = (entries[at] as Entry).record as Uint8Array;
    offset = buffer.writeUInt32LE(record.length, offset);
    buffer.set(record, offset);
    offset += record.length;
  }
  const first = entries[plan.from] as Entry;
  const last = entries[plan.to - 1] as Entry;
  return {
    firstIndex: first.index,
    lastIndex: last.index,
    term: first.term,
    previousHash,
    hash: last.hash as ChainHash,
    records: buffer.subarray(0, offset),
  };
}

/** The entries of a row, sealed, each proven by the chain. Throws DamageError. */
export function unpackRow(row: PackedRow): Entry[] {
  const entries: Entry[] = [];
  let hash = row.previousHash;
  let index = row.firstIndex;
  for (const record of recordsOf(row)) {
    const entry = attempt(row, () => decodeRecord(record));
    if (entry.index !== index || entry.term !== row.term) throw damaged(row);
    hash = chainHash(hash, record);
    entry.hash = hash;
    entries.push(entry);
    index++;
  }
  if (index !== row.lastIndex + 1 || hash !== row.hash) throw damaged(row);
  return entries;
}

/** Those of its entries that are `wanted`; all of the row is proven by the chain all the same. Throws DamageError. */
export function selectFromRow(row: PackedRow, wanted: Wanted): Entry[] {
  const entries: Entry[] = [];
  let hash = row.previousHash;
  let index = row.firstIndex;
  for (const record of recordsOf(row)) {
    const head = attempt(row, () => readHead(record));
    if (head.index !== index || head.term !== row.term) throw damaged(row);
    hash = chainHash(hash, record);
    if (wanted(head)) entries.push({ ...attempt(row, () => decodeRecord(record)), hash });
    index++;
  }
  if (index !== row.lastIndex + 1 || hash !== row.hash) throw damaged(row);
  return entries;
}

/** Each record of a row, as a view. Throws DamageError. */
function* recordsOf(row: PackedRow): Generator<Uint8Array> {
  const { records } = row;
  const view = new DataView(records.buffer, records.byteOffset, records.length);
  for (let offset = 0; offset < records.length; ) {
    const start = offset + LENGTH_BYTES;
    if (start > records.length) throw damaged(row);
    offset = start + view.getUint32(offset, true);
    if (offset > records.length) throw damaged(row);
    yield records.subarray(start, offset);
  }
}

/** The same, or undefined when the row is damaged. */
export function provenEntries(row: PackedRow): Entry[] | undefined {
  try {
    return unpackRow(row);
  } catch (error) {
    if (error instanceof DamageError) return undefined;
    throw error;
  }
}

function attempt<T>(row: PackedRow, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw damaged(row, error);
  }
}

function damaged(row: PackedRow, cause?: unknown): DamageError {
  return new DamageError(
    'FAULT',
    `the log is damaged: entries ${row.firstIndex} to ${row.lastIndex} do not match their chain hash`,
    { cause },
  );
}
