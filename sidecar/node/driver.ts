/**
 * Runs one consensus core on real parts: takes what the core decided and makes it happen, in the only right order.
 *
 * MUST: execute the effects of a step before the next step; hand writes to the store in the order of their sequence;
 * seal entries (record, chain hash) before they reach the disk or the network; let the sockets be read before an election
 * timer is trusted after a stall; stop for good on a storage fault or a broken invariant.
 */
import { type ChainHash, type Entry, EntryKind, type LogPoint, type Membership } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { Command, RaftMessage } from '../../shared/messages.ts';
import { sealEntries } from '../../shared/wire/record.ts';
import type { Transport } from '../peers/contract.ts';
import { majority } from '../raft/quorum.ts';
import { Raft } from '../raft/raft.ts';
import type {
  ChangeRefusal,
  Clock,
  Effect,
  Input,
  LeaseRefusal,
  NoteEffect,
  PersistEffect,
  RaftConfig,
  RoleEffect,
} from '../raft/types.ts';
import type { Store, StoredState } from '../store/contract.ts';
import { CommitNews } from './commit-news.ts';

export interface DriverListener {
  role(effect: RoleEffect): void;
  /** For the record alone. */
  note(note: NoteEffect): void;
  /** Entries through `last` were handed to the disk, after those from `truncateFrom` on were dropped; either may be absent. */
  appended(truncateFrom: number | undefined, last: number | undefined): void;
  /** A SKIP entry was handed to the disk. */
  skipAppended(entry: Entry): void;
  /** Our disk has the log through `index`, since `at` (`performance.now()`). Told after what followed from it. */
  durable(index: number, at: number): void;
  committed(before: number, now: number): void;
  /** Answer to `read(ref)`; undefined: this node does not lead (any more). */
  readIndex(ref: number, index: number | undefined): void;
  /** The log begins behind `point` now, as committed as it is; it ended at `dropped` before. */
  installed(point: LogPoint, dropped: number): void;
  compacted(point: LogPoint): void;
  /** The newest membership of our log is this one now. */
  membership(index: number, membership: Membership): void;
  /** A follower needs a snapshot, and there is none for it. */
  snapshotWanted(by: string): void;
  /** That node has a snapshot that this one needs. Told again and again. */
  fetchSnapshot(from: string, index: number, term: number): void;
  transferFailed(to: string): void;
  /** The log is proven whole again. */
  whole(): void;
  /** The node cannot go on: an invariant of Raft or of the log is broken. */
  broken(error: Error): void;
}

/** Due often enough for heartbeats and elections at the smallest sensible settings. */
export function tickMs(heartbeatMs: number): number {
  return Math.max(5, Math.floor(heartbeatMs / 4));
}

export class RaftDriver {
  readonly raft: Raft;
  readonly #store: Store;
  readonly #transport: Transport;
  readonly #listener: DriverListener;
  readonly #tickMs: number;
  /** Inputs that came while a step was being executed, or while the chain hash was read from the disk. */
  #queue: Input[] = [];
  #busy = false;
  #blocked = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #applied = 0;
  readonly #news = new CommitNews();
  #committedBefore: number;

  constructor(
    config: RaftConfig,
    stored: StoredState,
    /** `committed`: the newest snapshot on the disk is of everything up to here. */
    parts: { store: Store; transport: Transport; listener: DriverListener; committed: number },
  ) {
    this.#store = parts.store;
    this.#transport = parts.transport;
    this.#listener = parts.listener;
    this.#tickMs = tickMs(config.heartbeatMs);
    this.#committedBefore = parts.committed;
    const start = {
      hardState: stored.hardState,
      base: stored.base,
      committed: parts.committed,
      ...(stored.configs.length === 0 ? {} : { configs: stored.configs }),
      runs: stored.runs,
      tail: stored.tail,
      mustReach: stored.proof.whole ? undefined : stored.proof.mustReach,
    };
    this.raft = new Raft(config, start, clock());
  }

  start(): void {
    // After a stall the timers run first: let the sockets be read before time is counted.
    this.#timer = setInterval(() => setImmediate(() => this.#tick()), this.#tickMs);
  }

  /** No further step; effects that are under way are dropped. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#queue = [];
  }

  #tick(): void {
    if (this.#stopped) return;
    this.step({ type: 'applied', index: this.#applied });
    this.step({ type: 'tick' });
    for (const news of this.#news.take()) this.#transport.send(news);
  }

  /** How far our app is; told to the leader with the next reply. */
  appliedIs(index: number): void {
    this.#applied = index;
  }

