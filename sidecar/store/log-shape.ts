/**
 * The shape of a log: its term runs and the chain hash at its end. Both stores hold two of them: the log as it
 * will be when everything queued is written, and the log as it is on the disk.
 *
 * MUST: refuse a write that breaks the contract, and then stay as it was.
 * MUST NOT: do I/O, or keep entries.
 */
import {
  assertSafeIndex,
  type ChainHash,
  type Entry,
  HASH_BYTES,
  type HardState,
  type LogPoint,
  ORIGIN,
} from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import { type TermRun, TermRuns } from '../../shared/term-runs.ts';
import type { LogWrite } from './contract.ts';

export class LogShape {
  readonly runs: TermRuns;
  /** Chain hash at the last index; undefined after a truncation whose new end was not read yet. */
  lastHash: ChainHash | undefined;

  /** Just before the first entry. */
  base: LogPoint;

  constructor(
    runs: Iterable<TermRun> = [],
    lastHash: ChainHash | undefined = ORIGIN.hash,
    base: LogPoint = ORIGIN,
  ) {
    this.runs = new TermRuns(runs, base.index, base.term);
    this.lastHash = lastHash;
    this.base = base;
  }

  get lastIndex(): number {
    return this.runs.lastIndex;
  }

  get lastTerm(): number {
    return this.runs.lastTerm;
  }

  copy(): LogShape {
    return new LogShape(this.runs.list(), this.lastHash, this.base);
  }

  /** Takes a write into the shape; returns the bytes of its records. Throws RangeError on a broken contract. */
  accept(write: LogWrite): number {
    const { hardState, truncateFrom, reset, entries } = write;
    if (hardState !== undefined) checkHardState(hardState);
    if (reset !== undefined) this.#checkReset(write, reset);
    if (truncateFrom !== undefined) this.#checkTruncation(truncateFrom);
    const bytes = entries.length === 0 ? 0 : this.#checkEntries(write);
    if (reset !== undefined) this.resetTo(reset);
    if (truncateFrom !== undefined) this.truncateFrom(truncateFrom);
    this.append(entries);
    return bytes;
  }

  truncateFrom(index: number): void {
    if (index > this.lastIndex) return;
    this.runs.truncateFrom(index);
    this.lastHash = index === this.runs.firstIndex ? this.base.hash : undefined;
  }

  resetTo(base: LogPoint): void {
    this.base = base;
    this.runs.resetTo(base.index, base.term);
    this.lastHash = base.hash;
  }

  /** The first entries are gone, up to `base`. */
  compactTo(base: LogPoint): void {
    if (base.index <= this.base.index) return;
    this.runs.compactTo(base.index);
    this.base = base;
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    let start = first.index;
    let term = first.term;
    let previous = first;
    for (const entry of entries) {
      if (entry.term !== term) {
        this.runs.append(term, start, previous.index);
        start = entry.index;
        term = entry.term;
      }
      previous = entry;
    }
    this.runs.append(term, start, previous.index);
    this.lastHash = previous.hash;
  }

  #checkReset({ truncateFrom, entries }: LogWrite, { index, term, hash }: LogPoint): void {
    assertSafeIndex(index, 'index');
    assertSafeIndex(term, 'term');
    if (hash.length !== HASH_BYTES) throw new RangeError('the hash of the new beginning is not a chain hash');
    if (index < this.runs.baseIndex)
      throw new RangeError(`the log begins after ${this.runs.baseIndex} already`);
    if (truncateFrom !== undefined || entries.length > 0)
      throw new RangeError('a write that begins the log anew holds nothing else of the log');
  }

  #checkTruncation(index: number): void {
    assertSafeIndex(index, 'truncateFrom');
    const { firstIndex, lastIndex } = this.runs;
    if (index < firstIndex || index > lastIndex + 1) {
      throw new RangeError(`cannot truncate from ${index}: the log holds ${firstIndex} to ${lastIndex}`);
    }
  }

  #checkEntries({ truncateFrom, previousHash, entries }: LogWrite): number {
    let index = Math.min(truncateFrom ?? Number.POSITIVE_INFINITY, this.lastIndex + 1);
    if (previousHash.length !== HASH_BYTES) throw new RangeError('previousHash is not a chain hash');
    const atBase = index === this.runs.firstIndex ? this.base.hash : undefined;
    const known = index > this.lastIndex ? this.lastHash : atBase;
    if (known !== undefined && known !== previousHash) {
      throw new RangeError(`previousHash is not the chain hash at ${index - 1}`);
    }
    let term = this.runs.termAt(index - 1) ?? 0;
    let bytes = 0;
    for (const entry of entries) {
      if (entry.index !== index) throw new RangeError(`entry ${entry.index} came where ${index} belongs`);
      if (entry.term !== term) {
        assertSafeIndex(entry.term, 'term');
        if (entry.term < term) throw new RangeError(`the term of entry ${index} goes back to ${entry.term}`);
        term = entry.term;
      }
      if (entry.record === undefined || entry.hash === undefined) {
        throw new RangeError(`entry ${index} is not sealed`);
      }
      bytes += entry.record.length;
      index++;
    }
    assertSafeIndex(index, 'index');
    return bytes;
  }
}

function checkHardState({ term, vote }: HardState): void {
  assertSafeIndex(term, 'term');
  if (vote.includes('\0') || Buffer.byteLength(vote) > LIMITS.storeVoteBytes) {
    throw new RangeError(`a vote has at most ${LIMITS.storeVoteBytes} bytes, and none of them is zero`);
  }
}
