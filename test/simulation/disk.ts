/**
 * The model disk of one node: what a power cut would leave (`synced`), and what was written on top of it.
 *
 * MUST: report writes durable in order and only when synced; one flush at a time, with everything that waited in it.
 * At a crash any prefix of what is not synced may survive: nothing, some batches, all of them (synced, but the news never
 * came); the batch after it may be torn, which its checksum shows, so it counts as not written.
 */
import {
  type ChainHash,
  type ConfigAt,
  type Entry,
  EntryKind,
  type HardState,
  type LogPoint,
  type Membership,
  ORIGIN,
  ZERO_HASH,
} from '../../shared/entry.ts';
import type { TermRun } from '../../shared/term-runs.ts';
import { decodeMembership } from '../../shared/wire/membership-entry.ts';
import { sealEntries } from '../../shared/wire/record.ts';
import type { PersistEffect, RaftStart } from '../../sidecar/raft/types.ts';
import type { Prng } from './prng.ts';
import type { Schedule } from './schedule.ts';

export interface DiskListener {
  /** The batch is in the log as reads see it; its entries are sealed. */
  written(batch: PersistEffect): void;
  /** The batch survives from now on. */
  synced(batch: PersistEffect): void;
  /** Everything up to this sequence is durable: for the core. */
  durable(sequence: number): void;
}

export interface DiskFaults {
  /** Milliseconds one flush takes. */
  flushMs(): number;
  /** Says durable without syncing: the planted fault that shows that the alarm works. */
  readonly lies: boolean;
}

/** A snapshot on a model disk: what the node would have written into its file. */
export interface SimSnapshot {
  readonly point: LogPoint;
  /** Encoded, as the daemon does it. */
  readonly sessions: Uint8Array;
  readonly replies: Uint8Array;
  /** The app's state: commands applied in all. */
  readonly effects: number;
}

export class SimDisk {
  readonly #schedule: Schedule;
  readonly #faults: DiskFaults;
  readonly #listener: DiskListener;
  hardState: HardState = { term: 0, vote: '' };
  /** Everything ever committed: what a snapshot has of the log. */
  readonly #committed: () => readonly Entry[];
  /** The log begins after this. Entries from before stay in the lists below for the judge; no node reads them. */
  base: LogPoint = ORIGIN;
  snapshots: SimSnapshot[] = [];
  /** Entry of index i at i - 1. */
  synced: Entry[] = [];
  written: Entry[] = [];
  /** What a faulty disk forgot although it was synced; others may still count on it (see recovery.ts). */
  forgotten: Entry[] = [];
  /** Chain hashes of all that was synced on the disks in whose place this one came. */
  readonly #former = new Set<ChainHash>();
  /** The how many-th disk of its node it is; those after the first began empty. */
  generation = 1;
  /** Set while the disk knows that it may have forgotten something. */
  mustReach: number | undefined;
  #waiting: PersistEffect[] = [];
  /** How many of `#waiting` are in the flush under way. */
  #flushing = 0;
  #oldestSince = 0;
  /** Number of the flush under way; an older one comes to nothing. */
  #flush = 0;

  constructor(
    schedule: Schedule,
    faults: DiskFaults,
    listener: DiskListener,
    committed: () => readonly Entry[],
  ) {
    this.#committed = committed;
    this.#schedule = schedule;
    this.#faults = faults;
    this.#listener = listener;
  }

  /** Time since the oldest write that is not durable was given, in ms. */
  get oldestWriteMs(): number {
    return this.#waiting.length === 0 ? 0 : this.#schedule.now - this.#oldestSince;
  }

