/**
 * A node made of nothing, behind an app socket under test: it keeps a committed log in memory, records what
 * the socket tells it, and answers requests when the test says so.
 */
import type { Refusal } from '../../shared/codes.ts';
import { type Entry, EntryKind, ZERO_HASH } from '../../shared/entry.ts';
import type {
  AppHost,
  AppliedResult,
  AppNews,
  AppPosition,
  Delivery,
  NodeFacts,
  Plan,
  ProposeRequest,
  ProposeResult,
  ReadRequest,
  RestorePlan,
  SessionRequest,
  SessionResult,
  SnapshotSink,
} from '../../sidecar/app/host.ts';

export class FakeHost implements AppHost {
  readonly proposals: { request: ProposeRequest; done: (outcome: ProposeResult | Refusal) => void }[] = [];
  readonly reads: { request: ReadRequest; done: (outcome: { index: number } | Refusal) => void }[] = [];
  readonly sessions: {
    request: SessionRequest;
    done: (outcome: SessionResult | Refusal) => void;
  }[] = [];
  resumes = 0;
  readonly positions: AppPosition[] = [];
  readonly acks: { epoch: number; through: number; results: readonly AppliedResult[] }[] = [];
  readonly states: ({ epoch: number } & AppNews)[] = [];
  readonly hashes: { epoch: number; index: number; hash: string }[] = [];
  readonly refusedApps: { no: Refusal; index: number }[] = [];
  readonly pulls: { after: number; maxEntries: number; maxBytes: number }[] = [];
  /** The committed log; index i at position i-1. */
  readonly log: Entry[] = [];
  /** Answers proposals at once, with this, and reads with the end of the log. */
  answer: ((request: ProposeRequest) => ProposeResult | Refusal) | undefined;
  planAnswer: (position: AppPosition) => Promise<Plan | Refusal> = (position) =>
    Promise.resolve({ replayFrom: position.appliedIndex + 1 });
  /** Wraps the answers of `committedAfter`, e.g. into promises. */
  wrap: (stretch: Delivery | undefined) => Delivery | undefined | Promise<Delivery | undefined> = (stretch) =>
    stretch;
  epoch = 0;
  #watchers: (() => void)[] = [];

  facts(): NodeFacts {
    return {
      cluster: 'orders',
      node: 'n1',
      group: '',
      role: 'LEADER',
      term: 3,
      leader: 'n1',
      commitIndex: this.log.length,
      firstIndex: 1,
    };
  }

  /** Of the commands that are delivered next. */
  version = 0;

  /** Appends committed entries; undefined stands for one that is no command. */
  commit(...commands: (string | undefined)[]): void {
    for (const command of commands) {
      this.log.push({
        index: this.log.length + 1,
        term: 3,
        kind: command === undefined ? EntryKind.NOOP : EntryKind.COMMAND,
        time: 1_700_000_000_000 + this.log.length,
        session: 0,
        sequence: 0,
        command: Buffer.from(command ?? ''),
      });
    }
  }

  propose(request: ProposeRequest, done: (outcome: ProposeResult | Refusal) => void): void {
    if (this.answer !== undefined) return done(this.answer(request));
    this.proposals.push({ request, done });
    this.#told();
  }

  read(request: ReadRequest, done: (outcome: { index: number } | Refusal) => void): void {
    if (this.answer !== undefined) return done({ index: this.log.length });
    this.reads.push({ request, done });
    this.#told();
  }

  plan(position: AppPosition): Promise<Plan | Refusal> {
    this.positions.push(position);
    this.#told();
    return this.planAnswer(position);
  }

  committedAfter(after: number, maxEntries: number, maxBytes: number) {
    this.pulls.push({ after, maxEntries, maxBytes });
    this.#told();
    const entries: Entry[] = [];
    let bytes = 0;
    let through = after;
    for (const entry of this.log.slice(after)) {
      const size = entry.command.length + 64;
      if (entries.length > 0 && (entries.length >= maxEntries || bytes + size > maxBytes)) break;
      through = entry.index;
      if (entry.kind !== EntryKind.COMMAND) continue;
      entries.push(entry);
      bytes += size;
      if (entries.length >= maxEntries) break;
    }
    return this.wrap(through === after ? undefined : { through, hash: ZERO_HASH, entries });
  }

  session(request: SessionRequest, done: (outcome: SessionResult | Refusal) => void): void {
    this.sessions.push({ request, done });
    this.#told();
  }

  versionFor(): number {
    return this.version;
  }

  decide(_epoch: number, stretch: Delivery): readonly Entry[] {
    return stretch.entries;
  }

  resumed(): void {
    this.resumes += 1;
  }

  attached(): number {
    this.epoch += 1;
    return this.epoch;
  }

  delivered(): void {
    // Tests look at the frames.
  }

  applied(epoch: number, through: number, results: readonly AppliedResult[]): void {
    this.acks.push({ epoch, through, results });
    this.#told();
  }

  stateHash(epoch: number, index: number, hash: Uint8Array): void {
    this.hashes.push({ epoch, index, hash: Buffer.from(hash).toString('hex') });
    this.#told();
  }

  appNews(epoch: number, news: AppNews): void {
    this.states.push({ epoch, ...news });
    this.#told();
  }

  nextEpoch(): number {
    return this.epoch + 1;
  }

  /** What state machines gave, or why they may not. */
  readonly snapshots: {
    begin: { index: number; format: string };
    data: Buffer[];
    sha256?: string;
    lost?: string;
  }[] = [];
  snapshotAnswer: Refusal | undefined;
  /** What a snapshot that was begun waits for: its file. */
  snapshotGate: Promise<void> = Promise.resolve();

  async snapshotBegun(
    _epoch: number,
    begin: { index: number; format: string },
  ): Promise<SnapshotSink | Refusal> {
    if (this.snapshotAnswer !== undefined) return this.snapshotAnswer;
    const taken: (typeof this.snapshots)[number] = { begin, data: [] };
    this.snapshots.push(taken);
    this.#told();
    await this.snapshotGate;
    return {
      add: async (data) => {
        taken.data.push(Buffer.from(data));
        return undefined;
      },
      end: async (sha256) => {
        taken.sha256 = Buffer.from(sha256).toString('hex');
        this.#told();
        return undefined;
      },
      abandon: (reason) => {
        taken.lost = reason;
        this.#told();
      },
    };
  }

  readonly refusedRestores: string[] = [];
  restoreRefused(_plan: RestorePlan, reason: string): void {
    this.refusedRestores.push(reason);
    this.#told();
  }

  readonly durables: number[] = [];
  durableThrough(_epoch: number, index: number): void {
    this.durables.push(index);
  }

  turnedAway(no: Refusal, index: number): void {
    this.refusedApps.push({ no, index });
    this.#told();
  }

  /** Resolves once `condition` holds; it is looked at whenever the socket tells something. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  #told(): void {
    for (const wake of this.#watchers.splice(0)) wake();
  }
}
