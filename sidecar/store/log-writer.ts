/**
 * One commit at a time: brings a merged write to SQLite and to the guard, in the only safe order.
 *
 *   1. before entries are truncated, or the log is dropped for a snapshot: the guard gets the lower watermark, and is synced;
 *   2. SQLite commits (one fsync of its WAL);
 *   3. the guard notes the new watermark, to be written a moment later; a changed term or vote is written and synced now.
 * So the guard never promises what SQLite does not hold, and term and vote are in both when `commit` settles.
 *
 * MUST: leave `durable` as it was when a commit throws.
 * MUST NOT: run two commits, or a commit and a read, at once (the store's FIFO sees to it); retry.
 */
import {
  type ChainHash,
  type Entry,
  type HardState,
  type LogPoint,
  type SnapshotPoint,
  ZERO_HASH,
} from '../../shared/entry.ts';
import { configsIn } from './configs.ts';
import { StoreError } from './contract.ts';
import type { Damage, GuardFile, GuardState } from './guard.ts';
import type { Owner } from './identity.ts';
import { rowHolding } from './log-reader.ts';
import type { LogShape } from './log-shape.ts';
import type { Base, LogTable } from './log-table.ts';
import type { MergedWrite } from './merge-writes.ts';
import { packRow, planRows, type RowPlan, unpackRow } from './packed-row.ts';
import { skipsIn } from './skips.ts';

/**
 * Checkpoint (copy the WAL into the database, two fsyncs) once the WAL has about so many bytes and nothing
 * waits, or so many at the latest. Commits wait for it, so it runs after `durable` was reported. Measured at
 * 512 entries per commit: 4 MiB stall commits for 10 ms, 16 MiB for 30 ms, 64 MiB for 120 ms, at the same
 * throughput; so often and short. (`PRAGMA wal_autocheckpoint` is off: see schema.ts.)
 */
const CHECKPOINT_IDLE_BYTES = 2 * 1024 * 1024;
const CHECKPOINT_BYTES = 4 * 1024 * 1024;
/** What a row costs in the WAL beyond its records: the leaf page it shares with others. */
const WAL_ROW_BYTES = 4096;
const PROBE_BYTES = 64 * 1024;
/** Rows dropped in one transaction of a compaction, in bytes of records (one row at least): commits wait for it. */
const COMPACT_BYTES = 8 * 1024 * 1024;

/** Where the log will end after a truncation. */
interface Cut {
  readonly index: number;
  readonly term: number;
  readonly hash: ChainHash;
  /** Rows from this first index on go; the entries of the first of them that stay are in `kept`. */
  readonly deleteFrom: number;
  readonly kept: readonly Entry[];
  readonly keptAfter: ChainHash;
}

/** What makes a survivor's folder the first one of a new cluster. */
export interface TakeOver {
  readonly owner: Owner;
  readonly incarnation: string;
  readonly hardState: HardState;
  /** Sealed, after the last one: the membership of the new cluster. */
  readonly entry: Entry;
}

export class LogWriter {
  readonly #table: LogTable;
  readonly #guard: GuardFile;
  #incarnation: string;
  /** The log on the disk. */
  readonly durable: LogShape;
  #hardState: HardState;
  #damage: Damage | undefined;
  #relies: boolean;
  #walBytes = 0;

  constructor(
    table: LogTable,
    guard: GuardFile,
    found: {
      incarnation: string;
      shape: LogShape;
      relies: boolean;
      hardState: HardState;
      damage: Damage | undefined;
    },
  ) {
    this.#table = table;
    this.#guard = guard;
    this.#incarnation = found.incarnation;
    this.durable = found.shape;
    this.#hardState = found.hardState;
    this.#damage = found.damage;
    this.#relies = found.relies;
  }

