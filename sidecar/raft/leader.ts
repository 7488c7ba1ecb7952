/**
 * The leader's half of replication (paper §5.3, §5.4.2; dissertation §10.2.1): append, send, count, commit.
 *
 * MUST: commit by counting only entries of its own term; count its own disk only when durable; never change its own
 * log except by appending. MAY: send entries before its own disk has them.
 */
import { type Entry, EntryKind, entryBytes } from '../../shared/entry.ts';
import type { Append, AppendReply, HeartbeatReply } from '../../shared/messages.ts';
import { broadcastHeartbeat, tellCommit } from './heartbeat.ts';
import { takePromise } from './lease.ts';
import { continueChange, stepAsideWhenRemoved } from './membership.ts';
import { Progress } from './progress.ts';
import { allMembers, reachedByQuorum } from './quorum.ts';
import { confirmReads, startQueuedReads } from './reads.ts';
import { offerSnapshotAgain, sendSnapshot } from './snapshots.ts';
import type { RaftState } from './state.ts';
import { continueTransfer } from './transfer.ts';
import type { ProposedEntry } from './types.ts';

const NOTHING = new Uint8Array(0);

export function becomeLeader(s: RaftState): void {
  s.preCandidate = false;
  s.votes.clear();
  s.round = 0;
  for (const id of allMembers(s.membership)) {
    if (id === s.id) continue;
    const progress = new Progress(id, s.log.lastIndex + 1, s.now);
    // Check-quorum counts from here: nobody had time to answer yet.
    progress.lastContact = s.now;
    s.progress.set(id, progress);
  }
  s.setRole('LEADER', s.id, 'VOTE_WON');
  s.leaderContact = Number.NEGATIVE_INFINITY;
  s.handOverDue = s.now + s.config.handOverMs;
  // Nothing of earlier terms can be committed, and no read served, before an entry of our own is (§5.4.2, §6.4).
  appendAsLeader(s, [{ kind: EntryKind.NOOP, command: NOTHING, session: 0, sequence: 0 }]);
  broadcastHeartbeat(s);
}

/** Takes proposals into the log. Answers in this step. */
export function propose(s: RaftState, ref: number, entries: readonly ProposedEntry[]): void {
  const refuse = (reason: 'NOT_LEADER' | 'TRANSFERRING' | 'OVERLOADED'): void => {
    s.effects.push({ type: 'proposalRefused', ref, reason });
  };
  if (s.role !== 'LEADER') return refuse('NOT_LEADER');
  if (s.transfer !== undefined) return refuse('TRANSFERRING');
  if (s.uncommittedBytes > s.config.uncommittedBytes) return refuse('OVERLOADED');
  const firstIndex = s.log.lastIndex + 1;
  appendAsLeader(s, entries);
  s.effects.push({ type: 'proposed', ref, firstIndex, term: s.term });
}

export function appendAsLeader(s: RaftState, proposed: readonly ProposedEntry[]): void {
  // Cluster time: the leader's wall clock, held so that it never goes back along the log.
  const time = Math.max(s.log.lastTime, Math.floor(s.wall));
  let index = s.log.lastIndex;
  const entries: Entry[] = proposed.map((p) => ({
    index: ++index,
    term: s.term,
    kind: p.kind,
    time,
    session: p.session,
    sequence: p.sequence,
    command: p.command,
    ...(p.ackBelow ? { ackBelow: p.ackBelow } : undefined),
  }));
  for (const entry of entries) s.uncommittedBytes += entryBytes(entry);
  s.appendEntries(entries);
  s.matched = index;
  replicateToAll(s);
}

export function replicateToAll(s: RaftState): void {
  for (const progress of s.progress.values()) replicate(s, progress);
}

