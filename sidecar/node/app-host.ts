/**
 * The node as the app socket sees it: positions, proposals, reads, and the committed log for delivery.
 */
import { type Refusal, refusal } from '../../shared/codes.ts';
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import { clippedTtl } from '../../shared/session-ttl.ts';
import { encodeAppVersion } from '../../shared/wire/app-version-entry.ts';
import { encodeSessionOpen } from '../../shared/wire/session-entries.ts';
import { encodeSkip } from '../../shared/wire/skip-entry.ts';
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
} from '../app/host.ts';
import type { SessionTable } from '../machine/session-table.ts';
import { type TicketRequest, ticketOf } from '../routing/port.ts';
import type { ReadTicket } from '../routing/reads.ts';
import { versionRefusal } from './app-versions.ts';
import { leaseReadRefusal } from './lease-reads.ts';
import type { Node } from './node.ts';
import { Share } from './share.ts';
import { planRestore } from './snapshots/plan-restore.ts';

const NOTHING = new Uint8Array(0);
const SESSION_KINDS = {
  OPEN: EntryKind.SESSION_OPEN,
  KEEP: EntryKind.SESSION_KEEP,
  CLOSE: EntryKind.SESSION_CLOSE,
} as const;

/**
 * An app may be a moment ahead of a sidecar that was killed before its own disk had what a quorum had committed: wait
 * so long for the peers to bring it back before calling the app ahead.
 */
const CATCH_UP_MS = 3_000;

export class NodeAppHost implements AppHost {
  readonly #node: Node;
  /** The sessions at each position that was planned for. */
  readonly #tables = new WeakMap<AppPosition, SessionTable>();
  /** The snapshot that the app was given last; 0: none, or it is known that the log began behind it before it went on. */
  #restored = 0;

  readonly #share: Share;

