/**
 * One node: the driver, routing, and the local app, tied together. The app socket and HTTP see it through
 * `app-host.ts` and `http-host.ts`.
 *
 * MUST: keep every public number (commit, delivered, applied) consistent with what the core said last.
 */
import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import type { PressureLevel } from '../../shared/app-frames.ts';
import type { Cause } from '../../shared/causes.ts';
import { type Refusal, refusal } from '../../shared/codes.ts';
import type { ChainHash, Entry, Role } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { AskReply, Command, PeerMessage, RaftMessage, RoutingMessage } from '../../shared/messages.ts';
import type { AppliedResult, AppPosition } from '../app/host.ts';
import { answerOf } from '../machine/answer.ts';
import type { SessionTable } from '../machine/session-table.ts';
import type { Transport } from '../peers/contract.ts';
import { allMembers } from '../raft/quorum.ts';
import type { RaftConfig, RoleEffect } from '../raft/types.ts';
import type { ProposalOutcome, RoutingPort, Ticket } from '../routing/port.ts';
import { ProposalRouter } from '../routing/proposals.ts';
import { ReadRouter } from '../routing/reads.ts';
import { Tally } from '../routing/tally.ts';
import { type Store, type StoredState, StoreError } from '../store/contract.ts';
import { applyLag } from './apply-lag.ts';
import { CommitWaiters } from './commit-waiters.ts';
import { describeFinding } from './divergence.ts';
import { RaftDriver } from './driver.ts';
import { hasSessions, type Part } from './intake.ts';
import { type AppChange, LocalApp } from './local-app.ts';
import { LostReplies } from './lost-replies.ts';
import { ReadQuestions } from './read-questions.ts';
import { Recorder } from './recorder.ts';
import { RecentResults } from './results.ts';
import { NodeSessions } from './sessions.ts';
import { Skips } from './skips.ts';
import { StateWatch } from './state-watch.ts';
import { Transfers } from './transfers.ts';

/** What the surfaces (app socket, metrics, process) want to know at once. */
export interface NodeListener {
  committed(): void;
  roleChanged(role: Role, term: number, leader: string, cause: Cause): void;
  /** How hard clients may push now. */
  pressure(level: PressureLevel): void;
  /** An operator skipped the command at `index`. */
  skipped(index: number): void;
  /** The local app has another state than others after the same entries, the last of them `entry`. */
  diverged(message: string, entry: number): void;
  /** These sessions ended, since nothing was heard of their clients. */
  sessionsExpired(sessions: readonly number[]): void;
  /** The node stopped by itself; `exitCode` as in PROTOCOL §2. */
  failed(exitCode: number, message: string): void;
}

export interface NodeOptions {
  readonly cluster: string;
  readonly raft: RaftConfig;
  readonly stored: StoredState;
  readonly store: Store;
  readonly transport: Transport;
  readonly listener: NodeListener;
  readonly log: Logger;
}

/** How long a request out at a leader that changed is still awaited. */
const LOST_REPLY_MS = 300;
/** A read that got no answer is asked again after this. */
const ASK_READ_AGAIN_MS = 150;
const HOUSEKEEPING_MS = 20;
/** How often everything that waits is looked over for what waited too long. */
const EXPIRY_MS = 100;
/** When a request was refused because the local app has stopped: try again here after so long. */
const APP_STOPPED_RETRY_MS = 1_000;
/** Shares of a full queue at which clients are asked to slow down, and to stop. */
const SLOW_DOWN_AT = 0.5;
const STOP_AT = 0.9;

const NOT_TAKEN = { refused: 'NOT_LEADER' } as const;
function skippedAt(index: number): Refusal {
  return refusal('SKIPPED', `an operator skipped the command at ${index}: no app was given it`);
}

const NOWHERE = { firstIndex: 0, term: 0 } as const;

