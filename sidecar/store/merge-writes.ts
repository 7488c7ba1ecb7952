/**
 * Group commit: many queued writes become the one write that has the same effect.
 *
 * MUST: end in the same log and hard state as the writes one after another. Entries that a later write of the
 * same group truncates never reach the disk.
 * MUST NOT: do I/O.
 */
import type { ChainHash, Entry, HardState, SnapshotPoint } from '../../shared/entry.ts';
import type { LogWrite } from './contract.ts';

export interface MergedWrite {
  readonly hardState: HardState | undefined;
  /** Entries from here on that are in the log already are dropped. */
  readonly truncateFrom: number | undefined;
  /** The whole log is dropped first, and begins after this. */
  readonly reset: SnapshotPoint | undefined;
  readonly previousHash: ChainHash;
  readonly entries: readonly Entry[];
}

/** Merges `writes`, at least one, each accepted by a LogShape. Throws RangeError when their chain is broken. */
export function mergeWrites(writes: readonly LogWrite[]): MergedWrite {
  const [only] = writes;
  if (only !== undefined && writes.length === 1) {
    const { hardState, truncateFrom, reset, previousHash, entries } = only;
    return { hardState, truncateFrom, reset, previousHash, entries };
  }
  let hardState: HardState | undefined;
  let truncateFrom: number | undefined;
  let reset: SnapshotPoint | undefined;
  let previousHash: ChainHash = '';
  const entries: Entry[] = [];
  for (const write of writes) {
    if (write.hardState !== undefined) hardState = write.hardState;
    if (write.reset !== undefined) {
      reset = write.reset;
      truncateFrom = undefined;
      entries.length = 0;
      continue;
    }
    if (write.truncateFrom !== undefined) {
      const keep = entries.length === 0 ? 0 : write.truncateFrom - (entries[0] as Entry).index;
      if (keep < entries.length) entries.length = Math.max(keep, 0);
      if (keep <= 0) truncateFrom = Math.min(truncateFrom ?? write.truncateFrom, write.truncateFrom);
    }
    if (write.entries.length === 0) continue;
    const before = entries.at(-1);
    if (before === undefined) previousHash = write.previousHash;
    else if (before.hash !== write.previousHash) {
      throw new RangeError(`previousHash is not the chain hash at ${before.index}`);
    }
    for (const entry of write.entries) entries.push(entry);
  }
  return { hardState, truncateFrom, reset, previousHash, entries };
}
