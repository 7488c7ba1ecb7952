/**
 * What a snapshot's file is like. It is written in one go, front to back, so its index part comes last:
 *
 *   magic · the app's bytes · sessions · replies · index part (SnapshotMeta) · its length (u32 LE) · its SHA-256 · magic
 *
 * The index part has the SHA-256 of each of the parts before it, so its own SHA-256 names the content of the whole file: the
 * *digest*. Files are the same on every node that has the snapshot, and travel as they are.
 *
 * MUST: call no file a snapshot whose size and index part do not agree. Whether the other parts are whole is asked by `verify`.
 */
import { createHash, hash as oneShotHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { assertSafeIndex, type ConfigAt, HASH_BYTES, type LogPoint } from '../../../shared/entry.ts';
import { decodeMembership, encodeMembership } from '../../../shared/wire/membership-entry.ts';
import { hashFromBytes, hashToBytes } from '../../../shared/wire/record.ts';
import { peerSchema } from '../../../shared/wire/schema.ts';
import { StoreError } from '../contract.ts';

const MetaType = peerSchema.lookupType('outrigger.peer.v1.SnapshotMeta');

export const MAGIC = Buffer.from('OUTRSNP1', 'latin1');
const LENGTH_BYTES = 4;
const FOOTER_BYTES = LENGTH_BYTES + HASH_BYTES + MAGIC.length;
const META_BYTES_MAX = 1024 * 1024;
const VERSION = 1;
/** Read at a time; other work of the process goes on in between. */
const READ_BYTES = 512 * 1024;

export interface Part {
  readonly bytes: number;
  readonly sha256: Uint8Array;
}

/** Where a snapshot is of, and what is in it. */
export interface SnapshotMeta {
  readonly cluster: string;
  /** The node that took it. */
  readonly node: string;
  readonly point: LogPoint;
  /** The membership there. */
  readonly config: ConfigAt;
  /** False: the app keeps its state itself, and its bytes are not here. */
  readonly full: boolean;
  readonly appFormat: string;
  readonly app: Part;
  readonly sessions: Part;
  readonly replies: Part;
}

export const PARTS = ['app', 'sessions', 'replies'] as const;

/** Where a part begins in the file. */
export function offsetOf(meta: SnapshotMeta, part: (typeof PARTS)[number]): number {
  let offset = MAGIC.length;
  for (const before of PARTS) {
    if (before === part) break;
    offset += meta[before].bytes;
  }
  return offset;
}

/** The end of the file, and the digest. */
export function encodeEnd(meta: SnapshotMeta): { end: Buffer; digest: Buffer } {
  const { point, config, ...rest } = meta;
  const { index, term, time } = point;
  const body = MetaType.encode({
    ...rest,
    ...{ configIndex: config.index, config: encodeMembership(config.membership) },
    ...{ version: VERSION, index, term, time, hash: hashToBytes(point.hash) },
  }).finish();
  const digest = oneShotHash('sha256', body, 'buffer');
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(body.length);
  return { end: Buffer.concat([body, length, digest, MAGIC]), digest };
}

/** Bytes of the whole file. */
export function fileBytes(meta: SnapshotMeta): number {
  return offsetOf(meta, 'replies') + meta.replies.bytes + encodeEnd(meta).end.length;
}

/** The index part of an open file of `size` bytes; undefined where it is no snapshot, or not a whole one. */
export async function readMeta(
  file: FileHandle,
  size: number,
): Promise<{ meta: SnapshotMeta; digest: Buffer } | undefined> {
  if (size < MAGIC.length + FOOTER_BYTES) return undefined;
  const footer = await readAt(file, size - FOOTER_BYTES, FOOTER_BYTES);
  const length = footer.readUInt32LE();
  const digest = footer.subarray(LENGTH_BYTES, LENGTH_BYTES + HASH_BYTES);
  const begins = size - FOOTER_BYTES - length;
  if (!footer.subarray(LENGTH_BYTES + HASH_BYTES).equals(MAGIC) || length > META_BYTES_MAX) return undefined;
  if (begins < MAGIC.length) return undefined;
  const body = await readAt(file, begins, length);
  if (!oneShotHash('sha256', body, 'buffer').equals(digest)) return undefined;
  const meta = decodeMeta(body);
  if (meta === undefined || offsetOf(meta, 'replies') + meta.replies.bytes !== begins) return undefined;
  return { meta, digest };
}

interface RawMeta extends Omit<SnapshotMeta, 'point' | 'config'> {
  readonly configIndex: number;
  readonly config: Uint8Array;
  readonly version: number;
  readonly index: number;
  readonly term: number;
  readonly time: number;
  readonly hash: Uint8Array;
}

function decodeMeta(body: Uint8Array): SnapshotMeta | undefined {
  try {
    const raw = MetaType.decode(body) as unknown as RawMeta;
    const { version, cluster, node, index, term, time, hash, full, appFormat } = raw;
    if (version !== VERSION || hash.length !== HASH_BYTES) return undefined;
    assertSafeIndex(index, 'index');
    assertSafeIndex(term, 'term');
    assertSafeIndex(time, 'time');
    const point = { index, term, time, hash: hashFromBytes(hash) };
    const parts = { app: partOf(raw.app), sessions: partOf(raw.sessions), replies: partOf(raw.replies) };
    assertSafeIndex(raw.configIndex, 'configIndex');
    const config = { index: raw.configIndex, membership: decodeMembership(raw.config) };
    return { cluster, node, point, config, full, appFormat, ...parts };
  } catch {
    return undefined;
  }
}

function partOf(raw: Part | null): Part {
  if (raw === null || raw.sha256.length !== HASH_BYTES) throw new RangeError('a part has no SHA-256');
  assertSafeIndex(raw.bytes, 'bytes');
  return { bytes: raw.bytes, sha256: raw.sha256 };
}

/** Reads exactly so many bytes. Throws StoreError. */
export async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  return readInto(file, Buffer.allocUnsafe(length), offset);
}

/** Fills `buffer`. Throws StoreError. */
async function readInto(file: FileHandle, buffer: Buffer, offset: number): Promise<Buffer> {
  const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
  if (bytesRead < buffer.length) throw new StoreError('FAULT', 'a snapshot is shorter than it says');
  return buffer;
}

/** Are all parts what the index part says? Reads the whole file, a piece at a time, into the same memory. */
export async function verify(file: FileHandle, meta: SnapshotMeta): Promise<boolean> {
  const magic = await readAt(file, 0, MAGIC.length);
  if (!magic.equals(MAGIC)) return false;
  const piece = Buffer.allocUnsafeSlow(READ_BYTES);
  for (const part of PARTS) {
    const { bytes, sha256 } = meta[part];
    const hash = createHash('sha256');
    const begins = offsetOf(meta, part);
    for (let at = 0; at < bytes; at += READ_BYTES)
      hash.update(await readInto(file, piece.subarray(0, Math.min(READ_BYTES, bytes - at)), begins + at));
    if (!hash.digest().equals(Buffer.from(sha256))) return false;
  }
  return true;
}
