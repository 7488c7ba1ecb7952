/**
 * What a start may believe of the disk: SQLite's log against itself and against the guard file.
 *
 * MUST: check that the rows follow each other (all of them), that the newest records give their chain hashes
 * (a bounded number of bytes, a page at a time), and that the log holds the guard's watermark. Where it does
 * not: say so, remember it in the guard, then cut the log back to what is proven.
 * MUST NOT: hold more than a page and the tail in memory; repair anything but by cutting.
 */
import {
  type ChainHash,
  type Entry,
  entryBytes,
  type HardState,
  type LogPoint,
  ORIGIN,
  type SnapshotPoint,
} from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { TermRun } from '../../shared/term-runs.ts';
import { StoreError } from './contract.ts';
import type { Damage, GuardState } from './guard.ts';
import { LogShape } from './log-shape.ts';
import type { LogTable, NodeState } from './log-table.ts';
import { provenEntries } from './packed-row.ts';
import { provenHashAt } from './proven-hash.ts';
import { checkSnapshots } from './snapshot-check.ts';
import type { SnapshotFolder } from './snapshots/folder.ts';

export interface Findings {
  readonly shape: LogShape;
  readonly tail: Entry[];
  readonly hardState: HardState;
  readonly damage: Damage | undefined;
  /** The log must be cut: every row from this first index on is unproven. Undefined when nothing is. */
  readonly cutFrom: number | undefined;
  /** The log is to be dropped, and begins after this. Undefined when it stays. */
  readonly begins: SnapshotPoint | undefined;
  /** The log continues something that a snapshot must have. */
  readonly relies: boolean;
}

/** Rows fetched at a time while records are checked. */
const PAGE_BYTES = 1024 * 1024;

/** A prefix of the log and why it ends where it ends. */
interface Prefix {
  readonly runs: TermRun[];
  readonly lastIndex: number;
  readonly lastHash: ChainHash;
  readonly broken: boolean;
}

/** Compares the database with the guard. Writes nothing. Throws StoreError. */
export async function checkLog(
  table: LogTable,
  state: NodeState,
  guard: GuardState | undefined,
  snapshots: SnapshotFolder,
): Promise<Findings> {
  if (guard !== undefined && guard.incarnation !== state.incarnation) {
    throw new StoreError('FAULT', 'log.sqlite and guard are from two different data folders');
  }
  const base = await table.base();
  const claimed = await claimedLastIndex(table, base.point);
  const chain = await followChain(table, base.point);
  const budget = guard?.checkAll === true ? Number.POSITIVE_INFINITY : LIMITS.storeCheckBytes;
  const checked = await checkRecords(table, chain, budget);
  const cutFrom = checked.badFrom ?? (chain.broken ? chain.lastIndex + 1 : undefined);
  const proven = await shapeBefore(table, chain, checked.badFrom, base.point);
  const { begins, forgotten } = await checkSnapshots(table, proven, base, snapshots);
  const shape = begins === undefined ? proven : new LogShape([], begins.hash, begins);
  const reason =
    forgotten ??
    (cutFrom === undefined ? undefined : `entries from ${cutFrom} on are damaged`) ??
    (await compareWithGuard(table, shape, state, guard, Math.max(claimed, shape.lastIndex)));
  const damage = damageOf(guard, reason, Math.max(claimed, proven.lastIndex));
  const hardState = newestHardState(state, guard);
  const tail = begins === undefined ? checked.tail : [];
  return { shape, tail, hardState, damage, cutFrom, begins, relies: base.relies && begins !== ORIGIN };
}

function damageOf(
  guard: GuardState | undefined,
  reason: string | undefined,
  claimed: number,
): Damage | undefined {
  const before = guard?.damage;
  if (reason === undefined) return before;
  const mustReach = Math.max(guard?.index ?? 0, claimed, before?.mustReach ?? 0);
  return { reason, mustReach };
}

/** The highest index the last row claims, within what its size allows: a damaged row may claim anything. */
async function claimedLastIndex(table: LogTable, base: LogPoint): Promise<number> {
  const last = await table.rowAt(Number.MAX_SAFE_INTEGER);
  if (last === undefined) return base.index;
  const most = last.firstIndex + Math.floor(last.records.length / 4);
  return Math.min(last.lastIndex, most);
}

/** Follows the chain over all rows from the base on, without their records. */
async function followChain(table: LogTable, base: LogPoint): Promise<Prefix> {
  const runs: TermRun[] = [];
  let lastIndex = base.index;
  let lastHash = base.hash;
  if ((await table.rowAt(Number.MAX_SAFE_INTEGER)) === undefined) {
    return { runs, lastIndex, lastHash, broken: false };
  }
  const first = await table.rowAt(base.index + 1);
  if (first?.firstIndex !== base.index + 1 || first.previousHash !== base.hash || first.term < base.term) {
    return { runs, lastIndex, lastHash, broken: true };
  }
  for (let after = base.index; ; ) {
    const ends = await table.chainEnds(after);
    if (ends.length === 0) return { runs, lastIndex, lastHash, broken: true };
    for (const end of ends) {
      runs.push({ term: end.term, first: lastIndex + 1, last: end.lastIndex });
      lastIndex = end.lastIndex;
      lastHash = end.hash;
      if (end.next === undefined) return { runs, lastIndex, lastHash, broken: false };
      if (!end.next.linked || end.next.term <= end.term) return { runs, lastIndex, lastHash, broken: true };
      after = end.firstIndex;
    }
  }
}