/** Sends that follower what it misses, as far as its window is open. */
export function replicate(s: RaftState, p: Progress): void {
  if (p.fetching !== 0 || p.state === 'SNAPSHOT') return;
  if (p.next <= s.log.baseIndex) return sendSnapshot(s, p);
  if (p.state === 'PROBE') {
    if (!p.probing) p.probing = sendNext(s, p);
    return;
  }
  const { inflightAppends, inflightBytes } = s.config;
  while (p.next <= s.log.lastIndex && !p.windowIsFull(inflightAppends, inflightBytes)) {
    if (!sendNext(s, p)) return;
  }
}

/** Sends one append from `next`; false when the entries must be read from the disk first. */
function sendNext(s: RaftState, p: Progress): boolean {
  const { appendEntries, appendBytes } = s.config;
  const entries = s.log.slice(p.next, s.log.lastIndex, appendEntries, appendBytes);
  if (entries === undefined) {
    p.fetching = p.next;
    s.effects.push({
      type: 'fetch',
      to: p.id,
      from: p.next,
      through: s.log.lastIndex,
      maxBytes: appendBytes,
    });
    return false;
  }
  sendAppend(s, p, entries);
  return true;
}

function sendAppend(s: RaftState, p: Progress, entries: readonly Entry[]): void {
  if (p.next <= s.log.baseIndex) return sendSnapshot(s, p);
  const prevIndex = p.next - 1;
  const prevTerm = s.log.termAt(prevIndex);
  if (prevTerm === undefined)
    throw new Error(`no term for ${prevIndex}, the log begins at ${s.log.firstIndex}`);
  const append: Append = {
    type: 'Append',
    group: s.config.group,
    from: s.id,
    to: p.id,
    term: s.term,
    prevIndex,
    prevTerm,
    entries,
    commit: s.commit,
    round: s.round,
    lastHash: '',
  };
  s.send(append);
  const last = prevIndex + entries.length;
  p.commitSent = Math.max(p.commitSent, Math.min(s.commit, last));
  if (p.state === 'PROBE') p.probedAt = s.now;
  if (p.state === 'REPLICATE' && entries.length > 0) {
    let bytes = 0;
    for (const entry of entries) bytes += entryBytes(entry);
    p.sent(last, bytes);
  }
}

/** Entries that were read from the disk for a follower have come. */
export function receiveFetched(s: RaftState, to: string, from: number, entries: readonly Entry[]): void {
  const p = s.progress.get(to);
  if (s.role !== 'LEADER' || p === undefined || p.fetching !== from) return;
  p.fetching = 0;
  const first = entries[0];
  const last = entries.at(-1);
  // The log may have been another one when the disk was read.
  const fits = first?.index === p.next && last !== undefined && s.log.termAt(last.index) === last.term;
  if (fits) {
    sendAppend(s, p, entries);
    if (p.state === 'PROBE') p.probing = true;
  }
  if (fits && p.state === 'REPLICATE') replicate(s, p);
}

export function receiveAppendReply(s: RaftState, m: AppendReply): void {
  const p = s.progress.get(m.from);
  if (s.role !== 'LEADER' || p === undefined) return;
  contact(s, p, m.round, m.applied);
  if (m.ok) acknowledged(s, p, m.index);
  else refused(s, p, m);
  confirmReads(s);
}

function acknowledged(s: RaftState, p: Progress, index: number): void {
  if (index > s.log.lastIndex) {
    throw new Error(`${p.id} acknowledges ${index}, beyond the end of our log ${s.log.lastIndex}`);
  }
  p.acknowledge(index, s.now);
  // It may have what a snapshot was offered for: then it needs none.
  if (p.state === 'PROBE' || (p.state === 'SNAPSHOT' && p.match >= s.log.baseIndex)) p.becomeReplicate();
  const before = s.commit;
  commitByCounting(s);
  if (s.commit === before) replicate(s, p);
  tellCommit(s, p);
  continueTransfer(s, p);
}

