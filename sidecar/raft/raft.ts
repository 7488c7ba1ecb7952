/**
 * The consensus core: `step(input, clock)` → ordered effects. Pure: no I/O, no clock, no randomness, no promises; all
 * of these are handed in. See `types.ts` for what a driver must and may do.
 */
import type { ConfigAt, Membership, Role } from '../../shared/entry.ts';
import type { Append, Heartbeat, RaftMessage, SnapshotOffer } from '../../shared/messages.ts';
import { campaign, noteVoteReply, receiveVoteReply, receiveVoteRequest, replyToVote } from './election.ts';
import { setFit } from './fitness.ts';
import { answerOldLeader, receiveAppend, receiveHeartbeat, receiveTimeoutNow } from './follower.ts';
import {
  commitByCounting,
  propose,
  receiveAppendReply,
  receiveFetched,
  receiveHeartbeatReply,
} from './leader.ts';
import { noticePause, receiveLeaseRead } from './lease.ts';
import type { RaftLog } from './log.ts';
import { changeMembership, isChanging } from './membership.ts';
import type { Progress } from './progress.ts';
import { commitWithLeader, tellDurable } from './quorum-of-two.ts';
import { receiveRead } from './reads.ts';
import { checkWhole } from './recovery.ts';
import { compact, haveSnapshots, install, receiveSnapshotOffer, receiveSnapshotReply } from './snapshots.ts';
import { RaftState } from './state.ts';
import { holdsQuorumAt, tick } from './timing.ts';
import { startTransfer } from './transfer.ts';
import type { Clock, Effect, Input, PersistEffect, RaftConfig, RaftStart } from './types.ts';

export class Raft {
  readonly #s: RaftState;

  constructor(config: RaftConfig, start: RaftStart, clock: Clock) {
    this.#s = new RaftState(config, start, clock);
  }

  /** Advances the node. Throws only when an invariant of Raft is broken: the caller must stop the node then. */
  step(input: Input, clock: Clock): Effect[] {
    const s = this.#s;
    s.now = clock.now;
    s.wall = clock.wall;
    s.effects = [];
    noticePause(s);
    handle(s, input);
    finishStep(s);
    return s.effects;
  }

