/**
 * Everything one Raft node knows (paper, figure 2), and the few ways to change it that all handlers share.
 *
 * Handlers in this folder read and write these fields; nobody else may. What a field means, and what always holds,
 * stands beside it.
 */
import type { Cause } from '../../shared/causes.ts';
import {
  type ConfigAt,
  type Entry,
  EntryKind,
  type LogPoint,
  type Membership,
  type Role,
  type SnapshotPoint,
} from '../../shared/entry.ts';
import type { RaftMessage } from '../../shared/messages.ts';
import { decodeMembership } from '../../shared/wire/membership-entry.ts';
import { RaftLog } from './log.ts';
import { Outbox } from './outbox.ts';
import { countsUs } from './own-disk.ts';
import type { Progress } from './progress.ts';
import { holdsForQuorum } from './quorum.ts';
import type { Clock, Effect, LeaseRefusal, NoteEffect, RaftConfig, RaftStart, ReadRefusal } from './types.ts';

/** A read that waits for its confirmation round. */
export interface WaitingRead {
  readonly ref: number;
  /** Our commit index when its round began: the read index (dissertation §6.4). */
  readonly index: number;
  /** Leadership must be confirmed in this round or a later one; 0 while no round has begun. */
  readonly round: number;
}

type WithoutType<T> = T extends unknown ? Omit<T, 'type'> : never;
export type Note = WithoutType<NoteEffect>;

export interface Transfer {
  readonly to: string;
  readonly deadline: number;
}

export class RaftState {
  readonly config: RaftConfig;
  readonly id: string;

  // -- durable: every change is written before anything that depends on it leaves (see outbox.ts)
  /** Never decreases. */
  term: number;
  /** Whom we voted for in `term`, '' for nobody. Changes only from '' to a name, or back to '' with a higher term. */
  vote: string;
  readonly log: RaftLog;
  /** Every membership of the log, ascending, and the one that it began with. The last one counts, committed or not (paper §6). */
  configs: readonly ConfigAt[];
  /** Snapshots on our disk that can be given to others, ascending. */
  snapshots: readonly LogPoint[] = [];

  // -- volatile, all roles
  role: Role = 'FOLLOWER';
  /** CANDIDATE only: asking, before the term is raised. */
  preCandidate = false;
  /** Leader of `term`, '' while unknown. */
  leader = '';
  /** Highest index known to be committed. Never decreases; commit ≤ lastIndex. */
  commit = 0;
  /** Highest index that our own disk is known to hold. durable ≤ lastIndex; commit may be ahead of it. */
  durable = 0;
  /** How far our app is; only told to the leader. */
  applied = 0;
  /** Highest index at which our log is known to equal the current leader's. */
  matched = 0;
  /** Followers: how far the leader of this term said that its own disk is. */
  leaderDurable = 0;
  /** Should we lead (fitness.ts)? */
  fit = true;
  /** Leaders: not before this do we hand over for not being fit. */
  handOverDue = 0;
  /** Followers: the last leader knew of another voter that is fit; and how many election timeouts in a row we left to it. */
  othersFit = false;
  postponed = 0;
  /** Set while the disk's past is not proven (recovery.ts): no vote, no campaign. */
  unproven: { readonly mustReach: number; readonly termAtStart: number } | undefined;

  // -- time
  now = 0;
  wall = 0;
  lastTick: number | undefined;
  electionDeadline = 0;
  /** When the last leader was heard last; -Infinity when never, or when we have led since. */
  leaderContact = Number.NEGATIVE_INFINITY;
  /**
   * Leases on: when we last promised to vote for nobody else (to whomever, in whatever term), or began, since we may have
   * promised before. -Infinity when never. Never decreases.
   */
  promisedAt = Number.NEGATIVE_INFINITY;
  heartbeatDue = 0;

  // -- candidates
  readonly votes = new Map<string, boolean>();

  // -- leaders (empty otherwise)
  readonly progress = new Map<string, Progress>();
  /** Bytes of our entries that are not committed. */
  uncommittedBytes = 0;
  /** What followers may have committed before we know of it: the highest index our disk was said to have. */
  toldDurable = 0;
  /** Number of the last leadership confirmation round begun; each heartbeat broadcast begins one. */
  round = 0;
  /** Reads whose round has begun, oldest first. */
  reads: WaitingRead[] = [];
  /** Reads that wait for the next round, or for the first commit of this term. */
  queuedReads: number[] = [];
  transfer: Transfer | undefined;
  /** A TimeoutNow has left in this term: a copy of it may make somebody leader at any time. */
  handedOver = false;
  /** When the newest rounds were begun, oldest first; empty where leases are off. */
  rounds: { readonly round: number; readonly at: number; readonly wall: number }[] = [];
  /** Answers to rounds up to this one came before the last pause of this process, and count for no lease. */
  voidThrough = 0;