  /**
   * At the start, before anything else: what was found goes into the guard, then unproven rows go. `begins`: the log is
   * dropped, and begins after this.
   */
  async settle(
    cutFrom: number | undefined,
    begins: SnapshotPoint | undefined,
    hardStateInTable: HardState,
  ): Promise<void> {
    this.#guard.writeThrough(this.#guardState());
    // step: start told the guard
    if (cutFrom === undefined && begins === undefined && hardStateInTable === this.#hardState) return;
    await this.#table.begin(this.#hardState, cutFrom);
    if (begins !== undefined) await this.#table.reset(begins);
    // step: start settled, not committed
    await this.#table.commit();
    // step: start settled
  }

  /** Throws StoreError. */
  async commit(write: MergedWrite): Promise<void> {
    const { entries, previousHash, reset } = write;
    const hardState = this.#changed(write.hardState);
    if (reset !== undefined) {
      // step: log to be reset
      await this.#lowerWatermark(this.durable.base);
      // step: guard lowered for a reset
    }
    // Without a truncation nothing is awaited before the statement is on its way.
    const cut = write.truncateFrom === undefined ? undefined : await this.#planCut(write.truncateFrom);
    const end = cut?.hash ?? reset?.hash ?? this.durable.lastHash;
    if (entries.length > 0 && previousHash !== end) {
      throw new StoreError('FAULT', `the entries from ${entries[0]?.index} on do not continue the log`);
    }
    const rows = planRows(entries);
    const marks = skipsIn(entries).length + configsIn(entries).length;
    if (cut !== undefined) await this.#lowerWatermark(cut);
    const [row] = rows;
    const plain = cut === undefined && reset === undefined && marks === 0;
    if (plain && hardState === undefined && row !== undefined && rows.length === 1) {
      // The common case: one statement, which is its own transaction.
      await this.#table.insert(packRow(entries, row, previousHash));
    } else if (cut === undefined && reset === undefined && hardState !== undefined && row === undefined) {
      await this.#table.writeHardState(hardState);
    } else if (cut !== undefined || reset !== undefined || row !== undefined) {
      await this.#transaction(hardState, cut, write, rows);
    }
    if (reset !== undefined) {
      // step: log reset
      this.durable.resetTo(reset);
      this.#relies = true;
    }
    for (const { bytes } of rows) this.#walBytes += bytes + WAL_ROW_BYTES;
    if (cut !== undefined) {
      this.durable.truncateFrom(cut.index + 1);
      this.durable.lastHash = cut.hash;
    }
    this.durable.append(entries);
    await this.#raiseWatermark(hardState);
  }

  /** True when the WAL should be copied now, given that writes wait or not. */
  checkpointDue(writesWait: boolean): boolean {
    return this.#walBytes >= (writesWait ? CHECKPOINT_BYTES : CHECKPOINT_IDLE_BYTES);
  }

  /** Throws StoreError. */
  async checkpoint(): Promise<void> {
    // step: checkpoint due
    await this.#table.checkpoint('PASSIVE');
    // step: checkpoint made
    this.#walBytes = 0;
  }

  /**
   * Drops some rows that end at `point` or before; false when none is left. A row that goes on behind it stays, so the log
   * begins there or earlier. Throws StoreError.
   */
  async compactTo(point: LogPoint, relies: boolean): Promise<boolean> {
    const { base } = this.durable;
    const last = await this.#table.rowAt(point.index);
    if (last === undefined || point.index <= base.index) return false;
    const end = last.lastIndex <= point.index ? last.firstIndex : last.firstIndex - 1;
    const edge = await this.#table.edgeFrom(base.index + 1, end, COMPACT_BYTES);
    const dropped = edge === undefined ? undefined : await this.#table.rowAt(edge);
    if (dropped === undefined) return false;
    const { lastIndex: index, term, hash } = dropped;
    const begins: Base = {
      point: index === point.index ? point : { index, term, time: 0, hash },
      relies: relies || this.#relies,
    };
    // step: rows to be dropped
    try {
      await this.#table.dropRows(dropped.firstIndex, begins);
      // step: rows dropped
    } catch (error) {
      if (error instanceof StoreError && error.kind === 'NO_SPACE') await this.#table.rollback();
      throw error;
    }
    this.#relies = begins.relies;
    this.durable.compactTo(begins.point);
    this.#walBytes += WAL_ROW_BYTES;
    return true;
  }

  /** After NO_SPACE: back to the log as it is on the disk, and a look whether it is. Throws StoreError. */
  async rollback(): Promise<void> {
    await this.#table.rollback();
    const last = await this.#table.rowAt(Number.MAX_SAFE_INTEGER);
    if (
      (last?.lastIndex ?? this.durable.base.index) !== this.durable.lastIndex ||
      (last?.hash ?? this.durable.base.hash) !== this.durable.lastHash
    ) {
      throw new StoreError('FAULT', 'storage failed: a refused write is in the log');
    }
    await this.#writeGuard();
  }

  /** Does the disk take writes? Throws StoreError. */
  async probe(): Promise<void> {
    try {
      await this.#table.checkpoint('PASSIVE');
      await this.#table.probe(PROBE_BYTES);
    } catch (error) {
      if (error instanceof StoreError && error.kind === 'NO_SPACE') await this.#table.rollback();
      throw error;
    }
    this.#walBytes = PROBE_BYTES;
  }

  async markWhole(): Promise<void> {
    this.#damage = undefined;
    await this.#writeGuard();
  }

  /** A damaged row was read: the next start checks all of them. */
  async distrust(): Promise<void> {
    await this.#guard.idle;
    this.#guard.writeThrough({ ...this.#guardState(), checkAll: true });
  }

  /**
   * `recover`: the log goes on with `entry`, as another cluster's, in a folder that counts as another one; and it is believed as
   * it is. All in one transaction. Until the guard follows, a start knows it by the incarnation from before. Throws StoreError.
   */
  async takeOver({ owner, incarnation, hardState, entry }: TakeOver): Promise<void> {
    const entries = [entry];
    await this.#table.begin(hardState, undefined);
    await this.#insertAll(entries, planRows(entries), this.durable.lastHash ?? ZERO_HASH);
    for (const config of configsIn(entries)) await this.#table.insertConfig(config);
    await this.#table.takeOver(owner, incarnation);
    await this.#table.commit();
    // step: taken over
    this.durable.append(entries);
    this.#hardState = hardState;
    this.#incarnation = incarnation;
    this.#damage = undefined;
    await this.#guard.idle;
    this.#guard.writeThrough(this.#guardState());
  }

  /** Before an orderly close. Throws StoreError. */
  async finish(): Promise<void> {
    await this.#guard.idle;
    this.#guard.flush();
    await this.#guard.sync();
    await this.#table.checkpoint('TRUNCATE');
  }

  #changed(hardState: HardState | undefined): HardState | undefined {
    const { term, vote } = this.#hardState;
    return hardState === undefined || (hardState.term === term && hardState.vote === vote)
      ? undefined
      : hardState;
  }

