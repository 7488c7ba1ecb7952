/**
 * What the node asks of a log store, and the faults it may report. `sqlite-store.ts` keeps it on disk,
 * `memory-store.ts` is its twin for tests and simulation; both pass `test/unit/store-contract.test.ts`.
 *
 * The store MUST:
 *  - apply writes in the order they were given (one FIFO; one statement in flight; whatever waited while a
 *    write was on its way to the disk goes into the next one);
 *  - report a write durable only after the disk said so, in order, once per commit;
 *  - after the first failed write report one fault and never try that write again: after FAULT nothing is
 *    durable ever again, after NO_SPACE nothing until `resume`;
 *  - never return an entry whose chain hash does not prove it.
 * The store MUST NOT decide anything about Raft.
 */
import type {
  ChainHash,
  ConfigAt,
  Entry,
  HardState,
  LogPoint,
  Membership,
  SnapshotPoint,
} from '../../shared/entry.ts';
import type { TermRun } from '../../shared/term-runs.ts';
import type { RecordHead } from '../../shared/wire/record.ts';

/**
 * One step's disk work: hard state, truncation, then entries; all or nothing. Give `hardState` only when it
 * changed: it costs a second fsync (of the guard file).
 */
export interface LogWrite {
  readonly hardState?: HardState;
  /** Every entry with this index or a later one is dropped. */
  readonly truncateFrom?: number;
  /** The whole log is dropped, and begins after this. In a write of its own, hard state aside. */
  readonly reset?: SnapshotPoint;
  /** Chain hash of the entry just before `entries[0]`. Unused when there are no entries. */
  readonly previousHash: ChainHash;
  /** Contiguous, continuing the log (after the truncation), each one sealed (`record` and `hash` filled). */
  readonly entries: readonly Entry[];
}

/** Can this node prove that it still holds everything it ever acknowledged? */
export type Proof =
  | { readonly whole: true }
  | {
      readonly whole: false;
      /** One sentence for people. */
      readonly reason: string;
      /** The highest index this node may have acknowledged before. */
      readonly mustReach: number;
    };

/** A SKIP entry stands at `at`, about the command at `target`. An index into the log; the entry is what counts. */
export interface SkipMark {
  readonly at: number;
  readonly target: number;
}

/** What was found on the disk. */
export interface StoredState {
  readonly hardState: HardState;
  /** Random id of this data folder, minted when it was made. */
  readonly incarnation: string;
  /** What the log continues: the last entry that was compacted away. Its time is 0 where entries follow. */
  readonly base: LogPoint;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly lastHash: ChainHash;
  readonly runs: readonly TermRun[];
  /** The newest entries (contiguous, up to lastIndex), at most `tailBytes` of them: they warm the tail cache. */
  readonly tail: readonly Entry[];
  /** Bytes of all records. */
  readonly logBytes: number;
  /** Every SKIP entry of the log, ascending. */
  readonly skips: readonly SkipMark[];
  /** Every membership of the log, ascending, and the one that it began with. Empty in a folder that was given none. */
  readonly configs: readonly ConfigAt[];
  /** By node: the incarnation of the data folder that it was seen with first. */
  readonly disks: ReadonlyMap<string, string>;
  readonly proof: Proof;
  /** True when the folder was made by this call. */
  readonly fresh: boolean;
}

/**
 * FAULT: an I/O error or corruption; the process must stop (exit code 3) by `process.exit`: a
 * process that ends by running dry closes its handle, and that syncs once more what has just failed to sync.
 * NO_SPACE: the disk is full; nothing was written, the log before it is intact, reads still work.
 * LOCKED: another daemon has the folder (exit code 4).
 * FOREIGN: the folder is of another node, or of another cluster (exit code 2).
 */
export type StoreFaultKind = 'FAULT' | 'NO_SPACE' | 'LOCKED' | 'FOREIGN';

