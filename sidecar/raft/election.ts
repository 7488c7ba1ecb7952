/**
 * Elections: pre-vote, votes, and their results (paper §5.2, §5.4.1; dissertation §9.6, §4.2.3).
 *
 * MUST: vote at most once in a term, only for a log at least as up to date as ours, and only when the disk has it.
 * Our vote for ourselves is a vote like any other: it counts once it is durable.
 */
import type { Cause } from '../../shared/causes.ts';
import type { VoteReply, VoteRequest } from '../../shared/messages.ts';
import { becomeLeader } from './leader.ts';
import { countsUs, isNamed } from './own-disk.ts';
import { voteResult } from './quorum.ts';
import type { RaftState } from './state.ts';

interface Campaign {
  /** The leader itself asked: no pre-vote, and voters need not spare it. */
  readonly transfer: boolean;
  readonly cause: Cause;
}

/**
 * May it stand for election? Also where its newest membership leaves it out, as long as that is not committed: the others may
 * lack it, and need somebody who has it (dissertation §4.2.2).
 */
function mayStand(s: RaftState): boolean {
  if (countsUs(s, s.membership)) return true;
  const before = s.configs.at(-2);
  return s.configAt.index > s.commit && before !== undefined && countsUs(s, before.membership);
}

/** Starts a campaign unless this node may not stand. */
export function campaign(s: RaftState, { transfer, cause }: Campaign): void {
  if (s.role === 'LEADER' || s.unproven !== undefined) return;
  if (!mayStand(s)) return;
  // Our own vote is a vote for somebody else than the leader.
  if (!transfer && s.isPromised()) return;
  if (s.config.preVote && !transfer) askBeforeCampaign(s, cause);
  else campaignForReal(s, transfer, cause);
}

function askBeforeCampaign(s: RaftState, cause: Cause): void {
  s.preCandidate = true;
  s.votes.clear();
  s.setRole('CANDIDATE', '', cause);
  requestVotes(s, true, false);
}

function campaignForReal(s: RaftState, transfer: boolean, cause: Cause): void {
  s.preCandidate = false;
  s.votes.clear();
  s.setTerm(s.term + 1);
  s.setVote(s.id);
  s.setRole('CANDIDATE', '', cause);
  s.resetElectionTimer();
  requestVotes(s, false, transfer);
}

function requestVotes(s: RaftState, preVote: boolean, transfer: boolean): void {
  const { membership, config } = s;
  const { group } = config;
  const term = preVote ? s.term + 1 : s.term;
  // The answer of our own disk comes back through the outbox like everybody's.
  s.sendAfterHardState({
    type: 'VoteReply',
    group,
    from: s.id,
    to: s.id,
    term,
    preVote,
    granted: true,
    reason: '',
  });
  for (const to of new Set([...membership.voters, ...membership.outgoing])) {
    if (to === s.id) continue;
    s.sendAfterHardState({
      type: 'VoteRequest',
      group,
      from: s.id,
      to,
      term,
      preVote,
      lastIndex: s.log.lastIndex,
      lastTerm: s.log.lastTerm,
      transfer,
    });
  }
}

/** Why we refuse this request, or '' when we grant it. */
export function voteRefusal(s: RaftState, m: VoteRequest): string {
  if (m.term < s.term) return 'OLD_TERM';
  if (s.unproven !== undefined) return 'LOG_UNPROVEN';
  if (!isNamed(s)) return 'NOT_VOTER';
  if (!m.transfer && s.isPromised()) return 'LEADER_ALIVE';
  const free = s.vote === '' && s.leader === '';
  if (!(free || s.vote === m.from || (m.preVote && m.term > s.term)))
    return s.vote === '' ? 'LEADER_ALIVE' : 'VOTED_OTHER';
  const { lastIndex, lastTerm } = s.log;
  const upToDate = m.lastTerm > lastTerm || (m.lastTerm === lastTerm && m.lastIndex >= lastIndex);
  return upToDate ? '' : 'LOG_BEHIND';
}

export function receiveVoteRequest(s: RaftState, m: VoteRequest): void {
  const reason = voteRefusal(s, m);
  if (reason === '' && !m.preVote) {
    s.setVote(m.from);
    s.resetElectionTimer();
  }
  replyToVote(s, m, reason);
}

/** A grant speaks of the term asked for; a refusal of our own, so that an old candidate learns it. */
export function replyToVote(s: RaftState, m: VoteRequest, reason: string): void {
  const granted = reason === '';
  const { from: peer, term, preVote } = m;
  s.note({ about: 'VOTE_GIVEN', peer, term, preVote, granted, reason });
  s.sendAfterHardState({
    type: 'VoteReply',
    group: s.config.group,
    from: s.id,
    to: m.from,
    term: granted ? m.term : s.term,
    preVote: m.preVote,
    granted,
    reason,
  });
}

/**
 * For the record: also what does not count, since a refusal by a voter of an older term, or of a newer one, tells why we
 * were not elected.
 */
export function noteVoteReply(s: RaftState, m: VoteReply): void {
  const { from: peer, preVote, granted, reason } = m;
  if (s.role !== 'CANDIDATE' || preVote !== s.preCandidate || s.votes.has(peer)) return;
  const term = preVote ? s.term + 1 : s.term;
  if (granted && m.term !== term) return;
  s.note({ about: 'VOTE_RECEIVED', peer, term, preVote, granted, reason });
}

export function receiveVoteReply(s: RaftState, m: VoteReply): void {
  if (s.role !== 'CANDIDATE' || m.preVote !== s.preCandidate) return;
  if (m.granted && m.term !== (s.preCandidate ? s.term + 1 : s.term)) return;
  if (!s.votes.has(m.from)) s.votes.set(m.from, m.granted);
  switch (voteResult(s.membership, s.votes)) {
    case 'WON':
      if (s.preCandidate) campaignForReal(s, false, 'PRE_VOTE_WON');
      else becomeLeader(s);
      return;
    case 'LOST':
      s.becomeFollower(s.term, '', 'VOTE_LOST');
      return;
    case 'PENDING':
      return;
  }
}
