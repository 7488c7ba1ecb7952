/**
 * What happens because time passed: elections, heartbeats, check-quorum, transfer deadlines.
 *
 * MUST: judge others only by time in which this process ran. After a stall a follower first listens again before
 * it campaigns, and a leader that was away for longer than an election gives up by itself.
 */
import { campaign } from './election.ts';
import { handOverWhenUnfit, postpones } from './fitness.ts';
import { broadcastHeartbeat } from './heartbeat.ts';
import { holdsForQuorum } from './quorum.ts';
import type { RaftState } from './state.ts';

export function tick(s: RaftState): void {
  const gap = s.lastTick === undefined ? 0 : s.now - s.lastTick;
  s.lastTick = s.now;
  const stalled = gap > s.config.electionMinMs;
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
  const alone = holdsForQuorum(s.config.membership, (id) => id === s.id);
  if (stalled && !alone) {
    s.becomeFollower(s.term, '', 'STALLED');
    return;
  }
  noteSilence(s);
  if (s.config.checkQuorum && !hasQuorum(s)) {
    s.becomeFollower(s.term, '', 'QUORUM_LOST');
    return;
  }
  if (s.transfer !== undefined && s.now >= s.transfer.deadline) {
    s.effects.push({ type: 'transferFailed', to: s.transfer.to });
    s.transfer = undefined;
  }
  handOverWhenUnfit(s);
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

/** Has a leader heard from a quorum (itself included) within an election timeout? */
export function hasQuorum(s: RaftState): boolean {
  return holdsForQuorum(s.config.membership, (id) => {
    if (id === s.id) return true;
    const progress = s.progress.get(id);
    return progress !== undefined && s.now - progress.lastContact < s.config.electionMaxMs;
  });
}
