/**
 * One node: the driver, routing, and the local app, tied together. The app socket and HTTP see it through
 * `app-host.ts` and `http-host.ts`.
 *
 * MUST: keep every public number (commit, delivered, applied) consistent with what the core said last.
 */
import { randomInt } from 'node:crypto';
import type { Refusal } from '../../shared/codes.ts';
import type { ChainHash, Entry, LogPoint, Membership } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { AskReply, AskVersion, Command, PeerMessage, RoutingMessage } from '../../shared/messages.ts';
import type { SessionTable } from '../machine/session-table.ts';
import { describeMembership } from '../raft/describe.ts';
import { allMembers } from '../raft/quorum.ts';
import type { NoteEffect, RoleEffect } from '../raft/types.ts';
import type { ProposalOutcome, RoutingPort, Ticket } from '../routing/port.ts';
import { ProposalRouter } from '../routing/proposals.ts';
import { ReadRouter } from '../routing/reads.ts';
import { Tally } from '../routing/tally.ts';
import { type Store, type StoredState, StoreError } from '../store/contract.ts';
import { AppSide } from './app-side.ts';
import { applyLag } from './apply-lag.ts';
import { CommitWaiters } from './commit-waiters.ts';
import { RaftDriver } from './driver.ts';
import { takeMessage } from './inbox.ts';
import type { LocalApp } from './local-app.ts';
import { LostReplies } from './lost-replies.ts';
import { NodeMembers } from './membership/members.ts';
import type { NodeOptions } from './node-options.ts';
import { PeerRequests } from './peer-requests.ts';
import { pressureOf } from './pressure.ts';
import { Recorder } from './recorder.ts';
import { NodeSessions } from './sessions.ts';
import { Skips } from './skips.ts';
import { NodeSnapshots } from './snapshots/node-snapshots.ts';
import { type TableSources, tableAt } from './snapshots/tables.ts';
import type { StateWatch } from './state-watch.ts';
import { Transfers } from './transfers.ts';
import { VersionPoll } from './version-poll.ts';

/** How long a request out at a leader that changed is still awaited. */
const LOST_REPLY_MS = 300;
/** A read that got no answer is asked again after this. */
const ASK_READ_AGAIN_MS = 150;
const HOUSEKEEPING_MS = 20;
/** How often everything that waits is looked over for what waited too long. */
const EXPIRY_MS = 100;

export class Node implements RoutingPort {
  options: NodeOptions;
  readonly id: string;
  readonly group: string;
  readonly firstRequestId = randomInt(2 ** 47);
  driver: RaftDriver;
  readonly proposals: ProposalRouter;
  readonly reads: ReadRouter;
  readonly appSide: AppSide;
  readonly peerRequests = new PeerRequests(this);
  readonly startedAt = Date.now();
  readonly recorder: Recorder;
  readonly sessions: NodeSessions;
  readonly lostReplies: LostReplies;
  readonly versionPoll: VersionPoll;
  skips: Skips;
  snapshots: NodeSnapshots | undefined;
  readonly members: NodeMembers;
  /** How reads taken here ended. */
  readonly readOutcomes = {
    LINEARIZABLE: new Tally(),
    LEASE: new Tally(),
    AT_LEAST: new Tally(),
    STALE: new Tally(),
  };
  readonly #commitWaiters = new CommitWaiters();
  readonly #transfers = new Transfers();
  #flushing = false;
  #company = false;
  /** Since when the oldest command that waits has been waiting, as far as whole batches tell; 0 when none does. */
  #waitingSince = 0;
  #expiryDue = 0;
  #committedByCore = 0;
  /** The snapshot that was outrun last. */
  #outrunAt = 0;
  #housekeeping: NodeJS.Timeout | undefined;
  /** Set while nothing new is taken: the process stops, or the disk is full. */
  closed: Refusal | undefined;

