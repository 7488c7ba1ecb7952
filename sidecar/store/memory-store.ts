/**
 * The twin of the SQLite store that keeps its log in memory: for unit tests and demonstrations of the contract.
 *
 * MUST: keep the same contract, refusals included; with `autoComplete: false` nothing is durable until
 * `complete` says so, and `failNext` makes the next commit fail as a disk would.
 * MUST NOT: be used where anything has to survive the process.
 */
import {
  type ChainHash,
  type ConfigAt,
  type Entry,
  type HardState,
  type LogPoint,
  type Membership,
  ORIGIN,
} from '../../shared/entry.ts';
import { configsIn } from './configs.ts';
import {
  type LogWrite,
  type Proof,
  type Selected,
  type Store,
  type StoredState,
  StoreError,
  type StoreFaultKind,
  type StoreListener,
  type StoreStats,
  type Wanted,
} from './contract.ts';
import { checkRange } from './log-reader.ts';
import { LogShape } from './log-shape.ts';
import { mergeWrites } from './merge-writes.ts';
import { newIncarnation } from './schema.ts';
import { skipsIn } from './skips.ts';
import { type QueuedWrite, WriteQueue } from './write-queue.ts';

/** What survives `close`: give it to the next MemoryStore to reopen the log. */
export class MemoryDisk {
  readonly incarnation = newIncarnation();
  fresh = true;
  hardState: HardState = { term: 0, vote: '' };
  /** The entries follow this. */
  base: LogPoint = ORIGIN;
  entries: Entry[] = [];
  proof: Proof = { whole: true };
  configs: ConfigAt[] = [];
  disks = new Map<string, string>();
}

export interface MemoryStoreOptions {
  readonly disk?: MemoryDisk;
  /** True (the default): what was written in one run of JavaScript is durable right after it. */
  readonly autoComplete?: boolean;
}

/** A part that `select` reads. */
const SELECT_ENTRIES = 4;

export class MemoryStore implements Store {
  readonly disk: MemoryDisk;
  readonly #autoComplete: boolean;
  readonly #queue = new WriteQueue();
  #listener: StoreListener | undefined;
  #accepted = new LogShape();
  #durable = new LogShape();
  #open = false;
  #closing: Promise<void> | undefined;
  #failure: StoreError | undefined;
  #failNext: StoreFaultKind | undefined;
  #scheduled = false;
  #whenEmpty: (() => void) | undefined;
  #sequence = 0;
  #commits = 0;
  #entriesWritten = 0;
  #bytesWritten = 0;

  constructor({ disk = new MemoryDisk(), autoComplete = true }: MemoryStoreOptions = {}) {
    this.disk = disk;
    this.#autoComplete = autoComplete;
  }

  async open(): Promise<StoredState> {
    const { base, entries, hardState, incarnation, proof, fresh } = this.disk;
    this.#durable.resetTo(base);
    this.#durable.append(entries);
    this.#accepted = this.#durable.copy();
    this.disk.fresh = false;
    this.#open = true;
    return {
      hardState,
      incarnation,
      base,
      firstIndex: base.index + 1,
      lastIndex: base.index + entries.length,
      lastHash: this.#durable.lastHash ?? base.hash,
      runs: this.#durable.runs.list(),
      tail: entries.slice(),
      logBytes: entries.reduce((sum, { record }) => sum + (record?.length ?? 0), 0),
      skips: skipsIn(entries),
      configs: this.disk.configs,
      disks: this.disk.disks,
      proof,
      fresh,
    };
  }

  listen(listener: StoreListener): void {
    this.#listener = listener;
  }