  receive(message: RaftMessage): void {
    // The disk does not keep up: what the leader sends waits there, not here.
    if (message.type === 'Append' && message.entries.length > 0 && this.#diskIsBehind()) return;
    this.step({ type: 'message', message });
  }

  /** Too many bytes wait for the disk. */
  #diskIsBehind(): boolean {
    return this.#store.stats().queuedBytes > LIMITS.storeQueueBytes;
  }

  durable(sequence: number): void {
    const at = performance.now();
    this.step({ type: 'durable', sequence });
    this.#listener.durable(this.raft.durableIndex, at);
    // Where a leader and one follower are a quorum.
    if (majority(this.raft.membership.voters.length) <= 2) this.#tellDurable();
  }

  /** Our disk has what clients of a follower wait for: with its own disk it can see the commit by itself. */
  #tellDurable(): void {
    for (const to of this.#news.takeAwaitedUpTo(this.raft.durableIndex))
      this.step({ type: 'tellDurable', to });
  }

  read(ref: number): void {
    this.step({ type: 'read', ref });
  }

  /** A read index without asking anybody; answers at once. MUST NOT be called from within a listener. */
  leaseRead(): { readonly index: number } | { readonly refused: LeaseRefusal } {
    if (this.#stopped || this.#blocked || this.#busy) return { refused: 'NOT_LEADER' };
    for (const effect of this.#run({ type: 'leaseRead', ref: 0 })) {
      if (effect.type === 'readReady') return { index: effect.index };
      if (effect.type === 'readRefused' && effect.reason !== 'OVERLOADED') return { refused: effect.reason };
    }
    return { refused: 'NOT_LEADER' };
  }

  /** Clients of that follower wait for everything up to `index`: it is told of the commit at once. */
  followerAwaits(follower: string, index: number): void {
    this.#news.awaits(follower, index);
  }

  /** Appends commands if we lead; answers at once. MUST NOT be called from within a listener. */
  propose(
    commands: readonly Command[],
  ): { firstIndex: number; term: number } | { refused: 'NOT_LEADER' | 'OVERLOADED' } {
    if (this.#stopped || this.#blocked || this.#busy) return { refused: 'NOT_LEADER' };
    if (this.#diskIsBehind()) return { refused: 'OVERLOADED' };
    const entries = commands.map((c) => ({
      kind: c.kind ?? EntryKind.COMMAND,
      command: c.command,
      session: c.session,
      sequence: c.sequence,
      ackBelow: c.ackBelow,
    }));
    const effects = this.#run({ type: 'propose', ref: 0, entries });
    for (const effect of effects) {
      if (effect.type === 'proposed') return { firstIndex: effect.firstIndex, term: effect.term };
      if (effect.type === 'proposalRefused') {
        return { refused: effect.reason === 'OVERLOADED' ? 'OVERLOADED' : 'NOT_LEADER' };
      }
    }
    return { refused: 'NOT_LEADER' };
  }

  /** Begins a change of the membership, if we lead; answers at once. MUST NOT be called from within a listener. */
  changeMembership(membership: Membership): { index: number } | { refused: ChangeRefusal } {
    if (this.#stopped || this.#blocked || this.#busy) return { refused: 'NOT_LEADER' };
    for (const effect of this.#run({ type: 'changeMembership', ref: 0, membership })) {
      if (effect.type === 'proposed') return { index: effect.firstIndex };
      if (effect.type === 'changeRefused') return { refused: effect.reason };
    }
    return { refused: 'NOT_LEADER' };
  }

  step(input: Input): void {
    if (this.#stopped) return;
    if (this.#busy || this.#blocked) this.#queue.push(input);
    else this.#run(input);
  }

  #run(input: Input): Effect[] {
    const effects = this.#stepNow(input);
    this.#drain();
    return effects;
  }

  #drain(): void {
    while (!this.#busy && !this.#blocked && !this.#stopped) {
      const input = this.#queue.shift();
      if (input === undefined) return;
      this.#stepNow(input);
    }
  }

  #stepNow(input: Input): Effect[] {
    return this.#exclusively(() => {
      const effects = this.raft.step(input, clock());
      this.#execute(effects, 0);
      return effects;
    });
  }

  /** Runs `work` with every other input waiting; a broken invariant stops the node. */
  #exclusively(work: () => Effect[]): Effect[] {
    this.#busy = true;
    try {
      return work();
    } catch (error) {
      this.#break(error);
      return [];
    } finally {
      this.#busy = false;
    }
  }

