/**
 * Who should lead: a node that is not fit (its app is not healthy) hands leadership over, and lets others campaign first. One that
 * is fit hands over to a voter of a higher priority, which an operator gave it with the membership.
 *
 * Fitness and priority are advice. They decide nothing that safety or a quorum depends on, and no vote is ever refused for them: a
 * cluster in which nobody is fit has a leader like any other.
 *
 * MUST: hand over only to a voter that is fit, as far as it said, and almost caught up; not twice within `handOverMs`; for a
 * priority not while the membership changes; wait for another candidate only where the last leader knew of one that is fit, and
 * only a bounded time.
 */
import { isChanging } from './membership.ts';
import type { Progress } from './progress.ts';
import { isVoter } from './quorum.ts';
import type { RaftState } from './state.ts';
import { beginTransfer } from './transfer.ts';

/** So many election timeouts in a row an unfit follower leaves to others. Then it campaigns: it may be the only one that can win. */
const POSTPONED_MAX = 3;

export function setFit(s: RaftState, fit: boolean): void {
  if (s.fit && !fit) s.handOverDue = s.now + s.config.handOverMs;
  s.fit = fit;
}

/** For the heartbeat to that follower: is no voter besides it and us known to be fit? */
export function nobodyElse(s: RaftState, to: Progress): boolean {
  for (const p of s.progress.values()) if (p !== to && p.fit && isVoter(s.membership, p.id)) return false;
  return true;
}

/** An election timeout is over: is this one left to others? */
export function postpones(s: RaftState): boolean {
  if (s.fit || !s.othersFit || s.role !== 'FOLLOWER' || s.postponed >= POSTPONED_MAX) return false;
  s.postponed++;
  if (s.postponed === 1) s.note({ about: 'CAMPAIGN_POSTPONED', peer: s.leader });
  return true;
}

/** A leader that has been unfit, or has led, for long enough hands over, if it knows of a better one. */
export function handOverToBetter(s: RaftState): void {
  if (s.transfer !== undefined || s.now < s.handOverDue) return;
  const target = s.fit ? preferredLeader(s) : betterLeader(s, Number.NEGATIVE_INFINITY);
  if (target === undefined) return;
  // Where it does not succeed: proposals are not held up again at once.
  s.handOverDue = s.now + s.config.handOverMs;
  beginTransfer(s, target, s.fit ? 'PRIORITY' : 'UNFIT');
}

function preferredLeader(s: RaftState): Progress | undefined {
  const { book = [] } = s.membership;
  if (!book.some(({ priority = 0 }) => priority !== 0) || isChanging(s)) return undefined;
  return betterLeader(s, priorityOf(s, s.id));
}

function priorityOf(s: RaftState, id: string): number {
  return s.membership.book?.find((member) => member.id === id)?.priority ?? 0;
}

/** The one of the highest priority above `least`, and of several the one that has the most of our log. */
function betterLeader(s: RaftState, least: number): Progress | undefined {
  const { membership } = s;
  const { electionMinMs, inflightAppends, inflightBytes } = s.config;
  let best: Progress | undefined;
  let highest = least;
  for (const p of s.progress.values()) {
    if (!p.fit || !isVoter(membership, p.id)) continue;
    if (!p.answered || s.now - p.lastContact >= electionMinMs) continue;
    // What it lacks must be on its way to it, so that the transfer does not hold up proposals for long.
    if (p.state !== 'REPLICATE' || p.windowIsFull(inflightAppends, inflightBytes)) continue;
    const priority = priorityOf(s, p.id);
    if (priority < highest || (best === undefined && priority === highest)) continue;
    if (best !== undefined && priority === highest && p.match <= best.match) continue;
    best = p;
    highest = priority;
  }
  return best;
}
