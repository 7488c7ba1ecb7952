/**
 * A node whose disk cannot prove that it holds all it ever acknowledged (lost WAL tail, corrupt entry) must not vote:
 * its vote could elect a leader that lacks a committed entry. It follows, and is repaired by ordinary replication.
 *
 * It is whole again, and votes, once its durable log is known to equal the current leader's
 *  - up to the highest index it may have acknowledged before, or
 *  - up to a commit of a leader elected after our restart, in that leader's own term: such a leader has every committed
 *    entry, and counts only what we acknowledged since.
 */
import type { RaftState } from './state.ts';

export function checkWhole(s: RaftState): void {
  const { unproven } = s;
  if (unproven === undefined) return;
  const proven = Math.min(s.matched, s.durable);
  const newLeader =
    s.term > unproven.termAtStart && s.log.termAt(s.commit) === s.term && proven >= s.commit && s.commit > 0;
  if (proven < unproven.mustReach && !newLeader) return;
  s.unproven = undefined;
  s.effects.push({ type: 'whole' });
}