  // -- this step's output
  effects: Effect[] = [];
  /** Writes gathered in this step; one `persist` effect at its end. */
  hardStateChanged = false;
  truncateFrom: number | undefined;
  reset: SnapshotPoint | undefined;
  appended: Entry[] = [];
  expectedHash = '';
  /** Messages of this step that must wait for the disk, with what they wait for. */
  gated: { readonly message: RaftMessage; readonly forLog: boolean }[] = [];

  // -- disk bookkeeping
  writeSequence = 0;
  durableSequence = 0;
  /** Sequence of the newest write that carries term or vote. */
  hardStateSequence = 0;
  /** Writes under way, oldest first: after each, our disk holds the log up to `last`. */
  writes: { sequence: number; last: number }[] = [];
  readonly outbox = new Outbox();

  constructor(config: RaftConfig, start: RaftStart, clock: Clock) {
    if (config.lease !== undefined && !config.checkQuorum)
      throw new RangeError('reads by lease need check-quorum: a leader must know when it has no quorum');
    this.config = config;
    this.id = config.id;
    this.term = start.hardState.term;
    this.vote = start.hardState.vote;
    this.log = new RaftLog(start.runs, start.tail, start.base);
    this.configs = start.configs ?? [{ index: 0, membership: config.membership }];
    this.durable = this.log.lastIndex;
    // A snapshot is of what was committed.
    this.commit = start.committed;
    this.now = clock.now;
    this.wall = clock.wall;
    if (start.mustReach !== undefined) {
      this.unproven = { mustReach: start.mustReach, termAtStart: this.term };
    }
    this.role = this.restingRole();
    this.resetElectionTimer();
    // Before the first term there was no leader to promise anything to.
    if (config.lease !== undefined && this.term > 0) this.promisedAt = clock.now;
  }

  /** The role of a node that neither leads nor campaigns. */
  restingRole(): Role {
    return countsUs(this, this.membership) ? 'FOLLOWER' : 'LEARNER';
  }

  /** The newest one of our log. */
  get configAt(): ConfigAt {
    return this.configs.at(-1) as ConfigAt;
  }

  get membership(): Membership {
    return this.configAt.membership;
  }

  resetElectionTimer(): void {
    const { electionMinMs, electionMaxMs, random } = this.config;
    this.electionDeadline = this.now + electionMinMs + random() * (electionMaxMs - electionMinMs);
  }

  /** Have we promised to vote for nobody now (lease.ts)? A voter that needs no other has nobody to promise to. */
  isPromised(): boolean {
    const { lease, electionMinMs } = this.config;
    if (lease === undefined || holdsForQuorum(this.membership, (id) => id === this.id)) return false;
    return this.now - this.promisedAt < electionMinMs;
  }

  /** Is there a leader that we must not be talked out of (leader stickiness, §4.2.3)? */
  leaderIsAlive(): boolean {
    if (this.isPromised()) return true;
    if (!this.config.checkQuorum || this.leader === '') return false;
    return this.leader === this.id || this.now - this.leaderContact < this.config.electionMinMs;
  }

  setTerm(term: number): void {
    if (term <= this.term) throw new Error(`term must grow: ${this.term} → ${term}`);
    this.term = term;
    this.vote = '';
    this.matched = 0;
    this.leaderDurable = 0;
    this.hardStateChanged = true;
  }

  setVote(id: string): void {
    if (this.vote !== '' && this.vote !== id) throw new Error(`second vote in term ${this.term}`);
    if (this.vote === id) return;
    this.vote = id;
    this.hardStateChanged = true;
  }

  /** Changes role and leader and says so. */
  setRole(role: Role, leader: string, cause: Cause): void {
    this.role = role;
    this.leader = leader;
    const silentMs = this.now - this.leaderContact;
    this.effects.push({ type: 'role', role, term: this.term, leader, cause, silentMs });
  }

  /**
   * Stops leading or campaigning; takes over a higher term. Our vote in this term stays (a second one would elect two
   * leaders).
   */
  becomeFollower(term: number, leader: string, cause: Cause): void {
    const news = term > this.term || this.role !== this.restingRole() || this.leader !== leader;
    if (term > this.term) this.setTerm(term);
    this.leaveLeadership();
    this.preCandidate = false;
    this.votes.clear();
    // Not where all that a follower learnt is a newer term: whoever campaigns in vain again and again (a log that is behind, a
    // faster clock) would keep everybody else from ever campaigning. Only a leader or a vote given begins it anew (paper §5.2).
    if (leader !== '' || this.role !== this.restingRole()) this.resetElectionTimer();
    if (news) this.setRole(this.restingRole(), leader, cause);
  }

