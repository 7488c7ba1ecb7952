/**
 * Changes of the membership by joint consensus (paper §6): from any set of voters to any other in two entries. A membership
 * counts on each node from the moment it stands in its log. While the first entry's is the newest, both sets must agree; once that
 * is committed, the leader writes the second one by itself, or whoever leads after it.
 *
 * Learners come and go by one entry, since they do not count.
 *
 * MUST: begin a change only when no other is under way, and only after an entry of our own term is committed: else two leaders
 * could each have changed the same membership without the other's knowledge (the bug of 2015 in single-server changes).
 * A leader that is not in the new membership leads on until that is committed, and then hands over.
 */
import { EntryKind, type Membership } from '../../shared/entry.ts';
import { encodeMembership } from '../../shared/wire/membership-entry.ts';
import { appendAsLeader } from './leader.ts';
import { Progress } from './progress.ts';
import { allMembers, isVoter } from './quorum.ts';
import type { RaftState } from './state.ts';
import { bestSuccessor, tellToCampaign } from './transfer.ts';
import type { ChangeRefusal } from './types.ts';

/** Is the newest membership not committed, or only half of a change? */
export function isChanging(s: RaftState): boolean {
  return s.configAt.index > s.commit || s.membership.outgoing.length > 0;
}

function refusalOf(s: RaftState): ChangeRefusal | undefined {
  if (s.role !== 'LEADER') return 'NOT_LEADER';
  if (s.transfer !== undefined) return 'TRANSFERRING';
  if (s.log.termAt(s.commit) !== s.term) return 'NOT_YET';
  return isChanging(s) ? 'CHANGING' : undefined;
}

/** Answers in this step. */
export function changeMembership(s: RaftState, ref: number, wanted: Membership): void {
  const reason = refusalOf(s);
  if (reason !== undefined) {
    s.effects.push({ type: 'changeRefused', ref, reason });
    return;
  }
  const { voters } = s.membership;
  const outgoing = sameSet(voters, wanted.voters) ? [] : voters;
  const firstIndex = s.log.lastIndex + 1;
  append(s, { ...wanted, outgoing });
  s.effects.push({ type: 'proposed', ref, firstIndex, term: s.term });
}

function append(s: RaftState, membership: Membership): void {
  const index = s.log.lastIndex + 1;
  // Before it is sent: those who come are sent it too, and those who go must learn of it.
  followMembership(s, membership, index);
  const command = encodeMembership(membership);
  appendAsLeader(s, [{ kind: EntryKind.CONFIG, command, session: 0, sequence: 0 }]);
}

/** Leader: who is sent the log from now on. */
function followMembership(s: RaftState, membership: Membership, index: number): void {
  const members = new Set(allMembers(membership));
  for (const p of s.progress.values()) {
    p.leaving = members.has(p.id) ? 0 : index;
    p.leavingSince = s.now;
  }
  for (const id of members) {
    if (id === s.id || s.progress.has(id)) continue;
    const progress = new Progress(id, s.log.lastIndex + 1, s.now);
    progress.lastContact = s.now;
    s.progress.set(id, progress);
  }
}

/** Leader, after a commit: a joint membership that is committed is followed by the new one alone. */
export function continueChange(s: RaftState): void {
  const { index, membership } = s.configAt;
  if (s.role !== 'LEADER' || index > s.commit || membership.outgoing.length === 0) return;
  append(s, { ...membership, outgoing: [] });
}

/** Leader, after a commit: the membership that leaves it out is committed, so its work is done. */
export function stepAsideWhenRemoved(s: RaftState): void {
  if (s.role !== 'LEADER' || isChanging(s) || isVoter(s.membership, s.id)) return;
  const to = bestSuccessor(s);
  if (to !== '') tellToCampaign(s, to);
  s.becomeFollower(s.term, '', 'REMOVED');
}

/** Leader: who left is forgotten once it knows that, or had time enough to learn it. */
export function forgetLeaving(s: RaftState): void {
  for (const p of s.progress.values()) {
    if (p.leaving === 0) continue;
    const knows = p.match >= p.leaving && p.commitSent >= p.leaving;
    if (knows || s.now - p.leavingSince >= 4 * s.config.electionMaxMs) s.progress.delete(p.id);
  }
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}
