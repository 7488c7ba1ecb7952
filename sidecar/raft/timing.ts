/**
 * What happens because time passed: elections, heartbeats, check-quorum, transfer deadlines.
 *
 * MUST: judge others only by time in which this process ran. After a stall a follower first listens again before
 * it campaigns, and a leader that was away for longer than an election gives up by itself.
 */
import { campaign } from './election.ts';
import { handOverToBetter, postpones } from './fitness.ts';
import { broadcastHeartbeat } from './heartbeat.ts';
import { forgetLeaving } from './membership.ts';
import { holdsForQuorum } from './quorum.ts';
import type { RaftState } from './state.ts';
import { resign } from './transfer.ts';

export function tick(s: RaftState): void {
  const stalled = isStalled(s, s.now);
  s.lastTick = s.now;
  if (s.role === 'LEADER') leaderTick(s, stalled);
  else followerTick(s, stalled);
}

function followerTick(s: RaftState, stalled: boolean): void {
  if (stalled) {
    // We heard nothing because we did not listen: that says nothing about the leader. Listen for a whole timeout.
    // (Adding the gap to the deadline would be wrong: a message read before this tick has set it anew already.)
    s.resetElectionTimer();
    return;
  }
  if (s.now < s.electionDeadline) return;
  s.resetElectionTimer();
  if (postpones(s)) return;
  campaign(s, { transfer: false, cause: 'ELECTION_TIMEOUT' });
}

function leaderTick(s: RaftState, stalled: boolean): void {
  if (stalled && !alone(s)) {
    s.becomeFollower(s.term, '', 'STALLED');
    return;
  }
  noteSilence(s);
  if (s.config.checkQuorum && !hasQuorum(s, s.now)) {
    resign(s);
    return;
  }
  if (s.transfer !== undefined && s.now >= s.transfer.deadline) {
    s.effects.push({ type: 'transferFailed', to: s.transfer.to });
    s.transfer = undefined;
  }
  forgetLeaving(s);
  handOverToBetter(s);
  if (s.now >= s.heartbeatDue) broadcastHeartbeat(s);
}

function noteSilence(s: RaftState): void {
  for (const p of s.progress.values()) {
    const ms = s.now - p.lastContact;
    if (p.silent || ms < s.config.electionMaxMs) continue;
    p.silent = true;
    s.note({ about: 'CONTACT_LOST', peer: p.id, ms });
  }
}

/** Has a leader heard from a quorum (itself included) within an election timeout before `now`? */
function hasQuorum(s: RaftState, now: number): boolean {
  return holdsForQuorum(s.membership, (id) => {
    if (id === s.id) return true;
    const progress = s.progress.get(id);
    return progress !== undefined && now - progress.lastContact < s.config.electionMaxMs;
  });
}

/** The same at a moment between steps: what `leaderTick` would find then. */
export function holdsQuorumAt(s: RaftState, now: number): boolean {
  if (alone(s)) return true;
  // Replies that waited in the socket while the process stood still are counted as heard now: hence the first condition.
  return !isStalled(s, now) && hasQuorum(s, now);
}

function alone(s: RaftState): boolean {
  return holdsForQuorum(s.membership, (id) => id === s.id);
}

/** Did this process stand still for longer than an election since its last tick? */
function isStalled(s: RaftState, now: number): boolean {
  return s.lastTick !== undefined && now - s.lastTick > s.config.electionMinMs;
}