  constructor(options: NodeOptions) {
    this.options = options;
    this.id = options.raft.id;
    this.group = options.raft.group;
    const limits = { pendingRequests: LIMITS.pendingRequests };
    this.proposals = new ProposalRouter(this, {
      ...limits,
      pendingBytes: LIMITS.pendingBytes,
      window: LIMITS.proposalWindow,
      windowBytes: LIMITS.proposalWindowBytes,
      reforwards: LIMITS.reforwards,
      lostReplyMs: LOST_REPLY_MS,
    });
    this.reads = new ReadRouter(this, { ...limits, askAgainMs: ASK_READ_AGAIN_MS });
    this.sessions = new NodeSessions({
      append: (commands) => this.driver.propose(commands),
      answer: (to, id, part) => this.peerRequests.answerForwarded(to, id, part),
    });
    const { transport } = options;
    const asking = {
      id: this.id,
      group: this.group,
      firstRequestId: this.firstRequestId,
      others: () => allMembers(this.driver.raft.membership).filter((id) => id !== this.id),
      send: (message: AskReply | AskVersion) => transport.send(message),
    };
    this.lostReplies = new LostReplies(asking);
    this.versionPoll = new VersionPoll(asking);
    this.appSide = new AppSide(this);
    this.skips = new Skips(options.stored.skips);
    this.driver = this.#createDriver();
    this.snapshots = this.#createSnapshots();
    this.members = new NodeMembers(this, options.members ?? []);
    const { lastIndex } = options.stored;
    this.recorder = new Recorder(() => this.driver.raft, lastIndex, HOUSEKEEPING_MS);
    this.recorder.started();
  }

