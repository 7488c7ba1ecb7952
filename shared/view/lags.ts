/**
 * The three lags of a node against the leader.
 *
 * MUST: compare numbers that were true at one moment: what the leader says of a follower against what it says of itself,
 * and what a node says of its app against what it says of its own log. Statuses of two nodes are of two moments; under
 * load their difference alone would be a lag of thousands of entries. MUST be pure.
 */
import type { NodeSample, NodeView } from '../cluster-view.ts';
import type { Lag, NodeStatus, ProgressStatus } from '../inspect.ts';
import { type Answering, FRESH_MS, isAnswering } from './leadership.ts';

const NONE: Lag = { entries: 0, ms: 0 };

/**
 * A lag that lasts no longer is no problem: entries are always on their way. So many heartbeats, since a follower learns of a
 * commit with the next one at the latest, and at least so many ms.
 */
export const TRAIL_HEARTBEATS = 3;
export const TRAIL_MIN_MS = 250;

export function trailsAfterMs(status: NodeStatus): number {
  return Math.max(TRAIL_MIN_MS, TRAIL_HEARTBEATS * status.timing.heartbeatMs);
}

export function lagsOf(sample: NodeSample, leader: Answering, now: number): NodeView['lag'] {
  if (sample.id === leader.id)
    return { replicated: NONE, committed: NONE, applied: ownApplyLag(leader, now) };
  const progress = leader.status.progress.find(({ id }) => id === sample.id);
  if (progress === undefined) return undefined;
  if (progress.lastContactMs === null) return beforeFirstReply(sample, leader, now);
  const since = sinceTold(sample, leader, progress, now);
  const replicated = lag(progress.lagEntries, progress.lagMs + since);
  const missing = leader.status.commitIndex - progress.commitIndex;
  // The first entry not known as committed there is at most as old as the first not replicated, or as its last reply.
  const silent = (progress.lastContactMs ?? 0) + since;
  const committed = lag(missing, replicated.entries > 0 ? replicated.ms : silent);
  return { replicated, committed, applied: appliedLag(sample, leader, progress, committed, now) };
}

/**
 * A new leader knows nothing of a node that has not replied to it yet: its match index is 0, which is no lag. What the node
 * said itself is the best there is; where it never said anything, the lag is not known.
 */
function beforeFirstReply({ status, statusAt }: NodeSample, leader: Answering, now: number): NodeView['lag'] {
  if (status === undefined || statusAt === undefined) return undefined;
  const age = Math.max(0, now - statusAt);
  const { lastIndex, commitIndex } = leader.status;
  return {
    replicated: lag(lastIndex - status.lastIndex, age),
    committed: lag(commitIndex - status.commitIndex, age),
    applied: lag(commitIndex - status.appliedIndex, age + status.applyLag.ms),
  };
}

function lag(entries: number, ms: number): Lag {
  return entries <= 0 ? NONE : { entries, ms: Math.max(0, ms) };
}

/**
 * How long ago the leader's words were spoken, where nothing newer can be expected: then a lag grows with the time that
 * passes. While both answer, the next status comes at once, and lags of a moment must not look longer than they were.
 */
function sinceTold(sample: NodeSample, leader: Answering, progress: ProgressStatus, now: number): number {
  const age = Math.max(0, now - leader.statusAt);
  const silent = sample.link.state !== 'CONNECTED' || progress.behind === 'NO_CONTACT' || age > FRESH_MS;
  return silent ? age : 0;
}

function appliedLag(
  sample: NodeSample,
  leader: Answering,
  progress: ProgressStatus,
  committed: Lag,
  now: number,
): Lag {
  if (isAnswering(sample) && now - sample.statusAt <= FRESH_MS) {
    const own = ownApplyLag(sample, now);
    return lag(committed.entries + own.entries, Math.max(committed.ms, own.ms));
  }
  const entries = leader.status.commitIndex - progress.appliedIndex;
  const own = sample.status?.applyLag ?? NONE;
  const age = sample.statusAt === undefined ? 0 : Math.max(0, now - sample.statusAt);
  return lag(entries, Math.max(committed.ms, own.entries > 0 ? own.ms + age : 0));
}

function ownApplyLag({ status, statusAt }: Answering, now: number): Lag {
  const age = Math.max(0, now - statusAt);
  return lag(status.applyLag.entries, status.applyLag.ms + (age > FRESH_MS ? age : 0));
}