  /** The newest of its snapshots is of more than its log has: an installation was cut short. */
  #finishInstall(): void {
    this.snapshots = this.snapshots.filter(({ point: { index, hash } }) => {
      const own = this.synced[index - 1];
      return own === undefined || own.hash === hash;
    });
    const newest = this.snapshots.at(-1);
    if (newest === undefined || newest.point.index <= this.synced.length) return;
    this.synced = this.#committed().slice(0, newest.point.index);
    this.written = [...this.synced];
    this.base = newest.point;
  }

  /** A snapshot is on the disk. */
  keep(snapshot: SimSnapshot): void {
    const others = this.snapshots.filter(({ point }) => point.index !== snapshot.point.index);
    this.snapshots = [...others, snapshot].sort((a, b) => a.point.index - b.point.index);
  }

  /** The log may begin behind `point`; snapshots from before go. */
  compact(point: LogPoint): void {
    this.base = point;
    this.snapshots = this.snapshots.filter((snapshot) => snapshot.point.index >= point.index);
  }

  /** What can be read of the log. */
  read(from: number, through: number): Entry[] {
    return from <= this.base.index ? [] : this.written.slice(from - 1, through);
  }

  hashAt(index: number): ChainHash | undefined {
    return index === 0 ? ZERO_HASH : this.written[index - 1]?.hash;
  }

  /** Takes one step's disk work. Returns the chain hash at its end. */
  write(batch: PersistEffect): ChainHash {
    if (batch.reset !== undefined) this.written = this.#committed().slice(0, batch.reset.index);
    if (batch.truncateFrom !== undefined) this.written.length = batch.truncateFrom - 1;
    const previous = this.written.at(-1)?.hash ?? ZERO_HASH;
    const hash = sealEntries(batch.entries, previous);
    for (const entry of batch.entries) this.written.push(entry);
    if (this.#waiting.length === 0) this.#oldestSince = this.#schedule.now;
    this.#waiting.push(batch);
    this.#listener.written(batch);
    if (this.#flushing === 0) this.#startFlush();
    return hash;
  }

  #startFlush(): void {
    this.#flushing = this.#waiting.length;
    const flush = ++this.#flush;
    this.#schedule.after(this.#faults.flushMs(), () => {
      if (flush === this.#flush) this.#flushed();
    });
  }

  /** The disk works again: what was stuck is flushed soon. */
  unstick(): void {
    if (this.#flushing > 0) this.#startFlush();
  }

  #flushed(): void {
    const done = this.#waiting.splice(0, this.#flushing);
    this.#flushing = 0;
    this.#oldestSince = this.#schedule.now;
    if (!this.#faults.lies) for (const batch of done) this.#sync(batch);
    if (this.#waiting.length > 0) this.#startFlush();
    this.#listener.durable((done.at(-1) as PersistEffect).sequence);
  }

  #sync(batch: PersistEffect): void {
    if (batch.reset !== undefined) {
      this.synced = this.#committed().slice(0, batch.reset.index);
      this.base = batch.reset;
    }
    if (batch.truncateFrom !== undefined) this.synced.length = batch.truncateFrom - 1;
    for (const entry of batch.entries) this.synced.push(entry);
    if (batch.hardState !== undefined) this.hardState = batch.hardState;
    this.#listener.synced(batch);
  }

  /** The process or the power is gone. Returns what became of the writes under way. */
  crash(random: Prng): 'idle' | 'lost' | 'torn' | 'partly kept' | 'kept' {
    this.#flush++;
    this.#flushing = 0;
    const waiting = this.#waiting;
    this.#waiting = [];
    const keep = random.chance(0.5) ? 0 : random.int(waiting.length + 1);
    for (const batch of waiting.slice(0, keep)) this.#sync(batch);
    this.written = [...this.synced];
    if (waiting.length === 0) return 'idle';
    if (keep === waiting.length) return 'kept';
    if (random.chance(0.5)) return 'torn';
    return keep === 0 ? 'lost' : 'partly kept';
  }

  /** The disk forgets synced entries after `keep`, and knows that it may have. Term and vote stay (the guard file). */
  forget(keep: number): void {
    const { synced } = this;
    this.mustReach = Math.max(this.mustReach ?? 0, synced.length);
    for (let i = keep; i < synced.length; i++) this.forgotten[i] = synced[i] as Entry;
    synced.length = keep;
    if (keep < this.base.index) {
      // Without its beginning a log is nothing.
      for (let i = 0; i < keep; i++) this.forgotten[i] = synced[i] as Entry;
      synced.length = 0;
      this.base = ORIGIN;
      this.snapshots = [];
    }
    this.written = [...synced];
  }

  /** Another disk, an empty one, is in its place. What others count on, the former one had. */
  replace(): void {
    for (const { hash } of [...this.synced, ...Object.values(this.forgotten)])
      this.#former.add(hash as ChainHash);
    this.generation++;
    this.synced = [];
    this.written = [];
    this.forgotten = [];
    this.base = ORIGIN;
    this.snapshots = [];
    this.hardState = { term: 0, vote: '' };
    this.mustReach = undefined;
  }

  /** The log is proven again. */
  markWhole(): void {
    this.mustReach = undefined;
    this.forgotten = [];
  }

  /** Does this node hold the log up to `index` with this hash, as far as others may count on it? */
  holds(index: number, hash: ChainHash): boolean {
    if (this.synced[index - 1]?.hash === hash || this.forgotten[index - 1]?.hash === hash) return true;
    return this.#former.has(hash);
  }

  /** Every membership of its log, from `first` on, which is what it began with. */
  configs(first: Membership): ConfigAt[] {
    const configs = this.synced.filter(({ kind }) => kind === EntryKind.CONFIG);
    const found = configs.map(({ index, command }) => ({ index, membership: decodeMembership(command) }));
    return [{ index: 0, membership: first }, ...found];
  }

  /** What a node that starts now knows. `tailEntries`: how many of the newest entries it is given; `first`: who it began with. */
  start(tailEntries: number, first: Membership): RaftStart {
    this.#finishInstall();
    const { base, hardState, mustReach } = this;
    const kept = this.synced.slice(base.index);
    const runs: TermRun[] = [];
    for (const { index, term } of kept) {
      const run = runs.at(-1);
      if (run?.term === term) runs[runs.length - 1] = { term, first: run.first, last: index };
      else runs.push({ term, first: index, last: index });
    }
    const tail = kept.slice(-Math.max(tailEntries, 1));
    const committed = Math.max(base.index, this.snapshots.at(-1)?.point.index ?? 0);
    const configs = this.configs(first);
    const known = configs.slice(configs.findLastIndex(({ index }) => index <= base.index));
    return { hardState, base, committed, configs: known, runs, tail, mustReach };
  }
}
