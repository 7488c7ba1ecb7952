/**
 * One node of a transcript: a real core, a disk that finishes writes when it is told to, and a clock of its own.
 *
 * MUST: keep what the disk holds apart from what the core believes, so that a crash loses what was not written.
 */
import {
  type ConfigAt,
  type Entry,
  EntryKind,
  type HardState,
  type LogPoint,
  ORIGIN,
} from '../../shared/entry.ts';
import { type TermRun, TermRuns } from '../../shared/term-runs.ts';
import { decodeMembership } from '../../shared/wire/membership-entry.ts';
import { NOBODY } from '../../sidecar/raft/quorum.ts';
import { Raft } from '../../sidecar/raft/raft.ts';
import type { Clock, Effect, PersistEffect, RaftConfig } from '../../sidecar/raft/types.ts';

export type DiskJob = PersistEffect | Extract<Effect, { type: 'fetch' }>;

/** Wall clock of a node whose clock is right, when the script begins. */
const WALL_START = 1_000;

export class ScriptNode {
  readonly id: string;
  config: RaftConfig;
  #disks = 1;
  /** Undefined while crashed. */
  raft: Raft | undefined;
  /** Milliseconds this node has lived through. */
  now = 0;
  /** How far its wall clock is wrong. */
  skew = 0;
  /** How fast both of its clocks go. */
  rate = 1;
  /** What it waits for without a leader before it campaigns. */
  electionMs: number;

  /** On the disk for certain. */
  stored: Entry[] = [];
  hardState: HardState = { term: 0, vote: '' };
  /** Written, not certain yet; oldest first. */
  jobs: DiskJob[] = [];
  autoDisk = true;
  /** The disk was made to forget what it had confirmed: the rules that speak of disks do not bind it any more. */
  forgetful = false;
  /** The log as the core has it: `stored` and what is being written. From entry 1 on, also what was compacted since. */
  log: Entry[] = [];
  /** What is on the disk of the log begins after this. */
  base: LogPoint = ORIGIN;
  /** On the disk, ascending. */
  snapshots: LogPoint[] = [];
  /** The snapshot that it was told to fetch last. */
  wanted: { readonly from: string; readonly index: number; readonly term: number } | undefined;

  constructor(config: RaftConfig, electionMs: number) {
    this.electionMs = electionMs;
    const { electionMinMs, electionMaxMs } = config;
    const random = (): number => (this.electionMs - electionMinMs) / (electionMaxMs - electionMinMs);
    this.config = { ...config, random };
    this.id = config.id;
  }

  get clock(): Clock {
    return { now: this.now, wall: WALL_START + this.now + this.skew };
  }

  /** Starts the core from what the disk holds; at most `tail` entries are handed over in memory. */
  start(mustReach: number | undefined, tail = Number.POSITIVE_INFINITY): void {
    this.log = [...this.stored];
    const { base, hardState } = this;
    const kept = this.stored.slice(base.index);
    const runs: TermRun[] = runsOf(kept, base);
    const warm = kept.slice(Math.max(0, kept.length - tail));
    const committed = Math.max(base.index, this.snapshots.at(-1)?.index ?? 0);
    const configs = this.#configs(this.stored);
    const start = { hardState, base, committed, configs, runs, tail: warm, mustReach };
    this.raft = new Raft(this.config, start, this.clock);
  }

  /** The membership of its log as of `index`. */
  configAt(index: number): ConfigAt {
    return this.#configs(this.log).findLast((config) => config.index <= index) as ConfigAt;
  }

  #configs(log: readonly Entry[]): ConfigAt[] {
    const entries = log.filter(({ kind }) => kind === EntryKind.CONFIG);
    const found = entries.map(({ index, command }) => ({ index, membership: decodeMembership(command) }));
    return [{ index: 0, membership: this.config.membership }, ...found];
  }

  wipe(): void {
    this.stored = [];
    this.log = [];
    this.base = ORIGIN;
    this.snapshots = [];
    this.hardState = { term: 0, vote: '' };
    this.forgetful = true;
    this.config = { ...this.config, membership: NOBODY, disk: `${this.id}-${++this.#disks}` };
  }

  /** Of everything up to `index`, which it has. */
  pointAt(index: number): LogPoint {
    const entry = this.log[index - 1];
    return { index, term: entry?.term ?? 0, time: entry?.time ?? 0, hash: '' };
  }

  /** The process is gone; what was being written is lost, or reached the disk all the same. */
  crash(keepUnsynced: boolean): void {
    if (keepUnsynced) for (const job of this.jobs) if (job.type === 'persist') this.store(job);
    this.jobs = [];
    this.raft = undefined;
    this.log = [...this.stored];
  }

  store(write: PersistEffect): void {
    if (write.reset !== undefined) {
      this.base = write.reset;
      this.stored = this.log.slice(0, write.reset.index);
    }
    apply(this.stored, write);
    if (write.hardState !== undefined) this.hardState = write.hardState;
  }

  /** The core has written this into its log; `committed`: what a snapshot that it begins with is of. */
  write(write: PersistEffect, committed: readonly Entry[]): void {
    if (write.reset !== undefined) this.log = committed.slice(0, write.reset.index);
    apply(this.log, write);
    this.jobs.push(write);
  }
}

function apply(log: Entry[], write: PersistEffect): void {
  if (write.truncateFrom !== undefined) log.length = Math.min(log.length, write.truncateFrom - 1);
  log.push(...write.entries);
}

function runsOf(entries: readonly Entry[], base: LogPoint): TermRun[] {
  const runs = new TermRuns([], base.index, base.term);
  for (const entry of entries) runs.append(entry.term, entry.index, entry.index);
  return runs.list();
}

/** A log given by the terms of its entries: `1 1 2`. */
export function entriesOfTerms(terms: readonly number[], first = 1): Entry[] {
  return terms.map((term, i) => ({
    index: first + i,
    term,
    kind: EntryKind.COMMAND,
    time: WALL_START,
    session: 0,
    sequence: 0,
    command: new TextEncoder().encode(`t${term}`),
  }));
}