  private leaveLeadership(): void {
    for (const read of this.reads) this.refuseRead(read.ref, 'NOT_LEADER');
    for (const ref of this.queuedReads) this.refuseRead(ref, 'NOT_LEADER');
    this.reads = [];
    this.queuedReads = [];
    this.transfer = undefined;
    this.handedOver = false;
    this.rounds = [];
    this.voidThrough = 0;
    this.uncommittedBytes = 0;
    this.toldDurable = 0;
    this.progress.clear();
  }

  refuseRead(ref: number, reason: ReadRefusal | LeaseRefusal): void {
    this.effects.push({ type: 'readRefused', ref, reason });
  }

  appendEntries(entries: readonly Entry[]): void {
    this.log.append(entries);
    for (const entry of entries) {
      this.appended.push(entry);
      if (entry.kind === EntryKind.CONFIG) this.#takeConfig(entry);
    }
  }

  #takeConfig({ index, command }: Entry): void {
    this.setConfigs([...this.configs, { index, membership: decodeMembership(command) }]);
  }

  /** The memberships of the log are others now. */
  setConfigs(configs: readonly ConfigAt[]): void {
    const before = this.configAt.index;
    this.configs = configs;
    const { index, membership } = this.configAt;
    if (index === before) return;
    this.effects.push({ type: 'membership', index, membership });
    // Whether it votes is a matter of the newest one.
    if (this.role === 'FOLLOWER' || this.role === 'LEARNER') {
      const role = this.restingRole();
      if (role !== this.role) this.setRole(role, this.leader, 'MEMBERSHIP_CHANGED');
    }
  }

  truncateLog(from: number): void {
    if (from <= this.commit) {
      throw new Error(`committed entries would be dropped: truncate from ${from}, commit ${this.commit}`);
    }
    if (this.appended.length > 0) throw new Error('truncation after an append in one step');
    for (const { term, first, last } of this.log.runs.list()) {
      if (last < from) continue;
      this.note({ about: 'TRUNCATED', peer: this.leader, first: Math.max(first, from), last, oldTerm: term });
    }
    this.log.truncateFrom(from);
    this.setConfigs(this.configs.filter(({ index }) => index < from));
    this.truncateFrom = from;
    this.durable = Math.min(this.durable, from - 1);
    for (const write of this.writes) write.last = Math.min(write.last, from - 1);
  }

  /** Drops the whole log for a snapshot that has more than we know to be committed. */
  resetLog(point: SnapshotPoint): void {
    if (point.index <= this.commit)
      throw new Error(`a snapshot of ${point.index} over commit ${this.commit}`);
    if (this.appended.length > 0) throw new Error('a snapshot is installed after an append in one step');
    const dropped = this.log.lastIndex;
    // What was committed is in the snapshot as it is in our log; of the rest our disk may have another history.
    this.durable = Math.min(this.durable, this.commit);
    for (const write of this.writes) write.last = Math.min(write.last, this.commit);
    this.log.resetTo(point);
    // None of our own tail: it may be of another history (openraft#1808).
    const known = this.configs.filter(({ index }) => index <= this.commit);
    this.setConfigs([point.config ?? (known.at(-1) as ConfigAt)]);
    this.reset = { ...point, config: this.configAt };
    this.truncateFrom = undefined;
    this.matched = Math.max(this.matched, point.index);
    this.commit = point.index;
    this.effects.push({ type: 'installed', point, dropped });
  }

  /** Raises the commit index. */
  advanceCommit(index: number): void {
    if (index <= this.commit) return;
    if (index > this.log.lastIndex) {
      throw new Error(`commit ${index} beyond the end of the log ${this.log.lastIndex}`);
    }
    this.commit = index;
    this.effects.push({ type: 'commit', index });
  }

  /** Says something for the record; nothing follows from it. */
  note(note: Note): void {
    this.effects.push({ type: 'note', ...note });
  }

  send(message: RaftMessage): void {
    this.effects.push({ type: 'send', message });
  }

  /** Sends once our term and vote are on the disk. */
  sendAfterHardState(message: RaftMessage): void {
    this.gated.push({ message, forLog: false });
  }

  /** Sends once everything we have written so far is on the disk. */
  sendAfterLog(message: RaftMessage): void {
    this.gated.push({ message, forLog: true });
  }
}
