/**
 * The core's view of the log: term runs over all of it, and the newest entries in memory (the tail).
 *
 * MUST: know the term of every index without I/O; keep every entry in memory that is not both durable and
 * committed. MAY: forget older entries when the tail grows past its bound; they are then fetched from the disk.
 */
import { type ChainHash, type Entry, entryBytes, type LogPoint, ORIGIN } from '../../shared/entry.ts';
import { type TermRun, TermRuns } from '../../shared/term-runs.ts';

/**
 * What an entry costs while it is kept in memory, bytes: its command twice (as it came, and in the record), and its objects,
 * its hash, and what shares a slab of memory with them. Measured on a leader: 1 to 2 KiB for commands of 130 bytes where only
 * the command was counted.
 */
const TAIL_ENTRY_BYTES = 512;
function tailBytes({ command }: Entry): number {
  return 2 * command.length + TAIL_ENTRY_BYTES;
}

export class RaftLog {
  readonly runs: TermRuns;
  /** `#entries[#head]` is the first entry in memory; slots before it are free and cut off now and then. */
  #entries: Entry[];
  #head = 0;
  #tailBytes = 0;
  /** Time and hash of the entry just before the tail; hash undefined when only the disk knows it. */
  #baseTime = 0;
  #baseHash: ChainHash | undefined;
  /** Just before the first entry of the log, where that is known with its hash. */
  #origin: LogPoint;

  /** `base`: what the log continues. */
  constructor(runs: readonly TermRun[], tail: readonly Entry[], base: LogPoint = ORIGIN) {
    this.runs = new TermRuns(runs, base.index, base.term);
    this.#origin = base;
    this.#entries = [...tail];
    for (const entry of tail) this.#tailBytes += tailBytes(entry);
    const first = tail[0]?.index ?? this.lastIndex + 1;
    if ((tail.at(-1)?.index ?? this.lastIndex) !== this.lastIndex) {
      throw new RangeError('the tail does not end where the log ends');
    }
    if (first === base.index + 1) this.#tailIsWhole();
  }

  /** The tail begins where the log begins. */
  #tailIsWhole(): void {
    this.#baseTime = this.#origin.time;
    this.#baseHash = this.#origin.hash;
  }

  /** Everything up to here is in snapshots alone; 0: nothing is. */
  get baseIndex(): number {
    return this.runs.baseIndex;
  }

  get firstIndex(): number {
    return this.runs.firstIndex;
  }

  get lastIndex(): number {
    return this.runs.lastIndex;
  }

  get lastTerm(): number {
    return this.runs.lastTerm;
  }

  /** Index of the first entry in memory (lastIndex + 1 when there is none). */
  get tailFirst(): number {
    return this.lastIndex + 1 - (this.#entries.length - this.#head);
  }

  get tailBytes(): number {
    return this.#tailBytes;
  }

  /** Cluster time of the last entry; a new one must not be smaller. */
  get lastTime(): number {
    return this.#entries.length > this.#head ? (this.#entries.at(-1) as Entry).time : this.#baseTime;
  }

  termAt(index: number): number | undefined {
    return this.runs.termAt(index);
  }

  /** The entry at `index` if it is in memory. */
  entryAt(index: number): Entry | undefined {
    const first = this.tailFirst;
    return index < first ? undefined : this.#entries[this.#head + index - first];
  }

  /** Chain hash at `index` if memory knows it (the entry must have been sealed). */
  hashAt(index: number): ChainHash | undefined {
    if (index === this.#origin.index) return this.#origin.hash;
    if (index === this.tailFirst - 1) return this.#baseHash;
    return this.entryAt(index)?.hash;
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.runs.append(entry.term, entry.index, entry.index);
      this.#entries.push(entry);
      this.#tailBytes += tailBytes(entry);
    }
  }

  /** Forgets every entry from `index` on. */
  truncateFrom(index: number): void {
    if (index > this.lastIndex) return;
    const first = this.tailFirst;
    const keep = Math.max(index - first, 0);
    for (let i = this.#head + keep; i < this.#entries.length; i++) {
      this.#tailBytes -= tailBytes(this.#entries[i] as Entry);
    }
    this.#entries.length = this.#head + keep;
    this.runs.truncateFrom(index);
    if (index >= first) return;
    this.#baseHash = undefined;
    if (index - 1 === this.#origin.index) this.#tailIsWhole();
  }

  /** Forgets every entry up to `point`: a snapshot has them. */
  compactTo(point: LogPoint): void {
    if (point.index <= this.baseIndex) return;
    if (this.termAt(point.index) !== point.term)
      throw new RangeError(`the log has another entry at ${point.index} than the snapshot there`);
    this.runs.compactTo(point.index);
    this.#origin = point;
    for (let index = this.tailFirst; index <= Math.min(point.index, this.lastIndex); index++)
      this.#forgetFirst();
    this.#cutOff();
  }

  /** Begins anew, empty, where a snapshot ends. */
  resetTo(point: LogPoint): void {
    this.runs.resetTo(point.index, point.term);
    this.#entries = [];
    this.#head = 0;
    this.#tailBytes = 0;
    this.#origin = point;
    this.#tailIsWhole();
  }

  /**
   * Entries from `from` through `through`, at most so many entries and bytes, one at least. Undefined when
   * `from` is no longer in memory; empty when it is beyond the end.
   */
  slice(from: number, through: number, maxEntries: number, maxBytes: number): Entry[] | undefined {
    const first = this.tailFirst;
    if (from < first && from <= this.lastIndex) return undefined;
    const start = this.#head + from - first;
    const limit = Math.min(this.#entries.length, start + maxEntries, start + through - from + 1);
    let end = start;
    for (let bytes = 0; end < limit; end++) {
      bytes += entryBytes(this.#entries[end] as Entry);
      if (bytes > maxBytes && end > start) break;
    }
    return this.#entries.slice(start, end);
  }

  /** Forgets the oldest entries while the tail is over `maxBytes`, but none after `upTo`. */
  trim(maxBytes: number, upTo: number): void {
    if (this.#tailBytes <= maxBytes) return;
    for (let index = this.tailFirst; this.#tailBytes > maxBytes && index <= upTo; index++)
      this.#forgetFirst();
    this.#cutOff();
  }

  #forgetFirst(): void {
    const entry = this.#entries[this.#head] as Entry;
    this.#tailBytes -= tailBytes(entry);
    this.#baseTime = entry.time;
    this.#baseHash = entry.hash;
    this.#entries[this.#head] = undefined as never;
    this.#head++;
  }

  #cutOff(): void {
    // Cutting the free slots off costs a copy: do it when they are half of the array.
    if (this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }
}
