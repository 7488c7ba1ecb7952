/**
 * The guard file: what this node promised, kept outside SQLite, because SQLite forgets the tail of a damaged WAL
 * without a word and does not checksum its pages.
 *
 * Two slots. Each holds the term, the vote, the watermark (index, term and chain hash of an entry that was
 * reported durable), whether the log is known to be damaged, and a CRC.
 *
 * What it proves. Term and vote: exactly (the guard is synced before they are reported). The watermark follows
 * what was reported: within NOTE_MS for a process crash, within LAZY_SYNC_MS for a power cut. So bit rot and a
 * lost or shortened WAL are found, but for entries of the last moments before the crash. (Those were synced in
 * the WAL before they were reported; both must fail at once.) Writing it at each commit would close that gap,
 * and cost more than the commit itself where several nodes share a disk: each write waits for the journal.
 *
 * MUST: keep one slot that is surely on the disk: the slot that is written is always the other one, and they
 * change places only when a sync is done. So a torn write loses the newest state, never both.
 * MUST NOT: be written while a sync is on its way (`idle` tells); be retried.
 */
import { closeSync, fdatasync, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { type ChainHash, HASH_BYTES } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import { StoreError } from './contract.ts';

export interface Damage {
  readonly reason: string;
  /** The highest index this node may have acknowledged before. */
  readonly mustReach: number;
}

export interface GuardState {
  readonly incarnation: string;
  readonly term: number;
  readonly vote: string;
  /** The watermark. */
  readonly index: number;
  readonly indexTerm: number;
  readonly hash: ChainHash;
  /** Set from the start that found the log damaged until the node says it is whole again. */
  readonly damage: Damage | undefined;
  /** A damaged row was read: the next start checks every row, not only the newest. */
  readonly checkAll: boolean;
}

/** Each slot lies in a sector of its own, also on disks with 4 KiB sectors. */
const SLOT_STRIDE = 4096;
const SLOT_BYTES = 512;
const SLOTS = 2;
const MAGIC = 'OUTRIGG1';
/** How long the watermark may be in the page cache only, in ms. */
const LAZY_SYNC_MS = 1000;
/** How long a raised watermark may be in memory only, in ms. */
const NOTE_MS = 20;
const REASON_BYTES = 200;

const AT = { sequence: 8, incarnation: 16, term: 32, index: 40, indexTerm: 48, mustReach: 56 } as const;
const FLAGS_AT = 64;
const VOTE_LENGTH_AT = 65;
const REASON_LENGTH_AT = 66;
const HASH_AT = 68;
const VOTE_AT = HASH_AT + HASH_BYTES;
const REASON_AT = VOTE_AT + LIMITS.storeVoteBytes;
const CRC_AT = SLOT_BYTES - 4;
const DAMAGED = 1;
const CHECK_ALL = 2;

export class GuardFile {
  readonly #fd: number;
  readonly #onError: (error: StoreError) => void;
  readonly #buffer = Buffer.alloc(SLOT_BYTES);
  #sequence: number;
  #slot: number;
  #dirty = false;
  #syncing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** A raised watermark that is not written yet. */
  #noted: GuardState | undefined;
  #noteTimer: NodeJS.Timeout | undefined;
  /** What was found in the file; undefined when there was none, or none that could be read. */
  readonly found: GuardState | undefined;
  /** True when the file had content and none of it could be read. */
  readonly unreadable: boolean;

  /**
   * Opens or makes `folder/guard`. `onError` hears of a lazy sync that failed. Throws StoreError.
   */
  constructor(folder: string, onError: (error: StoreError) => void) {
    this.#onError = onError;
    const path = join(folder, 'guard');
    try {
      this.#fd = openGuard(path);
      const slots = [readSlot(this.#fd, 0), readSlot(this.#fd, 1)];
      const newest = (slots[1]?.sequence ?? -1) > (slots[0]?.sequence ?? -1) ? 1 : 0;
      this.found = slots[newest]?.state;
      this.unreadable = this.found === undefined && !isBlank(this.#fd);
      this.#sequence = slots[newest]?.sequence ?? 0;
      this.#slot = 1 - newest;
      // The newest slot may still be in the page cache only: after this it is the safe one.
      if (this.found !== undefined) fdatasyncSync(this.#fd);
    } catch (error) {
      throw guardError(error);
    }
  }

  /** Settles when no sync is on its way; undefined when none is. */
  get idle(): Promise<void> | undefined {
    return this.#syncing;
  }

  /** Takes a raised watermark, to be written soon. Everything else needs `write`. */
  note(state: GuardState): void {
    this.#noted = state;
    this.#noteTimer ??= setTimeout(() => this.#writeNoted(), NOTE_MS).unref();
  }

  /** Writes what was noted, if anything. Throws StoreError. */
  flush(): void {
    if (this.#noted !== undefined) this.write(this.#noted);
  }

  /** Writes the state into the page cache (a few µs); it reaches the disk within a second. Throws StoreError. */
  write(state: GuardState): void {
    if (this.#syncing !== undefined) throw new StoreError('FAULT', 'the guard was written during its sync');
    this.#noted = undefined;
    this.#sequence++;
    encodeSlot(this.#buffer, state, this.#sequence);
    try {
      writeSync(this.#fd, this.#buffer, 0, SLOT_BYTES, this.#slot * SLOT_STRIDE);
    } catch (error) {
      throw guardError(error);
    }
    this.#dirty = true;
    this.#timer ??= setTimeout(() => this.#syncLazily(), LAZY_SYNC_MS).unref();
  }

  /** Settles when everything written so far is on the disk. Throws StoreError. */
  sync(): Promise<void> {
    if (this.#syncing !== undefined) return this.#syncing;
    if (!this.#dirty) return Promise.resolve();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#syncing = new Promise((resolve, reject) => {
      fdatasync(this.#fd, (error) => {
        this.#syncing = undefined;
        if (error !== null) return reject(guardError(error));
        this.#synced();
        resolve();
      });
    });
    return this.#syncing;
  }

  /** Writes and syncs at once, blocking: for the states that are written once in a while. Throws StoreError. */
  writeThrough(state: GuardState): void {
    this.write(state);
    try {
      fdatasyncSync(this.#fd);
    } catch (error) {
      throw guardError(error);
    }
    this.#synced();
  }

  /** Closes the file without a sync. Idempotent only in the hands of one owner. */
  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#noteTimer);
    closeSync(this.#fd);
  }

  #synced(): void {
    this.#dirty = false;
    this.#slot = 1 - this.#slot;
  }

  #writeNoted(): void {
    this.#noteTimer = undefined;
    if (this.#noted === undefined) return;
    if (this.#syncing !== undefined) {
      this.note(this.#noted);
      return;
    }
    try {
      this.flush();
    } catch (error) {
      this.#onError(guardError(error));
    }
  }

  #syncLazily(): void {
    this.#timer = undefined;
    this.sync().catch((error: unknown) => this.#onError(guardError(error)));
  }
}

function openGuard(path: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const fd = openSync(path, 'wx+', 0o600);
  // The file gets its full size now, so that later syncs have no size to bring to the disk.
  writeSync(fd, Buffer.alloc(SLOTS * SLOT_STRIDE), 0, SLOTS * SLOT_STRIDE, 0);
  return fd;
}

function guardError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new StoreError('FAULT', `the guard file failed: ${message}`, { cause: error });
}

function encodeSlot(slot: Buffer, state: GuardState, sequence: number): void {
  slot.fill(0);
  slot.write(MAGIC, 0, 'latin1');
  writeIndex(slot, sequence, AT.sequence);
  slot.write(state.incarnation, AT.incarnation, 'hex');
  writeIndex(slot, state.term, AT.term);
  writeIndex(slot, state.index, AT.index);
  writeIndex(slot, state.indexTerm, AT.indexTerm);
  writeIndex(slot, state.damage?.mustReach ?? 0, AT.mustReach);
  slot[FLAGS_AT] = (state.damage === undefined ? 0 : DAMAGED) | (state.checkAll ? CHECK_ALL : 0);
  slot.write(state.hash, HASH_AT, 'latin1');
  slot[VOTE_LENGTH_AT] = slot.write(state.vote, VOTE_AT, LIMITS.storeVoteBytes, 'utf8');
  slot[REASON_LENGTH_AT] = slot.write(state.damage?.reason ?? '', REASON_AT, REASON_BYTES, 'utf8');
  slot.writeUInt32LE(crc32(slot.subarray(0, CRC_AT)), CRC_AT);
}

function readSlot(fd: number, place: number): { sequence: number; state: GuardState } | undefined {
  const slot = Buffer.alloc(SLOT_BYTES);
  const length = readSync(fd, slot, 0, SLOT_BYTES, place * SLOT_STRIDE);
  if (length < SLOT_BYTES || slot.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
  if (slot.readUInt32LE(CRC_AT) !== crc32(slot.subarray(0, CRC_AT))) return undefined;
  const flags = slot[FLAGS_AT] ?? 0;
  const text = (at: number, lengthAt: number) => slot.toString('utf8', at, at + (slot[lengthAt] ?? 0));
  return {
    sequence: readIndex(slot, AT.sequence),
    state: {
      incarnation: slot.toString('hex', AT.incarnation, AT.incarnation + 16),
      term: readIndex(slot, AT.term),
      vote: text(VOTE_AT, VOTE_LENGTH_AT),
      index: readIndex(slot, AT.index),
      indexTerm: readIndex(slot, AT.indexTerm),
      hash: slot.toString('latin1', HASH_AT, HASH_AT + HASH_BYTES),
      damage:
        (flags & DAMAGED) === 0
          ? undefined
          : { reason: text(REASON_AT, REASON_LENGTH_AT), mustReach: readIndex(slot, AT.mustReach) },
      checkAll: (flags & CHECK_ALL) !== 0,
    },
  };
}

/** True for a file that was made and never written: a first start that was cut short. */
function isBlank(fd: number): boolean {
  const content = Buffer.alloc(SLOTS * SLOT_STRIDE);
  readSync(fd, content, 0, content.length, 0);
  return content.every((byte) => byte === 0);
}

/** A safe integer as u64 LE, without the cost of BigInt. */
function writeIndex(slot: Buffer, value: number, at: number): void {
  slot.writeUInt32LE(value % 0x1_0000_0000, at);
  slot.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

function readIndex(slot: Buffer, at: number): number {
  return slot.readUInt32LE(at) + slot.readUInt32LE(at + 4) * 0x1_0000_0000;
}