export class StoreError extends Error {
  readonly kind: StoreFaultKind;
  /** In a reported fault: the first write that is not durable. The log is as it was before that write. */
  readonly sequence: number | undefined;
  constructor(kind: StoreFaultKind, message: string, options?: ErrorOptions & { sequence?: number }) {
    super(message, options);
    this.name = 'StoreError';
    this.kind = kind;
    this.sequence = options?.sequence;
  }
}

/** Called by the store; set once, before the first write. */
export interface StoreListener {
  /** Every write up to and including `sequence` is on the disk. */
  durable(sequence: number): void;
  /**
   * The store has failed: the writes from `error.sequence` on are not durable. After NO_SPACE they were
   * refused, the log ends where it ended before them, and `write` throws until `resume` has succeeded.
   */
  fault(error: StoreError): void;
  /** One commit, for metrics: its time in ms (fsync included), entries, and bytes of records. */
  committed?(ms: number, entries: number, bytes: number): void;
}

export interface StoreStats {
  readonly queuedWrites: number;
  readonly queuedBytes: number;
  /** Age in ms of the oldest write that is not durable, 0 when there is none. */
  readonly oldestWriteMs: number;
  readonly commits: number;
  readonly entriesWritten: number;
  readonly bytesWritten: number;
  /** Milliseconds the last durable commit took. */
  readonly lastCommitMs: number;
}

/** What `Store.select` chooses by: only that much of an entry is read. */
export type Wanted = (head: RecordHead) => boolean;

/** What `Store.select` found up to `through`, in order. */
export interface Selected {
  readonly through: number;
  /** What was read for it. */
  readonly bytes: number;
  readonly entries: readonly Entry[];
}

export interface Store {
  /** Opens or creates the log, checks it, and says what it holds. Throws StoreError. */
  open(): Promise<StoredState>;
  listen(listener: StoreListener): void;
  /**
   * Queues a write and returns its sequence number (1, 2, 3, …). Never blocks. Throws RangeError on a broken
   * contract, and StoreError when a fault was already reported (or `open` or `close` says there is no log).
   */
  write(write: LogWrite): number;
  /**
   * Entries from `from` up to `to`, at least one, stopping before `maxBytes` (of commands) is passed.
   * Ordered after the writes queued before it. Throws StoreError; RangeError when `from` is not in the log.
   */
  read(from: number, to: number, maxBytes: number): Promise<Entry[]>;
  /**
   * Reads from `from` up to `to`, at least one entry and a bounded part, and gives of it only what is `wanted`. All of it is proven.
   * `through`: how far it has read. Ordered and failing as `read`.
   */
  select(from: number, to: number, wanted: Wanted): Promise<Selected>;
  /** Chain hash at `index` (also at the base of the log), or undefined when the log does not have it. */
  hashAt(index: number): Promise<ChainHash | undefined>;
  /**
   * Entries up to `point` are not needed any more: they go in small steps, behind everything that is queued. The log
   * on the disk may go on to begin earlier than asked. `relies`: there is a snapshot with the app's bytes that has them;
   * a start without it finds that this node has forgotten.
   */
  compact(point: LogPoint, relies: boolean): void;
  /** Remembers which data folder a node has, or forgets it ('' for the incarnation). Rejects with StoreError. */
  rememberDisk(node: string, incarnation: string): Promise<void>;
  /** The membership that a cluster begins with, into a log that has none. Resolves once it is on the disk. Throws StoreError. */
  bootstrap(membership: Membership): Promise<void>;
  /**
   * The node has repaired its log from its peers up to `mustReach` at least: forget that it was not whole.
   * Until then every start says `whole: false` again.
   */
  markWhole(): void;
  /**
   * After NO_SPACE: tries a small write of its own (never the refused ones). Resolves when the disk takes
   * writes again, with some space to spare, throws NO_SPACE while it does not. Does nothing when the store is not refusing writes.
   */
  resume(): Promise<void>;
  stats(): StoreStats;
  /** Waits for what is queued, then closes. Idempotent. */
  close(): Promise<void>;
}