  get id(): string {
    return this.#s.id;
  }
  get term(): number {
    return this.#s.term;
  }
  get vote(): string {
    return this.#s.vote;
  }
  get role(): Role {
    return this.#s.role;
  }
  /** True while a candidate only asks (pre-vote). */
  get preCandidate(): boolean {
    return this.#s.preCandidate;
  }
  get leader(): string {
    return this.#s.leader;
  }
  /** When its leader was heard last, on the clock handed in; -Infinity when never, or when it has led since. */
  get leaderContact(): number {
    return this.#s.leaderContact;
  }
  get commitIndex(): number {
    return this.#s.commit;
  }
  get durableIndex(): number {
    return this.#s.durable;
  }
  get log(): RaftLog {
    return this.#s.log;
  }
  /** The membership of the log as of `index`, and where it came from. */
  configAt(index: number): ConfigAt {
    return (this.#s.configs.findLast((config) => config.index <= index) ?? this.#s.configs[0]) as ConfigAt;
  }
  /** Is a change of the membership under way? */
  get changing(): boolean {
    return isChanging(this.#s);
  }
  /** The newest membership of the log, committed or not: it is what counts. */
  get membership(): Membership {
    return this.#s.membership;
  }
  get transferTarget(): string | undefined {
    return this.#s.transfer?.to;
  }
  /** False while the log is unproven: no vote, no campaign. */
  get whole(): boolean {
    return this.#s.unproven === undefined;
  }
  /** False while it should not lead, if another can. */
  get fit(): boolean {
    return this.#s.fit;
  }
  get uncommittedBytes(): number {
    return this.#s.uncommittedBytes;
  }
  /** On a leader: each follower, in a fixed order. */
  progress(): readonly Progress[] {
    return [...this.#s.progress.values()];
  }
  /**
   * True at `now` on a leader that heard from a quorum within an election timeout. Asked between steps, so it counts the
   * time since the last one too: a process that was away for long has been replaced, whatever its next tick will find.
   */
  holdsQuorum(now: number): boolean {
    return this.#s.role === 'LEADER' && holdsQuorumAt(this.#s, now);
  }
}

function handle(s: RaftState, input: Input): void {
  switch (input.type) {
    case 'tick':
      return tick(s);
    case 'message':
      return receive(s, input.message);
    case 'propose':
      return propose(s, input.ref, input.entries);
    case 'durable':
      return diskDone(s, input.sequence);
    case 'fetched':
      return receiveFetched(s, input.to, input.from, input.entries);
    case 'read':
      return receiveRead(s, input.ref);
    case 'leaseRead':
      return receiveLeaseRead(s, input.ref);
    case 'snapshots':
      return haveSnapshots(s, input.points);
    case 'compact':
      return compact(s, input.point);
    case 'install':
      return install(s, input.point);
    case 'changeMembership':
      return changeMembership(s, input.ref, input.membership);
    case 'applied':
      s.applied = input.index;
      return;
    case 'fitness':
      return setFit(s, input.fit);
    case 'tellDurable':
      return tellDurable(s, input.to);
    case 'transfer':
      return startTransfer(s, input.to);
    case 'campaign':
      return campaign(s, { transfer: false, cause: 'CAMPAIGN_REQUESTED' });
    case 'stepDown':
      if (s.role === 'LEADER') s.becomeFollower(s.term, '', input.cause);
      return;
  }
}

/** Rules that hold for every message (paper §5.1), then the handler of its kind. */
function receive(s: RaftState, m: RaftMessage): void {
  if (m.group !== s.config.group || m.to !== s.id) return;
  if (m.type === 'VoteReply') noteVoteReply(s, m);
  if (m.term > s.term) {
    if (m.type === 'VoteRequest') {
      // A live leader is not disturbed by somebody who merely cannot hear it (§4.2.3).
      if (!m.transfer && s.leaderIsAlive()) return replyToVote(s, m, 'LEADER_ALIVE');
      const handedOver = m.transfer && s.transfer?.to === m.from;
      if (!m.preVote) s.becomeFollower(m.term, '', handedOver ? 'TRANSFERRED' : 'HIGHER_TERM');
    } else if (!(m.type === 'VoteReply' && m.preVote && m.granted)) {
      const leads = isOfLeader(m);
      s.becomeFollower(m.term, leads ? m.from : '', leads ? 'LEADER_ELECTED' : 'HIGHER_TERM');
    }
  } else if (m.term < s.term) {
    if (isOfLeader(m)) answerOldLeader(s, m);
    else if (m.type === 'VoteRequest') replyToVote(s, m, 'OLD_TERM');
    return;
  }
  dispatch(s, m);
}

/** Only the leader of its term sends these. */
function isOfLeader(m: RaftMessage): m is Append | Heartbeat | SnapshotOffer {
  return m.type === 'Append' || m.type === 'Heartbeat' || m.type === 'SnapshotOffer';
}

function dispatch(s: RaftState, m: RaftMessage): void {
  switch (m.type) {
    case 'VoteRequest':
      return receiveVoteRequest(s, m);
    case 'VoteReply':
      return receiveVoteReply(s, m);
    case 'Append':
      return receiveAppend(s, m);
    case 'AppendReply':
      return receiveAppendReply(s, m);
    case 'Heartbeat':
      return receiveHeartbeat(s, m);
    case 'HeartbeatReply':
      return receiveHeartbeatReply(s, m);
    case 'TimeoutNow':
      return receiveTimeoutNow(s);
    case 'SnapshotOffer':
      return receiveSnapshotOffer(s, m);
    case 'SnapshotReply':
      return receiveSnapshotReply(s, m);
  }
}

function diskDone(s: RaftState, sequence: number): void {
  s.durableSequence = Math.max(s.durableSequence, sequence);
  let done = 0;
  for (const write of s.writes) {
    if (write.sequence > sequence) break;
    s.durable = Math.max(s.durable, write.last);
    done++;
  }
  if (done > 0) s.writes.splice(0, done);
  for (const message of s.outbox.release(sequence, s.term)) deliver(s, message);
  if (s.role === 'LEADER') commitByCounting(s);
  else commitWithLeader(s);
  checkWhole(s);
  s.log.trim(s.config.tailBytes, Math.min(s.durable, s.commit));
}

/** A message that may leave now. Our own vote comes back to us. */
function deliver(s: RaftState, message: RaftMessage): void {
  if (message.to === s.id) dispatch(s, message);
  else s.send(message);
}

/** Gathers the step's disk work into one `persist`, first in order, and lets go what needs no disk. */
function finishStep(s: RaftState): void {
  const persists: PersistEffect[] = [];
  gatherWrites(s, persists);
  // Delivering our own vote to ourselves may write and gate more (alone, it elects us): hence the loop.
  for (let next = s.gated.shift(); next !== undefined; next = s.gated.shift()) {
    const after = next.forLog ? s.writeSequence : s.hardStateSequence;
    if (after > s.durableSequence) s.outbox.hold(next.message, after, s.term);
    else deliver(s, next.message);
    gatherWrites(s, persists);
  }
  if (persists.length > 0) s.effects.unshift(...persists);
}

function gatherWrites(s: RaftState, persists: PersistEffect[]): void {
  if (!s.hardStateChanged && s.truncateFrom === undefined && s.reset === undefined && s.appended.length === 0)
    return;
  const sequence = ++s.writeSequence;
  if (s.hardStateChanged) s.hardStateSequence = sequence;
  s.writes.push({ sequence, last: s.log.lastIndex });
  persists.push({
    type: 'persist',
    sequence,
    hardState: s.hardStateChanged ? { term: s.term, vote: s.vote } : undefined,
    truncateFrom: s.truncateFrom,
    reset: s.reset,
    entries: s.appended,
    expectedHash: s.expectedHash,
  });
  s.hardStateChanged = false;
  s.truncateFrom = undefined;
  s.reset = undefined;
  s.appended = [];
  s.expectedHash = '';
}
