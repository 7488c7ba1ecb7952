/**
 * Heartbeats: proof of life, confirmation rounds for reads, and commit news.
 *
 * MUST: never tell a follower of a commit beyond what it has acknowledged.
 */
import { nobodyElse } from './fitness.ts';
import { rememberRound } from './lease.ts';
import type { Progress } from './progress.ts';
import type { RaftState } from './state.ts';

/** `round` 0 wants no reply. */
function sendHeartbeat(s: RaftState, p: Progress, round: number): void {
  s.send({
    type: 'Heartbeat',
    group: s.config.group,
    from: s.id,
    to: p.id,
    term: s.term,
    commit: Math.min(s.commit, p.match),
    round,
    durable: 0,
    nobodyElse: nobodyElse(s, p),
  });
}

/** Commit news at once, so that followers answer their clients without waiting for the next append. */
export function tellCommit(s: RaftState, p: Progress): void {
  const commit = Math.min(s.commit, p.match);
  if (commit <= p.commitSent) return;
  p.commitSent = commit;
  sendHeartbeat(s, p, 0);
}

/** A heartbeat to everyone, which is also a new confirmation round. */
export function broadcastHeartbeat(s: RaftState): void {
  s.heartbeatDue = s.now + s.config.heartbeatMs;
  s.round++;
  rememberRound(s);
  for (const p of s.progress.values()) sendHeartbeat(s, p, s.round);
}