  #createSnapshots(): NodeSnapshots | undefined {
    const { snapshots, stored } = this.options;
    if (snapshots === undefined) return undefined;
    return new NodeSnapshots(this, snapshots.folder, snapshots.settings, stored.logBytes);
  }

  #createDriver(): RaftDriver {
    const { raft, stored, store, transport, log, snapshots } = this.options;
    return new RaftDriver(raft, stored, {
      store,
      committed: Math.max(stored.base.index, snapshots?.folder.newest?.meta.point.index ?? 0),
      transport,
      listener: {
        role: (effect) => this.#roleChanged(effect),
        note: (note) => this.#note(note),
        appended: (truncateFrom, last) => {
          if (truncateFrom !== undefined) this.skips.truncated(truncateFrom);
          this.recorder.appended(truncateFrom, last);
        },
        skipAppended: (entry) => this.skips.appended(entry),
        durable: (index, at) => this.recorder.durable(index, at),
        committed: (before, now) => this.#committed(before, now),
        readIndex: (ref, index) => this.peerRequests.readIndex(ref, index),
        installed: (point, dropped) => this.#installed(point, dropped),
        membership: (index, membership) => this.#membershipChanged(index, membership),
        compacted: (point) => this.snapshots?.compacted(point),
        snapshotWanted: () => this.snapshots?.wanted(),
        fetchSnapshot: (from, index, term) => this.snapshots?.fetcher.fetch(from, index, term),
        transferFailed: (to) => this.#transferFailed(to),
        whole: () => {
          store.markWhole();
          this.recorder.whole();
          log.info('the log is proven whole again: this node votes');
        },
        broken: (error) => this.broken(error),
      },
    });
  }

  /** Consensus begins again from what the disk holds (after it was full). */
  restart(store: Store, stored: StoredState, snapshots: NodeOptions['snapshots']): void {
    this.options = { ...this.options, store, stored, snapshots };
    this.skips = new Skips(stored.skips);
    this.driver = this.#createDriver();
    this.snapshots?.stop();
    this.snapshots = this.#createSnapshots();
    this.recorder.restarted();
    this.driver.start();
    this.snapshots?.started();
    this.closed = undefined;
  }

  start(): void {
    this.recorder.turnsBegin();
    this.driver.start();
    this.members.changed();
    this.snapshots?.started();
    this.#housekeeping = setInterval(() => this.#keepHouse(), HOUSEKEEPING_MS);
    this.appSide.tellFitness();
    // A cluster of one need not wait for a leader that cannot exist.
    if (this.driver.raft.membership.voters.length === 1) this.driver.step({ type: 'campaign' });
  }

  /** Stops consensus and answers what waits; the surfaces are closed by their owner. */
  stop(): void {
    clearInterval(this.#housekeeping);
    this.driver.stop();
    this.snapshots?.stop();
    this.proposals.close();
    this.reads.close();
  }

  // ---------------------------------------------------------------- from peers

  receive(message: PeerMessage): void {
    takeMessage(this, message);
  }

  #note(note: NoteEffect): void {
    if (note.about === 'SNAPSHOT_OUTRUN') this.snapshotOutrun(note.peer, note.index, note.first);
    else this.recorder.note(note);
  }

  /** For the app of this node `peer` is this node. */
  snapshotOutrun(peer: string, index: number, first: number): void {
    this.recorder.snapshotOutrun(peer, index, first);
    // Once for each: it may happen again and again.
    if (this.#outrunAt === index) return;
    this.#outrunAt = index;
    this.options.log.warn(
      { peer, index, first },
      'a snapshot was taken, and by then the log began behind it: keep more of the log (--snapshot-bytes, --snapshot-entries) or send faster (--snapshot-send-bytes)',
    );
  }

  linkChanged(peer: string, up: boolean, reason: string, direction: 'OUT' | 'IN'): void {
    if (direction === 'OUT') this.recorder.link(peer, up, reason);
    if (!up) this.proposals.linkLost(peer, performance.now());
  }

  // ---------------------------------------------------------------- port of routing

  send(message: RoutingMessage): void {
    if (message.to === this.id) this.receive(message);
    else this.options.transport.send(message);
  }

  propose(commands: readonly Command[]): ReturnType<RoutingPort['propose']> {
    return this.driver.propose(commands);
  }

  placed(first: number, last: number, waitedSince: number): void {
    this.recorder.placed(first, last, waitedSince);
  }

  requestReadIndex(id: number): void {
    this.peerRequests.askReadIndex({ local: id });
  }

  termAt(index: number): number | undefined {
    return this.driver.raft.log.termAt(index);
  }

  outcomeOf(ticket: Ticket): ProposalOutcome | Refusal {
    return this.appSide.outcomeOf(ticket);
  }

  // ---------------------------------------------------------------- from the driver

  #roleChanged(effect: RoleEffect): void {
    this.recorder.role(effect);
    const { role, term, leader, cause } = effect;
    this.options.log.info({ role, term, leader, cause }, 'role changed');
    this.sessions.roleChanged(role === 'LEADER', this.driver.raft.log);
    this.#learnLeader(leader, term);
    if (leader !== '') this.#transfers.ended(undefined);
    this.options.listener.roleChanged(role, term, leader, cause);
    this.wake();
  }

  #learnLeader(leader: string, term: number): void {
    this.proposals.leaderIs(leader, term, performance.now());
    this.reads.leaderIs(leader);
  }

  #committed(before: number, now: number): void {
    this.#committedByCore = now;
    this.recorder.committed(now);
    for (const index of this.skips.committed(now)) this.#skipped(index);
    this.proposals.committed(before, now);
    this.#commitWaiters.committed(now);
    // Where no client waits, the app gets what was committed a moment later, in one batch.
    if (this.proposals.pending + this.reads.pending > 0) this.options.listener.committed();
    // What was surely lost waits to be forwarded again.
    this.wake();
  }

  /** No app is given the command any more: one that stands there goes on behind it. */
  #skipped(index: number): void {
    this.options.log.warn({ index }, 'an operator skipped a command');
    this.recorder.skipped(index);
    this.options.listener.skipped(index);
  }

  /** The log begins behind a snapshot of another node, and everything up to there is committed. */
  #installed(point: LogPoint, dropped: number): void {
    const { index, term } = point;
    this.options.log.info({ index, term, dropped }, 'the log begins behind a snapshot');
    const before = this.#committedByCore;
    this.#committedByCore = index;
    this.snapshots?.installed(point);
    // First the app, which must not ask for what the log has no more.
    this.options.listener.outrun();
    this.proposals.committed(before, index);
    this.#commitWaiters.committed(index);
    this.wake();
  }

  #membershipChanged(index: number, membership: Membership): void {
    const words = describeMembership(membership);
    this.options.log.info({ index, membership: words }, 'the membership is another one');
    this.recorder.membership(index, words);
    this.members.changed();
  }

  /** The sessions as of `index`, undefined where nothing reaches back to it. */
  tableAt(index: number): Promise<SessionTable | undefined> {
    return tableAt(this.tableSources(), index);
  }

  tableSources(): TableSources {
    return {
      current: this.sessions.machine.table,
      snapshots: this.options.snapshots?.folder,
      baseIndex: this.driver.raft.log.baseIndex,
      log: this.driver.raft.log,
      store: this.options.store,
    };
  }

  broken(error: Error): void {
    const exitCode = error instanceof StoreError ? 3 : 1;
    this.options.log.fatal({ err: error }, 'this node cannot go on');
    this.stop();
    this.options.listener.failed(exitCode, error.message);
  }

  // ---------------------------------------------------------------- turns of the loop

  /**
   * Gathers what comes into one batch for the leader: all of this turn of the event loop where there is company (the
   * last batch had some), else what came with this callback, which saves a lone client one turn.
   */
  wake(): void {
    if (this.#waitingSince === 0 && this.proposals.waiting > 0) this.#waitingSince = performance.now();
    if (this.#flushing || this.proposals.waiting + this.reads.unasked === 0) return;
    this.#flushing = true;
    if (this.#company) setImmediate(this.#flush);
    else process.nextTick(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    this.#company = this.proposals.waiting + this.reads.unasked > 1;
    this.proposals.flush(this.#waitingSince);
    if (this.proposals.waiting === 0) this.#waitingSince = 0;
    this.reads.flush(performance.now());
  };

  #keepHouse(): void {
    const now = performance.now();
    const { raft } = this.driver;
    const { oldestWriteMs } = this.options.store.stats();
    this.recorder.turn(now, oldestWriteMs, () => this.options.transport.links());
    this.#learnLeader(raft.leader, raft.term);
    if (now >= this.#expiryDue) {
      this.#expiryDue = now + EXPIRY_MS;
      this.proposals.expire(now);
      this.reads.expire(now);
      this.lostReplies.turn(now);
      this.versionPoll.turn(now);
      this.snapshots?.turn(now);
      this.app.trails(applyLag(this));
      this.states.turn(now, raft.role === 'LEADER', raft.leader);
    }
    this.members.turn(now);
    this.sessions.keepHouse(now, Date.now(), raft.log);
    this.driver.appliedIs(this.app.applied);
    this.appSide.tellFitness();
    this.options.listener.pressure(pressureOf(this));
    this.options.listener.committed();
    const stuckMs = Math.max(2 * this.options.raft.electionMaxMs, 1_000);
    if (raft.role === 'LEADER' && oldestWriteMs > stuckMs) {
      this.driver.step({ type: 'stepDown', cause: 'DISK_STUCK' });
    }
    this.wake();
  }

  get app(): LocalApp {
    return this.appSide.app;
  }

  get states(): StateWatch {
    return this.appSide.states;
  }

  // ---------------------------------------------------------------- the log

  /** Resolves true once `index` is committed here, false after `timeoutMs`. */
  committedBy(index: number, timeoutMs: number): Promise<boolean> {
    if (this.driver.raft.commitIndex >= index) return Promise.resolve(true);
    return this.#commitWaiters.wait(index, timeoutMs);
  }

  /** Entries from memory, or by promise from the disk; undefined when there is nothing from there on. */
  entries(from: number, through: number, maxEntries: number, maxBytes: number): Entry[] | Promise<Entry[]> {
    const cached = this.driver.raft.log.slice(from, through, maxEntries, maxBytes);
    return cached ?? this.options.store.read(from, Math.min(through, from + maxEntries - 1), maxBytes);
  }

  async hashAt(index: number): Promise<ChainHash | undefined> {
    return this.driver.raft.log.hashAt(index) ?? (await this.options.store.hashAt(index));
  }

  // ---------------------------------------------------------------- leadership transfer

  /** Hands leadership over, or asks the leader to; resolves with nothing once a leader is known again, or with a sentence. */
  transfer(to: string): Promise<string | undefined> {
    return this.#transfers.begun(this.options.raft.electionMaxMs, () => {
      const { role, leader } = this.driver.raft;
      if (role === 'LEADER') this.driver.step({ type: 'transfer', to });
      else
        this.options.transport.send({
          type: 'ForwardTransfer',
          group: this.group,
          from: this.id,
          to: leader,
          id: 0,
          target: to,
        });
    });
  }

  #transferFailed(to: string): void {
    const reason = `${to || 'no other node'} did not take over leadership in time`;
    this.recorder.transferFailed(to, reason);
    this.#transfers.ended(reason);
  }

  /** Why nothing new is taken, or undefined. */
  refusalNow(needsApp: boolean): Refusal | undefined {
    return this.closed ?? (needsApp ? this.appSide.refusalNow() : undefined);
  }
}
