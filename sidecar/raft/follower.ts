/**
 * The follower's half of replication (paper §5.3).
 *
 * MUST: truncate only at a real conflict; commit only what is known to match the leader's log; acknowledge only what
 * this very append proved to match (never "all I have"), and only once the disk has it.
 */
import type { Append, AppendReply, Heartbeat, SnapshotOffer } from '../../shared/messages.ts';
import { campaign } from './election.ts';
import { commitWithLeader } from './quorum-of-two.ts';
import { checkWhole } from './recovery.ts';
import type { RaftState } from './state.ts';

/** A message of the leader of our term has come. */
export function heardLeader(s: RaftState, leader: string): void {
  if (s.role === 'LEADER') throw new Error(`two leaders in term ${s.term}: ${s.id} and ${leader}`);
  if (s.role === 'CANDIDATE' || s.leader !== leader) s.becomeFollower(s.term, leader, 'LEADER_ELECTED');
  else s.resetElectionTimer();
  s.leaderContact = s.now;
  s.postponed = 0;
  s.promisedAt = s.now;
}

export function receiveAppend(s: RaftState, message: Append): void {
  heardLeader(s, message.from);
  const m = fromBase(s, message);
  if (s.log.termAt(m.prevIndex) !== m.prevTerm) {
    refuseAppend(s, m);
    return;
  }
  const matched = m.prevIndex + m.entries.length;
  takeEntries(s, m);
  if (matched > s.matched) s.matched = matched;
  // Beyond `matched` our log may differ from the leader's, whatever it holds.
  s.advanceCommit(Math.min(m.commit, matched));
  checkWhole(s);
  s.sendAfterLog(reply(s, m, { ok: true, index: matched, hintIndex: 0, hintTerm: 0 }));
}

/**
 * What was compacted was committed, so the leader of any later term has it as we had: of an append that begins before our
 * log only the rest is looked at.
 */
function fromBase(s: RaftState, m: Append): Append {
  const { baseIndex } = s.log;
  if (m.prevIndex >= baseIndex) return m;
  const entries = m.entries.filter(({ index }) => index > baseIndex);
  return { ...m, prevIndex: baseIndex, prevTerm: s.log.termAt(baseIndex) ?? 0, entries };
}

function takeEntries(s: RaftState, m: Append): void {
  let fresh = 0;
  while (fresh < m.entries.length) {
    const entry = m.entries[fresh];
    if (entry === undefined || s.log.termAt(entry.index) !== entry.term) break;
    fresh++;
  }
  if (fresh === m.entries.length) return;
  const from = m.prevIndex + 1 + fresh;
  if (from <= s.log.lastIndex) s.truncateLog(from);
  s.appendEntries(fresh === 0 ? m.entries : m.entries.slice(fresh));
  s.expectedHash = m.lastHash;
}

function refuseAppend(s: RaftState, m: Append): void {
  // The last index where we can agree: not after the leader's prevIndex, and not in a term above its prevTerm.
  const upTo = Math.min(m.prevIndex, s.log.lastIndex);
  const hintIndex = s.log.runs.lastIndexWithTermAtMost(m.prevTerm, upTo);
  const hintTerm = s.log.termAt(hintIndex) ?? 0;
  const cause = m.prevIndex > s.log.lastIndex ? 'GAP' : 'CONFLICT';
  s.note({ about: 'APPEND_REJECTED', peer: m.from, index: m.prevIndex, hint: hintIndex, cause });
  s.sendAfterHardState(reply(s, m, { ok: false, index: m.prevIndex, hintIndex, hintTerm }));
}

function reply(
  s: RaftState,
  m: Append,
  answer: Pick<AppendReply, 'ok' | 'index' | 'hintIndex' | 'hintTerm'>,
): AppendReply {
  return {
    type: 'AppendReply',
    group: s.config.group,
    from: s.id,
    to: m.from,
    term: s.term,
    round: m.round,
    applied: s.applied,
    ...answer,
  };
}

export function receiveHeartbeat(s: RaftState, m: Heartbeat): void {
  heardLeader(s, m.from);
  // Its commit is capped by what we acknowledged. More than we know to match: our acknowledgement was of another life.
  if (m.commit <= s.matched) s.advanceCommit(m.commit);
  if (m.durable > s.leaderDurable) {
    s.leaderDurable = m.durable;
    commitWithLeader(s);
  }
  s.othersFit = !m.nobodyElse;
  checkWhole(s);
  if (m.round === 0) return;
  s.sendAfterHardState({
    type: 'HeartbeatReply',
    group: s.config.group,
    from: s.id,
    to: m.from,
    term: s.term,
    round: m.round,
    commit: s.commit,
    applied: s.applied,
    unfit: !s.fit,
    promiseMs: s.config.lease === undefined ? 0 : s.config.electionMinMs,
    clockMs: Math.floor(s.now),
  });
}

/** Our leader wants us to lead: no pre-vote, no waiting (§3.10). */
export function receiveTimeoutNow(s: RaftState): void {
  campaign(s, { transfer: true, cause: 'TRANSFER_RECEIVED' });
}

/** A leader of the past spoke: tell it our term, so that it steps down (needed with stickiness: its term stays behind). */
export function answerOldLeader(s: RaftState, m: Append | Heartbeat | SnapshotOffer): void {
  s.sendAfterHardState({
    type: 'AppendReply',
    group: s.config.group,
    from: s.id,
    to: m.from,
    term: s.term,
    ok: false,
    index: 0,
    hintIndex: 0,
    hintTerm: 0,
    round: 0,
    applied: s.applied,
  });
}