  /** For one client: a connection, or HTTP as a whole. */
  constructor(node: Node) {
    this.#node = node;
    this.#share = new Share(() => ({
      requests: node.proposals.pending + node.reads.pending,
      bytes: node.proposals.pendingBytes,
    }));
  }

  facts(): NodeFacts {
    const { raft } = this.#node.driver;
    return {
      cluster: this.#node.options.cluster,
      node: this.#node.id,
      group: this.#node.group,
      role: raft.role,
      term: raft.term,
      leader: raft.leader === '' ? undefined : raft.leader,
      commitIndex: raft.commitIndex,
      firstIndex: raft.log.firstIndex,
    };
  }

  propose(request: ProposeRequest, done: (outcome: ProposeResult | Refusal) => void): void {
    const { command, session, sequence, ackBelow, expectedTerm, wait, timeoutMs } = request;
    // Whether a command of a session takes effect is decided where the log is delivered.
    const needsApp = wait === 'APPLIED' || session !== 0;
    const deadline = performance.now() + timeoutMs;
    const ticket = { command, session, sequence, ackBelow, expectedTerm, wait, deadline };
    this.#take({ ...ticket, done: (outcome) => this.#answer(request, deadline, outcome, done) }, needsApp);
  }

  /** Another node may have the reply that this one has lost. */
  #answer(
    { session, sequence }: ProposeRequest,
    deadline: number,
    outcome: ProposeResult | Refusal,
    done: (outcome: ProposeResult | Refusal) => void,
  ): void {
    if ('code' in outcome || !outcome.resultLost) return done(outcome);
    this.#node.lostReplies.ask(session, sequence, performance.now(), deadline, (reply) => {
      if (reply === undefined) return done(outcome);
      const { resultLost: _, ...found } = outcome;
      done(reply.result === undefined ? found : { ...found, result: reply.result });
    });
  }

  session(request: SessionRequest, done: (outcome: SessionResult | Refusal) => void): void {
    const session = request.act === 'OPEN' ? 0 : request.session;
    const ticket: TicketRequest = {
      kind: SESSION_KINDS[request.act],
      command: request.act === 'OPEN' ? encodeSessionOpen(clippedTtl(request.ttlMs ?? 0)) : NOTHING,
      session,
      sequence: 0,
      expectedTerm: undefined,
      wait: 'APPLIED',
      deadline: performance.now() + request.timeoutMs,
      done: (outcome) => {
        if ('code' in outcome) done(outcome);
        else if (request.act !== 'OPEN') done({ session });
        else done({ session: outcome.index, ttlMs: clippedTtl(request.ttlMs ?? 0) });
      },
    };
    this.#take(ticket, true);
  }

  /**
   * Proposes that no app is given the command at `index`. Refused where our own app has applied it already: a state that has it
   * and a state that skips it are two states.
   */
  skip(
    index: number,
    reason: string,
    timeoutMs: number,
    done: (outcome: { index: number; at: number } | Refusal) => void,
  ): void {
    const { app, driver } = this.#node;
    if (index > driver.raft.commitIndex || index <= app.applied) {
      const where = `the app has applied ${app.applied}, and ${driver.raft.commitIndex} is committed`;
      done(refusal('BAD_REQUEST', `entry ${index} cannot be skipped: on this node ${where}`));
      return;
    }
    this.#say(EntryKind.SKIP, encodeSkip({ index, reason }), timeoutMs, (outcome) =>
      done('code' in outcome ? outcome : { index, at: outcome.index }),
    );
  }

  /** Proposes that commands are of `version` from there on. */
  async setAppVersion(
    version: number,
    reason: string,
    force: boolean,
    timeoutMs: number,
  ): Promise<{ version: number; at: number } | Refusal> {
    const deadline = performance.now() + timeoutMs;
    const refused = await versionRefusal(this.#node, version, force);
    if (refused !== undefined) return refused;
    const left = Math.max(1, deadline - performance.now());
    return new Promise((resolve) => {
      this.#say(EntryKind.APP_VERSION, encodeAppVersion({ version, reason }), left, (outcome) =>
        resolve('code' in outcome ? outcome : { version, at: outcome.index }),
      );
    });
  }

  /** Proposes an operator's word to the whole cluster. */
  #say(kind: EntryKind, command: Uint8Array, timeoutMs: number, done: TicketRequest['done']): void {
    const ticket: TicketRequest = {
      ...{ kind, command, session: 0, sequence: 0, done },
      ...{ expectedTerm: undefined, wait: 'COMMITTED', deadline: performance.now() + timeoutMs },
    };
    this.#take(ticket, false);
  }

  #take(request: TicketRequest, needsApp: boolean): void {
    const refused = this.#node.refusalNow(needsApp) ?? this.#share.refusal();
    if (refused !== undefined) {
      this.#node.proposals.outcomes.count(refused.code);
      request.done(refused);
      return;
    }
    const bytes = request.command.length;
    this.#share.opens(bytes);
    const done: TicketRequest['done'] = (outcome) => {
      this.#share.closes(bytes);
      request.done(outcome);
    };
    this.#node.proposals.take(ticketOf({ ...request, lane: this, done }));
    this.#node.wake();
  }

  read(request: ReadRequest, answer: ReadTicket['done']): void {
    const { app } = this.#node;
    const outcomes = this.#node.readOutcomes[request.consistency];
    const done: ReadTicket['done'] = (outcome) => {
      outcomes.count('code' in outcome ? outcome.code : 'OK');
      answer(outcome);
    };
    if (app.state === 'ABSENT') {
      done(refusal('APP_ABSENT', 'no app is connected to this sidecar to serve the read'));
      return;
    }
    const { index } = request;
    const isThere = request.consistency === 'STALE' || (index !== undefined && index <= app.applied);
    const refused = isThere ? undefined : (this.#node.appSide.hasStopped() ?? this.#share.refusal());
    if (refused !== undefined) return done(refused);
    switch (request.consistency) {
      case 'STALE':
        done({ index: app.applied });
        return;
      case 'LEASE':
        this.#leaseRead(request.timeoutMs, done);
        return;
      case 'AT_LEAST':
      case 'LINEARIZABLE':
        this.#share.opens(0);
        this.#node.reads.take({
          index: request.consistency === 'AT_LEAST' ? index : undefined,
          deadline: performance.now() + request.timeoutMs,
          done: (outcome) => {
            this.#share.closes(0);
            done(outcome);
          },
        });
        this.#node.options.listener.committed();
        this.#node.wake();
    }
  }

  #leaseRead(timeoutMs: number, done: ReadTicket['done']): void {
    const { driver, options, reads } = this.#node;
    const answer = driver.leaseRead();
    if ('refused' in answer) done(leaseReadRefusal(answer.refused, driver.raft.leader, options.raft));
    else {
      reads.take({ index: answer.index, deadline: performance.now() + timeoutMs, done });
      options.listener.committed();
    }
  }

  async plan(position: AppPosition): Promise<Plan | Refusal> {
    const { appliedIndex, appliedHash } = position;
    if (appliedIndex > this.#node.driver.raft.log.lastIndex) {
      const arrived = await this.#node.committedBy(appliedIndex, CATCH_UP_MS);
      const lastIndex = this.#node.driver.raft.log.lastIndex;
      if (!arrived) {
        return refusal(
          'APP_AHEAD',
          `the app has applied ${appliedIndex}, but the log of this node ends at ${lastIndex}`,
        );
      }
    }
    // From before the log there is nothing to compare with: such an app is given a snapshot in place of its state.
    const comparable = appliedHash !== undefined && appliedIndex >= this.#node.driver.raft.log.baseIndex;
    if (comparable && (await this.#node.hashAt(appliedIndex)) !== appliedHash) {
      return refusal(
        'APP_DIVERGED',
        `at index ${appliedIndex} the app's hash is not the log's: its state is of another log`,
      );
    }
    const { barredAfter } = this.#node.states;
    if (barredAfter !== undefined && appliedIndex > barredAfter) {
      return refusal(
        'APP_DIVERGED',
        `the app of this node has another state than others have after the same entries, and its state at ${appliedIndex} may come from it: only one as of ${barredAfter} or before is let in`,
      );
    }
    const table = await this.#node.tableAt(appliedIndex);
    if (table === undefined) return this.#planRestore(position);
    this.#tables.set(position, table);
    return { replayFrom: appliedIndex + 1 };
  }

  /** The log begins behind where the app stands. */
  async #planRestore(position: AppPosition): Promise<Plan | Refusal> {
    const planned = await planRestore(this.#node, position);
    if ('code' in planned) return planned;
    this.#tables.set(planned.plan.position, planned.table);
    this.#restored = planned.plan.index;
    return { restore: planned.plan };
  }

  nextEpoch(): number {
    return this.#node.app.epoch + 1;
  }

  async snapshotBegun(
    epoch: number,
    snapshot: { readonly index: number; readonly format: string },
  ): Promise<SnapshotSink | Refusal> {
    const { snapshots, app } = this.#node;
    if (epoch !== app.epoch || snapshots === undefined)
      return refusal('UNSUPPORTED', 'this sidecar takes no snapshots');
    if (snapshot.format.length > LIMITS.snapshotFormatChars)
      return refusal(
        'BAD_REQUEST',
        `snapshotBegin.format has more than ${LIMITS.snapshotFormatChars} characters`,
      );
    return snapshots.taker.begun(snapshot);
  }

  restoreRefused({ index }: RestorePlan, reason: string): void {
    this.#node.options.log.error({ index, reason }, 'the app could not take the snapshot it was given');
    this.#node.recorder.snapshotFailed(`the app could not take it: ${reason}`);
  }

  durableThrough(epoch: number, index: number): void {
    if (epoch === this.#node.app.epoch) this.#node.snapshots?.durable(index);
  }

  committedAfter(
    after: number,
    maxEntries: number,
    maxBytes: number,
  ): Delivery | undefined | Promise<Delivery | undefined> {
    const through = this.#node.driver.raft.commitIndex;
    if (through <= after) return undefined;
    // The log begins behind it by now: it is to come back for a snapshot.
    if (after < this.#node.driver.raft.log.baseIndex) {
      if (after === this.#restored)
        this.#node.snapshotOutrun(this.#node.id, after, this.#node.driver.raft.log.firstIndex);
      this.#restored = 0;
      setImmediate(() => this.#node.options.listener.outrun());
      return undefined;
    }
    const entries = this.#node.entries(after + 1, through, maxEntries, maxBytes);
    if (Array.isArray(entries)) return delivery(entries);
    return entries.then(delivery, (error: unknown) => {
      if (error instanceof RangeError && after < this.#node.driver.raft.log.baseIndex) return undefined;
      throw error;
    });
  }

  decide(epoch: number, stretch: Delivery): readonly Entry[] {
    if (epoch !== this.#node.app.epoch) return [];
    return this.#node.appSide.decide(stretch.entries, stretch.through);
  }

  versionFor(epoch: number): number {
    return epoch === this.#node.app.epoch ? this.#node.sessions.machine.ahead.appVersion : 0;
  }

  resumed(epoch: number): void {
    if (epoch === this.#node.app.epoch) this.#node.sessions.machine.rewind();
  }

  attached(position: AppPosition): number {
    const table = this.#tables.get(position);
    if (table === undefined) throw new Error('a state machine is let in without a plan');
    return this.#node.appSide.attach(position, table);
  }

  delivered(epoch: number, through: number): void {
    if (epoch === this.#node.app.epoch) this.#node.recorder.delivered(through);
  }

  applied(epoch: number, through: number, results: readonly AppliedResult[]): void {
    this.#node.appSide.applied(epoch, through, results);
  }

  stateHash(epoch: number, index: number, hash: Uint8Array): void {
    if (epoch === this.#node.app.epoch) this.#node.states.told(index, Buffer.from(hash).toString('latin1'));
  }

  appNews(epoch: number, news: AppNews): void {
    if (epoch === this.#node.app.epoch) this.#node.app.news(news);
  }

  turnedAway(no: Refusal, index: number): void {
    this.#node.app.turnedAway(no, index);
  }
}

/** Up to the next change of the version of commands, so that a stretch has one. */
function delivery(all: readonly Entry[]): Delivery | undefined {
  const change = all.findIndex(({ kind }) => kind === EntryKind.APP_VERSION);
  const entries = change === -1 ? all : all.slice(0, change + 1);
  const last = entries.at(-1);
  if (last === undefined) return undefined;
  if (last.hash === undefined) throw new Error(`entry ${last.index} is delivered before it is sealed`);
  return { through: last.index, hash: last.hash, entries };
}
