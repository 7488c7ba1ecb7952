/**
 * What was delivered and not yet applied, oldest first, weighed in entries and bytes.
 *
 * MUST: count every entry once in and once out. Plain data; no I/O.
 */
import { type Entry, entryBytes } from '../../shared/entry.ts';

interface Batch {
  readonly entries: readonly Entry[];
  /** First entry that is not applied. */
  next: number;
}

export class InFlight {
  /** Batches before `#head` are done; the array is cut when half of it is. */
  #batches: Batch[] = [];
  #head = 0;
  #entries = 0;
  #bytes = 0;

  get entries(): number {
    return this.#entries;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Index of the oldest entry that is not applied. */
  get firstIndex(): number | undefined {
    const batch = this.#batches[this.#head];
    return batch?.entries[batch.next]?.index;
  }

  add(entries: readonly Entry[], bytes: number): void {
    if (entries.length === 0) return;
    this.#batches.push({ entries, next: 0 });
    this.#entries += entries.length;
    this.#bytes += bytes;
  }

  /** Takes out every entry through this index. */
  applied(through: number): void {
    for (let batch = this.#batches[this.#head]; batch !== undefined; batch = this.#batches[this.#head]) {
      for (let entry = batch.entries[batch.next]; entry !== undefined; entry = batch.entries[batch.next]) {
        if (entry.index > through) return;
        batch.next += 1;
        this.#entries -= 1;
        this.#bytes -= entryBytes(entry);
      }
      this.#head += 1;
      if (this.#head * 2 >= this.#batches.length) {
        this.#batches = this.#batches.slice(this.#head);
        this.#head = 0;
      }
    }
  }

  clear(): void {
    this.#batches = [];
    this.#head = 0;
    this.#entries = 0;
    this.#bytes = 0;
  }
}

export function weigh(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}
