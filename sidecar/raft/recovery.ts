/**
 * A node whose disk cannot prove that it holds all it ever acknowledged (lost WAL tail, corrupt entry) must not vote:
 * its vote could elect a leader that lacks a committed entry. It follows, and is repaired by ordinary replication.
 *
 * It is whole again, and votes, once its durable log is known to equal the current leader's
 *  - up to the highest index it may have acknowledged before, or
 *  - up to a commit of a leader elected after our restart, in that leader's own term: such a leader has every committed
 *    entry, and counts only what we acknowledged since.
 *
 * An empty disk is one like that: it may have been another one before. It votes for a candidate whose log is empty as well, as
 * all are where a cluster begins, and then for anybody; else it must be given the log first. So one disk that was wiped
 * under its old name never elects a leader without what was committed.
 */
import type { RaftState } from './state.ts';

/** May this node stand for election, as far as its own past goes? */
export function mayCampaign(s: RaftState): boolean {
  return s.unproven === undefined || (s.unproven.isNew && s.log.lastIndex === 0);
}

/** May it vote for a candidate whose log ends at `lastIndex`? */
export function mayVoteFor(s: RaftState, lastIndex: number): boolean {
  return s.unproven === undefined || (s.unproven.isNew && lastIndex === 0);
}

/** It has voted: from now on its disk tells what it promised. */
export function hasVoted(s: RaftState): void {
  if (s.unproven?.isNew !== true) return;
  s.unproven = undefined;
  s.effects.push({ type: 'whole', isNew: true });
}

export function checkWhole(s: RaftState): void {
  const { unproven } = s;
  if (unproven === undefined) return;
  const proven = Math.min(s.matched, s.durable);
  const newLeader =
    s.term > unproven.termAtStart && s.log.termAt(s.commit) === s.term && proven >= s.commit && s.commit > 0;
  if (proven < unproven.mustReach && !newLeader) return;
  s.unproven = undefined;
  s.effects.push({ type: 'whole', isNew: unproven.isNew });
}