  write(write: LogWrite): number {
    if (!this.#open || this.#closing !== undefined || this.#failure !== undefined) throw this.#refusal();
    const bytes = this.#accepted.accept(write);
    this.#sequence++;
    this.#queue.pushWrite({ sequence: this.#sequence, write, bytes, at: performance.now() });
    this.#schedule();
    return this.#sequence;
  }

  read(from: number, to: number, maxBytes: number): Promise<Entry[]> {
    return this.#ask(() => {
      const { base, entries } = this.disk;
      checkRange(from, to, base.index + 1, base.index + entries.length);
      const found: Entry[] = [];
      let bytes = 0;
      for (const entry of entries.slice(from - base.index - 1, to - base.index)) {
        bytes += entry.command.length;
        if (found.length > 0 && bytes > maxBytes) break;
        found.push(entry);
      }
      return found;
    });
  }

  select(from: number, to: number, wanted: Wanted): Promise<Selected> {
    return this.#ask(() => {
      const { base, entries } = this.disk;
      checkRange(from, to, base.index + 1, base.index + entries.length);
      const part = entries.slice(
        from - base.index - 1,
        Math.min(to - base.index, from - base.index - 1 + SELECT_ENTRIES),
      );
      return { through: part.at(-1)?.index ?? from, bytes: 0, entries: part.filter(wanted) };
    });
  }

  hashAt(index: number): Promise<ChainHash | undefined> {
    return this.#ask(() => {
      const { base, entries } = this.disk;
      return index === base.index ? base.hash : entries[index - base.index - 1]?.hash;
    });
  }

  compact(point: LogPoint): void {
    const { disk } = this;
    this.#ask(() => {
      if (point.index <= disk.base.index || point.index > this.#durable.lastIndex) return;
      disk.entries = disk.entries.slice(point.index - disk.base.index);
      disk.configs = disk.configs.slice(disk.configs.findLastIndex(({ index }) => index <= point.index));
      disk.base = point;
      this.#durable.compactTo(point);
      this.#accepted.compactTo(point);
    }).catch(() => undefined);
  }

  markWhole(): void {
    this.disk.proof = { whole: true };
  }

  async rememberDisk(node: string, incarnation: string): Promise<void> {
    if (incarnation === '') this.disk.disks.delete(node);
    else this.disk.disks.set(node, incarnation);
  }

  async bootstrap(membership: Membership): Promise<void> {
    this.disk.configs = [{ index: 0, membership }];
  }

  async resume(): Promise<void> {
    if (this.#failure?.kind === 'FAULT') throw this.#failure;
    this.#failure = undefined;
  }

  stats(): StoreStats {
    const oldestAt = this.#queue.oldestAt;
    return {
      queuedWrites: this.#queue.writes,
      queuedBytes: this.#queue.bytes,
      oldestWriteMs: oldestAt === undefined ? 0 : performance.now() - oldestAt,
      commits: this.#commits,
      entriesWritten: this.#entriesWritten,
      bytesWritten: this.#bytesWritten,
      lastCommitMs: 0,
    };
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      if (this.#queue.isEmpty) resolve();
      else this.#whenEmpty = resolve;
    });
    return this.#closing;
  }

  /** Makes the next commit fail. */
  failNext(kind: StoreFaultKind): void {
    this.#failNext = kind;
  }

  /** Does one commit of everything queued (up to the next read), and the reads after it. */
  complete(): void {
    const writes = this.#queue.takeWrites();
    if (writes.length > 0) this.#commit(writes);
    for (let task = this.#queue.takeTask(); task !== undefined; task = this.#queue.takeTask()) void task();
    if (this.#queue.isEmpty) this.#whenEmpty?.();
  }

  #commit(writes: readonly QueuedWrite[]): void {
    if (this.#failNext !== undefined) return this.#fail(this.#failNext);
    const { hardState, truncateFrom, reset, entries } = mergeWrites(writes.map(({ write }) => write));
    if (hardState !== undefined) this.disk.hardState = hardState;
    if (reset !== undefined) {
      this.disk.base = reset;
      if (reset.config !== undefined) this.disk.configs = [reset.config];
      this.disk.entries = [];
      this.#durable.resetTo(reset);
    }
    if (truncateFrom !== undefined) {
      this.disk.entries.length = Math.min(truncateFrom - this.disk.base.index - 1, this.disk.entries.length);
      this.#durable.truncateFrom(truncateFrom);
    }
    if (truncateFrom !== undefined)
      this.disk.configs = this.disk.configs.filter(({ index }) => index < truncateFrom);
    this.disk.configs.push(...configsIn(entries));
    for (const entry of entries) this.disk.entries.push(entry);
    this.#durable.append(entries);
    this.#durable.lastHash = this.disk.entries.at(-1)?.hash ?? this.disk.base.hash;
    let bytes = 0;
    for (const write of writes) bytes += write.bytes;
    this.#queue.done();
    this.#commits++;
    this.#entriesWritten += entries.length;
    this.#bytesWritten += bytes;
    this.#listener?.committed?.(0, entries.length, bytes);
    this.#listener?.durable((writes.at(-1) as QueuedWrite).sequence);
  }

  #fail(kind: StoreFaultKind): void {
    this.#failNext = undefined;
    const sequence = this.#queue.dropWrites() ?? this.#sequence + 1;
    this.#accepted = this.#durable.copy();
    this.#failure = new StoreError(kind, 'the store was told to fail', { sequence });
    this.#listener?.fault(this.#failure);
  }

  #ask<T>(question: () => T): Promise<T> {
    if (!this.#open || this.#closing !== undefined || this.#failure?.kind === 'FAULT') {
      return Promise.reject(this.#refusal());
    }
    return new Promise((resolve, reject) => {
      this.#queue.pushTask(async () => {
        try {
          if (this.#failure?.kind === 'FAULT') throw this.#failure;
          resolve(question());
        } catch (error) {
          reject(error);
        }
      });
      this.#schedule();
    });
  }

  /** A question with no write before it is answered also when commits are manual. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.#autoComplete) while (!this.#queue.isEmpty) this.complete();
      else if (this.#queue.writes === 0) this.complete();
    });
  }

  #refusal(): StoreError {
    return (
      this.#failure ?? new StoreError('FAULT', this.#open ? 'the store is closed' : 'the store is not open')
    );
  }
}