/** Recomputes the chain hashes of the newest `budget` bytes of a chain, newest page first. */
async function checkRecords(
  table: LogTable,
  { runs }: Prefix,
  budget: number,
): Promise<{ tail: Entry[]; badFrom: number | undefined }> {
  const tail = new Tail();
  let badFrom: number | undefined;
  let left = budget;
  for (const run of runs.toReversed()) {
    // Below this index a page failed: there rows are checked one by one, to find the bad one.
    let singlyFrom = run.last + 1;
    for (let before = run.last + 1; before > run.first && left > 0; ) {
      const row = await table.pageUpTo(run.first, before - 1, before > singlyFrom ? 0 : PAGE_BYTES);
      if (row === undefined)
        throw new StoreError('FAULT', `the log is damaged: entry ${before - 1} is missing`);
      const entries = provenEntries(row);
      if (entries === undefined && before <= singlyFrom) {
        singlyFrom = row.firstIndex;
        continue;
      }
      left -= row.records.length;
      before = row.firstIndex;
      if (entries !== undefined) {
        tail.unshift(entries);
        continue;
      }
      badFrom = row.firstIndex;
      tail.clear();
      // What is handed over must hold the last entry of what is left.
      left = Math.max(left, PAGE_BYTES);
    }
  }
  return { tail: tail.entries(), badFrom };
}

/** The newest entries, gathered from the end, within `storeStartTailBytes`. */
class Tail {
  #pages: Entry[][] = [];
  #room: number = LIMITS.storeStartTailBytes;

  unshift(entries: Entry[]): void {
    if (this.#room <= 0) return;
    const kept = newestWithin(entries, this.#room);
    this.#pages.push(kept.entries);
    this.#room = kept.entries.length < entries.length ? 0 : this.#room - kept.bytes;
  }

  clear(): void {
    this.#pages = [];
    this.#room = LIMITS.storeStartTailBytes;
  }

  entries(): Entry[] {
    return this.#pages.toReversed().flat();
  }
}

function newestWithin(entries: Entry[], room: number): { entries: Entry[]; bytes: number } {
  let bytes = 0;
  let from = entries.length;
  while (from > 0) {
    const size = entryBytes(entries[from - 1] as Entry);
    if (bytes + size > room) break;
    bytes += size;
    from--;
  }
  return { entries: from === 0 ? entries : entries.slice(from), bytes };
}

/** The proven log: `chain`, cut before the row that begins at `badFrom`. */
async function shapeBefore(
  table: LogTable,
  chain: Prefix,
  badFrom: number | undefined,
  base: LogPoint,
): Promise<LogShape> {
  const shape = new LogShape(chain.runs, chain.lastHash, base);
  if (badFrom === undefined) return shape;
  shape.truncateFrom(badFrom);
  if (badFrom > base.index + 1) shape.lastHash = (await table.rowAt(badFrom - 1))?.hash;
  return shape;
}

/** One sentence when the database is behind the guard or differs from it. */
async function compareWithGuard(
  table: LogTable,
  shape: LogShape,
  { hardState }: NodeState,
  guard: GuardState | undefined,
  claimed: number,
): Promise<string | undefined> {
  if (guard === undefined) {
    return claimed > 0 || hardState.term > 0 ? 'the guard file is missing or cannot be read' : undefined;
  }
  if (shape.lastIndex < guard.index) {
    return `the log ends at ${shape.lastIndex}, but ${guard.index} was durable`;
  }
  // What was compacted since, or is in a snapshot, was committed.
  if (guard.index >= shape.base.index && (await provenHashAt(table, shape, guard.index)) !== guard.hash) {
    return `entry ${guard.index} is not the one that was durable`;
  }
  if (guard.term > hardState.term)
    return `the log knows term ${hardState.term}, but ${guard.term} was durable`;
  if (guard.term === hardState.term && guard.vote !== '' && guard.vote !== hardState.vote) {
    return `the log does not know the vote of term ${guard.term}`;
  }
  return undefined;
}

/** The newer of the two. The guard is written after the database, so at the same term its vote was reported. */
function newestHardState({ hardState }: NodeState, guard: GuardState | undefined): HardState {
  if (guard === undefined || guard.term < hardState.term) return hardState;
  if (guard.term === hardState.term && guard.vote === '') return hardState;
  return { term: guard.term, vote: guard.vote };
}