  #execute(effects: readonly Effect[], from: number): void {
    for (let i = from; i < effects.length && !this.#stopped; i++) {
      const effect = effects[i] as Effect;
      if (effect.type === 'persist' && !this.#persist(effect)) {
        this.#waitForHash(effect, effects, i);
        return;
      }
      this.#executeOne(effect);
    }
  }

  #executeOne(effect: Effect): void {
    switch (effect.type) {
      case 'send':
        if (!this.#news.holds(effect.message)) this.#transport.send(effect.message);
        return;
      case 'commit':
        this.#commit(effect.index);
        return;
      case 'installed':
        this.#committedBefore = effect.point.index;
        this.#listener.installed(effect.point, effect.dropped);
        return;
      case 'compact':
        this.#listener.compacted(effect.point);
        return;
      case 'membership':
        this.#listener.membership(effect.index, effect.membership);
        return;
      case 'snapshotWanted':
        this.#listener.snapshotWanted(effect.by);
        return;
      case 'fetchSnapshot':
        this.#listener.fetchSnapshot(effect.from, effect.index, effect.term);
        return;
      case 'role':
        this.#listener.role(effect);
        return;
      case 'note':
        this.#listener.note(effect);
        return;
      case 'fetch':
        this.#fetch(effect.to, effect.from, effect.through, effect.maxBytes);
        return;
      case 'readReady':
        this.#listener.readIndex(effect.ref, effect.index);
        return;
      case 'readRefused':
        this.#listener.readIndex(effect.ref, undefined);
        return;
      case 'transferFailed':
        this.#listener.transferFailed(effect.to);
        return;
      case 'whole':
        this.#listener.whole();
        return;
      case 'persist':
      case 'proposed':
      case 'proposalRefused':
      case 'changeRefused':
        // Written above; answered to the caller of `propose`.
        return;
    }
  }

  #commit(index: number): void {
    const before = this.#committedBefore;
    this.#committedBefore = index;
    this.#listener.committed(before, index);
  }

  /** False when the hash before the first entry is known to the disk alone. */
  #persist(effect: PersistEffect, hash?: ChainHash): boolean {
    const first = effect.entries[0];
    const previousHash = first === undefined ? '' : (hash ?? this.raft.log.hashAt(first.index - 1));
    if (previousHash === undefined) return false;
    const lastHash = sealEntries(effect.entries, previousHash);
    if (effect.expectedHash !== '' && effect.expectedHash !== lastHash) {
      const last = effect.entries.at(-1)?.index ?? 0;
      throw new Error(`our log up to ${last} is not the leader's: the chain hashes differ`);
    }
    const sequence = this.#store.write({
      ...(effect.hardState === undefined ? {} : { hardState: effect.hardState }),
      ...(effect.truncateFrom === undefined ? {} : { truncateFrom: effect.truncateFrom }),
      ...(effect.reset === undefined ? {} : { reset: effect.reset }),
      previousHash,
      entries: effect.entries,
    });
    if (sequence !== effect.sequence) throw new Error(`write ${effect.sequence} was queued as ${sequence}`);
    this.#listener.appended(effect.truncateFrom, effect.entries.at(-1)?.index);
    for (const entry of effect.entries) if (entry.kind === EntryKind.SKIP) this.#listener.skipAppended(entry);
    return true;
  }

  /** Rare: a truncation reached below the entries in memory. Everything waits for one read. */
  #waitForHash(effect: PersistEffect, effects: readonly Effect[], at: number): void {
    this.#blocked = true;
    const index = (effect.entries[0]?.index ?? 1) - 1;
    this.#store.hashAt(index).then(
      (hash) => {
        this.#blocked = false;
        if (this.#stopped) return;
        this.#exclusively(() => {
          if (hash === undefined || !this.#persist(effect, hash))
            throw new Error(`no chain hash at ${index}`);
          this.#execute(effects, at + 1);
          return [];
        });
        this.#drain();
      },
      (error: unknown) => this.#break(error),
    );
  }

  #fetch(to: string, from: number, through: number, maxBytes: number): void {
    this.#store.read(from, through, maxBytes).then(
      (entries) => this.step({ type: 'fetched', to, from, entries }),
      (error: unknown) => {
        // Truncated meanwhile: the core asks again if it still matters. A storage fault speaks through the listener.
        if (error instanceof RangeError) this.step({ type: 'fetched', to, from, entries: [] });
        else this.#break(error);
      },
    );
  }

  #break(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#listener.broken(error instanceof Error ? error : new Error(String(error)));
  }
}

function clock(): Clock {
  return { now: performance.now(), wall: Date.now() };
}
