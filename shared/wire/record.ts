/**
 * The record: the one encoded form of an entry, on disk, on the wire and under the chain hash.
 *
 * MUST: hash exactly the bytes that are stored and sent, so that two nodes with the same chain hash hold
 * the same bytes. An entry is sealed once (record and hash filled) and never changed afterwards.
 */
import { hash as oneShotHash } from 'node:crypto';
import { assertSafeIndex, type ChainHash, type Entry, EntryKind, HASH_BYTES } from '../entry.ts';
import { peerSchema } from './schema.ts';

const EntryType = peerSchema.lookupType('outrigger.peer.v1.Entry');
const highestKind = Math.max(...Object.values(EntryKind));

/** Records up to this size are hashed through one reused buffer; larger ones get a buffer of their own. */
const SCRATCH_BYTES = 64 * 1024;
const scratch = Buffer.allocUnsafe(SCRATCH_BYTES + HASH_BYTES);

/** The record of `entry`, encoded at the first call and kept in the entry. */
export function recordOf(entry: Entry): Uint8Array {
  entry.record ??= EntryType.encode(entry).finish();
  return entry.record;
}

/** Reads a record. The command is a view into `record`. Throws RangeError or protobufjs' error on bad input. */
export function decodeRecord(record: Uint8Array): Entry {
  const raw = EntryType.decode(record) as unknown as Entry;
  assertSafeIndex(raw.index, 'index');
  assertSafeIndex(raw.term, 'term');
  assertSafeIndex(raw.time, 'time');
  assertSafeIndex(raw.session, 'session');
  assertSafeIndex(raw.sequence, 'sequence');
  if (raw.ackBelow !== undefined) assertSafeIndex(raw.ackBelow, 'ackBelow');
  if (raw.kind > highestKind) throw new RangeError(`entry kind ${raw.kind} is unknown`);
  return {
    index: raw.index,
    term: raw.term,
    kind: raw.kind,
    time: raw.time,
    session: raw.session,
    sequence: raw.sequence,
    ...(raw.ackBelow ? { ackBelow: raw.ackBelow } : {}),
    // protobufjs gives a plain array where the field is absent.
    command: raw.command.length === 0 ? new Uint8Array(0) : raw.command,
    record,
  };
}

/** What a record says of its entry, where the rest is of no interest. */
export type RecordHead = Pick<Entry, 'index' | 'term' | 'kind' | 'session'>;

const VARINT = 0;
const BYTES = 2;

/** Reads the head of a record, and passes over the rest: a fraction of `decodeRecord` in time and memory. Throws RangeError on bad input. */
export function readHead(record: Uint8Array): RecordHead {
  // By field number of the schema.
  const fields = [0, 0, 0, 0, 0, 0];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = record[at++];
      if (byte === undefined || scale > Number.MAX_SAFE_INTEGER)
        throw new RangeError('the record is cut off');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < record.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const wire = tag % 8;
    if (wire === VARINT) {
      const value = varint();
      if (field < fields.length) fields[field] = value;
    } else if (wire === BYTES) {
      const length = varint();
      at += length;
    } else throw new RangeError(`the record has a field of wire type ${wire}`);
  }
  if (at > record.length) throw new RangeError('the record is cut off');
  const [, index = 0, term = 0, kind = 0, , session = 0] = fields;
  return { index, term, kind: kind as EntryKind, session };
}

/** Chain hash of `record` after an entry whose chain hash is `previous`. About 0.6 µs for 300 bytes. */
export function chainHash(previous: ChainHash, record: Uint8Array): ChainHash {
  const size = HASH_BYTES + record.length;
  const buffer = size <= scratch.length ? scratch : Buffer.allocUnsafe(size);
  buffer.write(previous, 0, HASH_BYTES, 'latin1');
  buffer.set(record, HASH_BYTES);
  return oneShotHash('sha256', buffer.subarray(0, size), 'binary');
}

/** Seals `entries` in order after `previous`; returns the hash at the last one. */
export function sealEntries(entries: readonly Entry[], previous: ChainHash): ChainHash {
  let hash = previous;
  for (const entry of entries) {
    hash = chainHash(hash, recordOf(entry));
    entry.hash = hash;
  }
  return hash;
}

export function hashToBytes(hash: ChainHash): Buffer {
  return Buffer.from(hash, 'latin1');
}

export function hashFromBytes(bytes: Uint8Array): ChainHash {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
