/**
 * ReadIndex (dissertation §6.4): linearizable reads without the log. The read index is our commit index when the
 * confirmation round begins; the read may be served once a quorum answered that round or a later one.
 *
 * MUST: begin a round after the read came; answer nothing before an entry of our own term is committed (until then our
 * commit index may be behind what earlier leaders committed).
 */
import { broadcastHeartbeat } from './heartbeat.ts';
import { reachedByQuorum } from './quorum.ts';
import { readIndex } from './quorum-of-two.ts';
import type { RaftState } from './state.ts';

/** Reads that wait at the leader; over it they are refused. */
const WAITING_READS_MAX = 65_536;

export function receiveRead(s: RaftState, ref: number): void {
  if (s.role !== 'LEADER') {
    s.refuseRead(ref, 'NOT_LEADER');
    return;
  }
  if (s.reads.length + s.queuedReads.length >= WAITING_READS_MAX) {
    s.refuseRead(ref, 'OVERLOADED');
    return;
  }
  s.queuedReads.push(ref);
  // Self-clocking: while a round is out, reads pile up and share the next one.
  if (s.reads.length === 0) startQueuedReads(s);
}

/** Begins one round for all reads that wait. */
export function startQueuedReads(s: RaftState): void {
  if (s.queuedReads.length === 0 || s.reads.length > 0) return;
  if (s.log.termAt(s.commit) !== s.term) return;
  const round = s.round + 1;
  const index = readIndex(s);
  for (const ref of s.queuedReads) s.reads.push({ ref, index, round });
  s.queuedReads = [];
  broadcastHeartbeat(s);
  confirmReads(s);
}

/** Answers the reads whose round a quorum has confirmed. */
export function confirmReads(s: RaftState): void {
  if (s.reads.length === 0) return;
  const confirmed = reachedByQuorum(s.membership, (id) =>
    id === s.id ? s.round : (s.progress.get(id)?.round ?? 0),
  );
  const waiting = s.reads;
  if (confirmed < (waiting[0]?.round ?? Number.POSITIVE_INFINITY)) return;
  s.reads = [];
  for (const read of waiting) s.effects.push({ type: 'readReady', ref: read.ref, index: read.index });
  startQueuedReads(s);
}
