/**
 * Snapshots, as far as consensus sees them (paper §7): that they exist, that a follower needs one, that one is installed.
 * Their bytes are the driver's: it asks the sender for them, chunk by chunk, and tells when all is on the disk.
 *
 * Leader: a follower that needs entries which were compacted is offered a snapshot until it has one. The same one as long as
 * we keep it, so that a transfer comes to its end although newer ones are taken.
 *
 * Follower: takes no snapshot of what it has. Where its log holds the snapshot's last entry, that log is the leader's up to
 * there, and only the commit index moves. Where it does not, the whole log is dropped, uncommitted entries behind the
 * snapshot as well: a tail kept from another history would bring back what never happened (ScyllaDB#9551).
 *
 * MUST: compact only what is committed, durable, and in a snapshot of ours; install only over less than the snapshot has;
 * acknowledge an installed one only once the disk has the log that begins there.
 */
import type { LogPoint, SnapshotPoint } from '../../shared/entry.ts';
import type { SnapshotOffer, SnapshotReply } from '../../shared/messages.ts';
import { heardLeader } from './follower.ts';
import { replicate } from './leader.ts';
import type { Progress } from './progress.ts';
import type { RaftState } from './state.ts';

// ---------------------------------------------------------------- our own

/** These snapshots are on our disk, ascending: from now on they may be offered. */
export function haveSnapshots(s: RaftState, points: readonly LogPoint[]): void {
  s.snapshots = points;
  for (const p of s.progress.values()) if (p.state === 'SNAPSHOT') offerSnapshot(s, p);
}

/** Everything up to `point` is in a snapshot, and is not needed as entries any more. */
export function compact(s: RaftState, point: LogPoint): void {
  if (point.index <= s.log.baseIndex) return;
  if (point.index > Math.min(s.commit, s.durable))
    throw new RangeError(`cannot compact to ${point.index}: committed ${s.commit}, durable ${s.durable}`);
  s.log.compactTo(point);
  const counts = s.configs.findLastIndex(({ index }) => index <= point.index);
  s.setConfigs(s.configs.slice(counts));
  s.effects.push({ type: 'compact', point });
}

// ---------------------------------------------------------------- leader

/** It needs entries that we no longer have. */
export function sendSnapshot(s: RaftState, p: Progress): void {
  if (p.restored > 0)
    s.note({ about: 'SNAPSHOT_OUTRUN', peer: p.id, index: p.restored, first: s.log.baseIndex + 1 });
  p.becomeSnapshot();
  offerSnapshot(s, p);
}

/** Again, where the last offer was long ago: it may be lost. */
export function offerSnapshotAgain(s: RaftState, p: Progress): void {
  if (s.now - p.offeredAt >= s.config.electionMinMs) offerSnapshot(s, p);
}

function offerSnapshot(s: RaftState, p: Progress): void {
  p.offeredAt = s.now;
  const point = s.snapshots.find(({ index }) => index === p.snapshot) ?? s.snapshots.at(-1);
  if (point === undefined || point.index < s.log.baseIndex) {
    p.snapshot = 0;
    s.effects.push({ type: 'snapshotWanted', by: p.id });
    return;
  }
  p.snapshot = point.index;
  s.send({
    type: 'SnapshotOffer',
    group: s.config.group,
    from: s.id,
    to: p.id,
    term: s.term,
    lastIndex: point.index,
    lastTerm: point.term,
  });
}

/** It has everything up to there on its disk. */
export function receiveSnapshotReply(s: RaftState, m: SnapshotReply): void {
  const p = s.progress.get(m.from);
  if (s.role !== 'LEADER' || p === undefined) return;
  if (p.state !== 'SNAPSHOT' || m.lastIndex > s.log.lastIndex) return;
  p.acknowledge(m.lastIndex, s.now);
  p.becomeProbe(m.lastIndex + 1);
  p.restored = m.lastIndex;
  replicate(s, p);
}

// ---------------------------------------------------------------- follower

export function receiveSnapshotOffer(s: RaftState, m: SnapshotOffer): void {
  heardLeader(s, m.from);
  const { lastIndex, lastTerm } = m;
  if (lastIndex > s.commit) {
    if (s.log.termAt(lastIndex) !== lastTerm) {
      s.effects.push({ type: 'fetchSnapshot', from: m.from, index: lastIndex, term: lastTerm });
      return;
    }
    s.matched = Math.max(s.matched, lastIndex);
    s.advanceCommit(lastIndex);
  }
  replyInstalled(s, m.from, lastIndex);
}

function replyInstalled(s: RaftState, to: string, lastIndex: number): void {
  const { group } = s.config;
  s.sendAfterLog({ type: 'SnapshotReply', group, from: s.id, to, term: s.term, lastIndex });
}

/** A snapshot that was fetched is on our disk, whole and proven: the log begins behind it. */
export function install(s: RaftState, point: SnapshotPoint): void {
  if (s.role === 'LEADER' || point.index <= s.commit) return;
  if (s.log.termAt(point.index) === point.term) {
    s.advanceCommit(point.index);
    return;
  }
  // What we asked votes for is not our log any more.
  if (s.role === 'CANDIDATE') s.becomeFollower(s.term, '', 'SNAPSHOT_INSTALLED');
  s.resetLog(point);
  if (s.leader !== '') replyInstalled(s, s.leader, point.index);
}