function refused(s: RaftState, p: Progress, m: AppendReply): void {
  // Where the logs can agree at best: our last index there or before, with a term not above the follower's.
  const guess = s.log.runs.lastIndexWithTermAtMost(m.hintTerm, Math.min(m.hintIndex, s.log.lastIndex));
  if (p.state === 'SNAPSHOT') return;
  // Reordered: it refused an append from before the ones it has acknowledged since.
  if (p.state === 'PROBE' && m.index !== p.next - 1) return;
  if (p.state === 'REPLICATE' && m.index < p.match) return;
  // Where our entry is theirs too, their log merely ends there.
  const cause = s.log.termAt(m.hintIndex) === m.hintTerm ? 'GAP' : 'CONFLICT';
  s.note({ about: 'APPEND_REJECTED', peer: p.id, index: m.index, hint: m.hintIndex, cause });
  // It has less than it acknowledged: it lost its disk. Counting it on would be a lie.
  if (m.hintIndex < p.match) p.match = Math.min(guess, m.hintIndex);
  const next = Math.min(m.index, guess + 1);
  // Where the logs can agree at best we have no entries any more, or ours is another history down to there.
  if (next <= s.log.baseIndex || m.hintIndex < s.log.baseIndex) return sendSnapshot(s, p);
  p.becomeProbe(next);
  replicate(s, p);
}

export function receiveHeartbeatReply(s: RaftState, m: HeartbeatReply): void {
  const p = s.progress.get(m.from);
  if (s.role !== 'LEADER' || p === undefined) return;
  contact(s, p, m.round, m.applied);
  takePromise(s, p, m);
  if (m.commit > p.commit) p.commit = m.commit;
  p.fit = !m.unfit;
  if (p.state === 'SNAPSHOT') {
    offerSnapshotAgain(s, p);
  } else if (p.state === 'PROBE') {
    // The probe or its answer was lost, or is late: ask again, but not at every answer (reads cause many).
    if (s.now - p.probedAt >= s.config.heartbeatMs) p.probing = false;
    replicate(s, p);
  } else if (isLosing(s, p, m)) {
    // An empty append at the end of what we sent finds out what it lacks, and tells it our commit index.
    p.lastAck = s.now;
    sendAppend(s, p, []);
  } else {
    replicate(s, p);
  }
  tellCommit(s, p);
  continueTransfer(s, p);
  confirmReads(s);
}

/** Alive, but what we sent does not arrive: nothing acknowledged for a while, or it forgot our commit (it restarted). */
function isLosing(s: RaftState, p: Progress, m: HeartbeatReply): boolean {
  if (p.state !== 'REPLICATE' || s.now - p.lastAck < s.config.heartbeatMs) return false;
  return p.inflightAppends > 0 || m.commit < Math.min(p.commitSent, p.match);
}

function contact(s: RaftState, p: Progress, round: number, applied: number): void {
  if (p.silent) {
    p.silent = false;
    s.note({ about: 'CONTACT_REGAINED', peer: p.id, ms: s.now - p.lastContact });
  }
  p.lastContact = s.now;
  p.answered = true;
  if (round > p.round) p.round = round;
  if (applied > p.applied) p.applied = applied;
}

/** Raises the commit index to what a quorum of disks holds, if that is an entry of our own term (§5.4.2). */
export function commitByCounting(s: RaftState): void {
  const index = reachedByQuorum(s.membership, (id) =>
    id === s.id ? s.durable : (s.progress.get(id)?.match ?? 0),
  );
  if (index <= s.commit || s.log.termAt(index) !== s.term) return;
  for (let i = s.commit + 1; i <= index; i++) {
    const entry = s.log.entryAt(i);
    // Entries of earlier terms were not counted in; they may have left memory.
    if (entry?.term === s.term) s.uncommittedBytes -= entryBytes(entry);
  }
  s.advanceCommit(index);
  continueChange(s);
  startQueuedReads(s);
  for (const p of s.progress.values()) {
    replicate(s, p);
    tellCommit(s, p);
  }
  stepAsideWhenRemoved(s);
}
