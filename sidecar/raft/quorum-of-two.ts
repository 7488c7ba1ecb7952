/**
 * A follower's short cut to the commit index. Where the leader and one follower are a quorum (up to three voters), that
 * follower sees the commit by itself: its own disk has the entry, the leader said that its disk has it too, and the entry
 * is of the leader's term (§5.4.2). So it need not wait for its acknowledgement to go to the leader and come back as news.
 *
 * Safe for the same reason as counting by the leader: both have had the entry on their disks since before either could
 * vote in a later term, so every later leader needs the vote of a node that has it.
 *
 * A leader's read index must then cover what such a follower may have committed (dissertation §6.4 takes for granted that
 * the leader is the first to know).
 *
 * MUST: count the leader's word only in the term in which it was given, and only up to where our log is known to equal its.
 */
import { nobodyElse } from './fitness.ts';
import { holdsForQuorum } from './quorum.ts';
import type { RaftState } from './state.ts';

/** Would `a` and `b` alone be a quorum? */
function areQuorum(s: RaftState, a: string, b: string): boolean {
  return holdsForQuorum(s.membership, (id) => id === a || id === b);
}

/**
 * Leader: tells a follower how far its own disk is, where that helps. From now on that follower may answer a client before
 * we know of the commit; so reads wait for everything we have told of, not only for what we know to be committed.
 */
export function tellDurable(s: RaftState, to: string): void {
  const p = s.progress.get(to);
  if (s.role !== 'LEADER' || p === undefined || !areQuorum(s, s.id, to)) return;
  s.toldDurable = s.durable;
  const { group } = s.config;
  s.send({
    type: 'Heartbeat',
    group,
    from: s.id,
    to,
    term: s.term,
    commit: Math.min(s.commit, p.match),
    round: 0,
    durable: s.durable,
    nobodyElse: nobodyElse(s, p),
  });
}

/** Leader: everything that anybody may have committed by now, and answered a client for. */
export function readIndex(s: RaftState): number {
  return Math.max(s.commit, s.toldDurable);
}

/** Follower: takes the leader's word, and commits what both disks have. */
export function commitWithLeader(s: RaftState): void {
  const index = Math.min(s.leaderDurable, s.durable, s.matched);
  if (index <= s.commit || s.role === 'LEADER' || s.log.termAt(index) !== s.term) return;
  if (areQuorum(s, s.id, s.leader)) s.advanceCommit(index);
}