  async #planCut(truncateFrom: number): Promise<Cut | undefined> {
    if (truncateFrom > this.durable.lastIndex) return undefined;
    const index = truncateFrom - 1;
    const none = { kept: [], keptAfter: ZERO_HASH };
    const { base } = this.durable;
    if (index === base.index)
      return { index, term: base.term, hash: base.hash, deleteFrom: index + 1, ...none };
    const row = await rowHolding(this.#table, index);
    const { term } = row;
    if (row.lastIndex === index) return { index, term, hash: row.hash, deleteFrom: truncateFrom, ...none };
    const kept = unpackRow(row).slice(0, index - row.firstIndex + 1);
    const hash = kept.at(-1)?.hash ?? ZERO_HASH;
    return { index, term, hash, deleteFrom: row.firstIndex, kept, keptAfter: row.previousHash };
  }

  async #transaction(
    hardState: HardState | undefined,
    cut: Cut | undefined,
    { entries, previousHash, reset }: MergedWrite,
    rows: readonly RowPlan[],
  ): Promise<void> {
    await this.#table.begin(hardState, cut?.deleteFrom);
    if (reset !== undefined) {
      // step: reset begun
      await this.#table.reset(reset);
      // step: log reset, not committed
    }
    if (cut !== undefined) await this.#insertAll(cut.kept, planRows(cut.kept), cut.keptAfter);
    await this.#insertAll(entries, rows, previousHash);
    // Those of entries that the cut kept are there again, since it drops from the beginning of their row.
    const inserted = [...(cut?.kept ?? []), ...entries];
    for (const skip of skipsIn(inserted)) await this.#table.insertSkip(skip);
    for (const config of configsIn(inserted)) await this.#table.insertConfig(config);
    await this.#table.commit();
  }

  async #insertAll(
    entries: readonly Entry[],
    rows: readonly RowPlan[],
    previousHash: ChainHash,
  ): Promise<void> {
    let hash = previousHash;
    for (const plan of rows) {
      const row = packRow(entries, plan, hash);
      await this.#table.insert(row);
      hash = row.hash;
    }
  }

  async #lowerWatermark({ index, term, hash }: Pick<LogPoint, 'index' | 'term' | 'hash'>): Promise<void> {
    await this.#guard.idle;
    this.#guard.write({ ...this.#guardState(), index, indexTerm: term, hash });
    await this.#guard.sync();
  }

  async #raiseWatermark(hardState: HardState | undefined): Promise<void> {
    if (hardState === undefined) {
      this.#guard.note(this.#guardState());
      return;
    }
    this.#hardState = hardState;
    await this.#guard.idle;
    this.#guard.write(this.#guardState());
    await this.#guard.sync();
  }

  async #writeGuard(): Promise<void> {
    await this.#guard.idle;
    this.#guard.write(this.#guardState());
  }

  #guardState(): GuardState {
    return {
      incarnation: this.#incarnation,
      term: this.#hardState.term,
      vote: this.#hardState.vote,
      index: this.durable.lastIndex,
      indexTerm: this.durable.lastTerm,
      hash: this.durable.lastHash ?? ZERO_HASH,
      damage: this.#damage,
      checkAll: false,
    };
  }
}