export class Node implements RoutingPort {
  options: NodeOptions;
  readonly id: string;
  readonly group: string;
  readonly firstRequestId = randomInt(2 ** 47);
  driver: RaftDriver;
  readonly proposals: ProposalRouter;
  readonly reads: ReadRouter;
  readonly app = new LocalApp((change) => this.#appChanged(change));
  readonly startedAt = Date.now();
  readonly recorder: Recorder;
  readonly sessions: NodeSessions;
  readonly states: StateWatch;
  readonly lostReplies: LostReplies;
  skips: Skips;
  /** How reads taken here ended. */
  readonly readOutcomes = {
    LINEARIZABLE: new Tally(),
    LEASE: new Tally(),
    AT_LEAST: new Tally(),
    STALE: new Tally(),
  };
  readonly #results = new RecentResults();
  readonly #readQuestions = new ReadQuestions();
  readonly #commitWaiters = new CommitWaiters();
  readonly #transfers = new Transfers();
  #flushing = false;
  #company = false;
  /** Since when the oldest command that waits has been waiting, as far as whole batches tell; 0 when none does. */
  #waitingSince = 0;
  #expiryDue = 0;
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
      answer: (to, id, part) => this.#answerForwarded(to, id, part),
    });
    const { transport } = options;
    this.lostReplies = new LostReplies({
      id: this.id,
      group: this.group,
      firstRequestId: this.firstRequestId,
      others: () => allMembers(this.driver.raft.membership).filter((id) => id !== this.id),
      send: (message) => transport.send(message),
    });
    this.states = this.#watchStates();
    this.skips = new Skips(options.stored.skips);
    this.driver = this.#createDriver();
    const { lastIndex } = options.stored;
    this.recorder = new Recorder(() => this.driver.raft, lastIndex, HOUSEKEEPING_MS);
    this.recorder.started();
  }

  #watchStates(): StateWatch {
    const { transport, raft, log } = this.options;
    return new StateWatch({
      id: this.id,
      group: this.group,
      voters: raft.membership.voters,
      send: (message) => transport.send(message),
      newLife: () => randomInt(2 ** 47),
      alarm: (finding) => {
        log.error(finding, describeFinding(finding));
        this.recorder.appsDiffer(finding, describeFinding(finding));
      },
      condemned: (finding) => this.#condemned(describeFinding(finding), finding.through),
    });
  }

  #createDriver(): RaftDriver {
    const { raft, stored, store, transport, log } = this.options;
    return new RaftDriver(raft, stored, {
      store,
      transport,
      listener: {
        role: (effect) => this.#roleChanged(effect),
        note: (note) => this.recorder.note(note),
        appended: (truncateFrom, last) => {
          if (truncateFrom !== undefined) this.skips.truncated(truncateFrom);
          this.recorder.appended(truncateFrom, last);
        },
        skipAppended: (entry) => this.skips.appended(entry),
        durable: (index, at) => this.recorder.durable(index, at),
        committed: (before, now) => this.#committed(before, now),
        readIndex: (ref, index) => this.#readIndex(ref, index),
        transferFailed: (to) => this.#transferFailed(to),
        whole: () => {
          store.markWhole();
          this.recorder.whole();
          log.info('the log is proven whole again: this node votes');
        },
        broken: (error) => this.#broken(error),
      },
    });
  }

  /** Consensus begins again from what the disk holds (after it was full). */
  restart(store: Store, stored: StoredState): void {
    this.options = { ...this.options, store, stored };
    this.skips = new Skips(stored.skips);
    this.driver = this.#createDriver();
    this.recorder.restarted();
    this.driver.start();
    this.closed = undefined;
  }

  start(): void {
    this.recorder.turnsBegin();
    this.driver.start();
    this.#housekeeping = setInterval(() => this.#keepHouse(), HOUSEKEEPING_MS);
    this.#tellFitness();
    // A cluster of one need not wait for a leader that cannot exist.
    if (this.options.raft.membership.voters.length === 1) this.driver.step({ type: 'campaign' });
  }

  /** Stops consensus and answers what waits; the surfaces are closed by their owner. */
  stop(): void {
    clearInterval(this.#housekeeping);
    this.driver.stop();
    this.proposals.close();
    this.reads.close();
  }

  // ---------------------------------------------------------------- from peers

  receive(message: PeerMessage): void {
    switch (message.type) {
      case 'ForwardPropose':
        return this.#takeForwarded(message.from, message.id, message.commands);
      case 'ForwardProposed': {
        const { position } = this.sessions.machine.ahead;
        this.proposals.receiveProposed(message, this.driver.raft.commitIndex, position, this.app.applied);
        return this.wake();
      }
      case 'ForwardRead':
        return this.driver.read(this.#readQuestions.ask({ from: message.from, id: message.id }));
      case 'ForwardReadIndex':
        this.reads.receiveReadIndex(message);
        return this.wake();
      case 'AskReply':
        return this.#tellReply(message);
      case 'TellReply':
        return this.lostReplies.receive(message);
      case 'AppHashes':
        return this.states.receiveHashes(message);
      case 'AppVerdict':
        return this.states.receiveVerdict(message);
      case 'ForwardTransfer':
        if (this.driver.raft.role === 'LEADER') this.driver.step({ type: 'transfer', to: message.target });
        return;
      default:
        return this.driver.receive(message satisfies RaftMessage);
    }
  }

  #tellReply({ from: to, id, session, sequence }: AskReply): void {
    const { group, id: from } = this;
    const reply = this.sessions.machine.replyOf(session, sequence);
    const result = reply?.result === undefined ? {} : { result: reply.result };
    const known = reply !== undefined;
    this.options.transport.send({ type: 'TellReply', group, from, to, id, known, ...result });
  }

  #takeForwarded(from: string, id: number, commands: readonly Command[]): void {
    // A node that stops or has no space leads no longer than it must: the command is surely not taken here.
    const closed = this.closed !== undefined || this.driver.raft.role !== 'LEADER';
    if (!closed && hasSessions(commands)) {
      this.sessions.intake.take(from, id, commands, performance.now());
      return;
    }
    const placed = closed ? NOT_TAKEN : this.driver.propose(commands);
    const where = 'refused' in placed ? { ...NOWHERE, ...placed } : { ...placed, refused: '' };
    this.#answerForwarded(from, id, { offset: 0, count: commands.length, ...where });
  }

  #answerForwarded(to: string, id: number, part: Part): void {
    const { group, id: from } = this;
    if (part.refused === '' && to !== from) this.driver.followerAwaits(to, part.firstIndex + part.count - 1);
    this.send({ type: 'ForwardProposed', group, from, to, id, ...part, leader: this.driver.raft.leader });
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
    this.driver.read(this.#readQuestions.ask({ local: id }));
  }

  termAt(index: number): number | undefined {
    return this.driver.raft.log.termAt(index);
  }

  outcomeOf(ticket: Ticket): ProposalOutcome | Refusal {
    const outcome = answerOf(this.sessions.machine, ticket, (index) => this.#results.at(index)?.result);
    const skipped = 'code' in outcome ? 0 : outcome.index;
    return this.skips.has(skipped) ? skippedAt(skipped) : outcome;
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

  #readIndex(ref: number, index: number | undefined): void {
    const asked = this.#readQuestions.take(ref);
    if (asked === undefined) return;
    if ('local' in asked) {
      this.reads.localReadIndex(asked.local, index);
      return;
    }
    const { from: to, id } = asked;
    const refused = index === undefined ? 'NOT_LEADER' : '';
    const leader = this.driver.raft.leader;
    this.send({
      type: 'ForwardReadIndex',
      group: this.group,
      from: this.id,
      to,
      id,
      index: index ?? 0,
      refused,
      leader,
    });
  }

  #broken(error: Error): void {
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
      this.app.trails(applyLag(this));
      this.states.turn(now, raft.role === 'LEADER', raft.leader);
    }
    this.sessions.keepHouse(now, Date.now(), raft.log);
    this.driver.appliedIs(this.app.applied);
    this.#tellFitness();
    this.options.listener.pressure(this.#pressure());
    this.options.listener.committed();
    const stuckMs = Math.max(2 * this.options.raft.electionMaxMs, 1_000);
    if (raft.role === 'LEADER' && oldestWriteMs > stuckMs) {
      this.driver.step({ type: 'stepDown', cause: 'DISK_STUCK' });
    }
    this.wake();
  }

  /** From the fullest of the queues that a client can fill, and from an app that does not keep up. */
  #pressure(): PressureLevel {
    const pending = (this.proposals.pending + this.reads.pending) / LIMITS.pendingRequests;
    const disk = this.options.store.stats().queuedBytes / LIMITS.storeQueueBytes;
    const uncommitted = this.driver.raft.uncommittedBytes / LIMITS.uncommittedBytes;
    const bytes = this.proposals.pendingBytes / LIMITS.pendingBytes;
    const fullest = Math.max(pending, bytes, disk, uncommitted);
    if (fullest >= STOP_AT || this.app.state === 'STALLED') return 'STOP';
    return fullest >= SLOW_DOWN_AT || this.app.state === 'LAGGING' ? 'SLOW_DOWN' : 'OK';
  }

  // ---------------------------------------------------------------- the local app

  /** `table`: the sessions where the app stands. */
  attach(position: AppPosition, table: SessionTable): number {
    this.app.attached(position, this.#committedForApps());
    this.states.attached();
    this.#results.clear();
    this.sessions.machine.startAt(table);
    this.recorder.stages.appIsAt(position.appliedIndex);
    this.reads.appliedIs(position.appliedIndex);
    return this.app.epoch;
  }

  /** Decides what of a stretch of the committed log the app gets. */
  decide(entries: readonly Entry[], through: number): readonly Entry[] {
    const { machine } = this.sessions;
    const before = machine.ahead.position;
    const decided = machine.decide(entries, through);
    const delivered = decided.some(({ index }) => this.skips.has(index))
      ? decided.filter(({ index }) => !this.skips.has(index))
      : decided;
    this.proposals.decided(before, through);
    const expired = machine.takeExpired();
    if (expired.length > 0) this.options.listener.sessionsExpired(expired);
    return delivered;
  }

  applied(epoch: number, through: number, results: readonly AppliedResult[]): void {
    if (epoch !== this.app.epoch) return;
    const before = this.app.applied;
    this.app.advanced(through);
    this.recorder.applied(through);
    this.#results.add(results);
    this.sessions.machine.applied(through, results);
    this.proposals.applied(before, through);
    this.reads.appliedIs(through);
  }

  #appChanged(change: AppChange): void {
    const { name: app, applied } = this.app;
    this.options.log.info({ app, ...change }, 'app state changed');
    this.recorder.app(change, applied);
    this.#tellFitness();
  }

  /** A node should lead only with a healthy app, if another has one. */
  #tellFitness(): void {
    const { fit } = this.app;
    if (fit !== this.driver.raft.fit) this.driver.step({ type: 'fitness', fit });
  }

  /** The app of this node has a state of its own: it is not let go on. */
  #condemned(message: string, entry: number): void {
    this.options.listener.diverged(message, entry);
    if (!this.app.connected && this.app.condition !== 'DIVERGED')
      this.app.turnedAway(refusal('APP_DIVERGED', message), entry);
  }

  /** What is committed, as far as it can concern an app: a log of nothing but a NOOP for each term does not. */
  #committedForApps(): number {
    const { commitIndex, log } = this.driver.raft;
    return log.runs.list().length >= commitIndex ? 0 : commitIndex;
  }

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
    if (this.closed !== undefined) return this.closed;
    if (needsApp && this.app.state === 'ABSENT') {
      return refusal('APP_ABSENT', 'no app is connected to this sidecar to apply the command');
    }
    return needsApp ? this.appHasStopped() : undefined;
  }

  /** Why nothing that waits for the local app is taken: it has not applied anything for too long, and would not this either. */
  appHasStopped(): Refusal | undefined {
    const { app } = this;
    if (app.state !== 'STALLED' || app.stoppedMs(performance.now()) <= this.options.raft.handOverMs)
      return undefined;
    const message = `the app of ${this.id} applies nothing (${app.condition}): ask another node`;
    return refusal('OVERLOADED', message, { retryAfterMs: APP_STOPPED_RETRY_MS });
  }
}
