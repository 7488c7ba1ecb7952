/**
 * Leader leases (dissertation §6.4.1): reads on the leader without asking anybody, on the strength of what a quorum has
 * promised. Off by default, since nothing but clocks holds it.
 *
 * The promise: a voter that heard a leader votes for nobody else for an election timeout on its own clock, whatever terms
 * it hears of meanwhile, and whether or not it still knows of that leader. It lives in memory alone, so a voter that
 * starts keeps the promise that an earlier life of it may have given (tikv#15035).
 * The lease: a leader counts each promise from when it *sent* the heartbeat that was answered, on its own clock, shortened
 * by the bound. While a quorum's promises hold nobody else can be elected, so nothing is committed that this leader does
 * not know of, or told a follower of (quorum-of-two.ts).
 *
 * What breaks a promise, or our count of it, ends the lease:
 *  - a transfer: the target's campaign skips the promise, and so does a late copy of our TimeoutNow. Once one has left,
 *    there is no lease for the rest of the term;
 *  - a pause of this process: only rounds begun since count again. (Our clock goes on while a process is stopped, so older
 *    ones would be counted right. But they would have to be: nobody knows what else stood still.)
 *  - clocks: a follower's clock that is not proven to keep within the bound of ours (clock-rate.ts). And since our
 *    monotonic clock stands still while a machine is suspended, age is counted on the wall clock as well.
 *
 * MUST: judge by the time of the read itself, never by a timer's (after SIGCONT sockets may be read before timers run);
 * answer nothing before an entry of our own term is committed. The wall clock may end a lease, and never prolongs one.
 */
import type { HeartbeatReply } from '../../shared/messages.ts';
import { ClockRate } from './clock-rate.ts';
import type { Progress } from './progress.ts';
import { holdsForQuorum } from './quorum.ts';
import { readIndex } from './quorum-of-two.ts';
import type { RaftState } from './state.ts';
import type { LeaseRefusal } from './types.ts';

/** Between two readings of a clock that counts whole milliseconds so much may be hidden. */
const ROUNDING_MS = 2;
/** Clocks are compared over about so many of the shortest election timeouts. */
const CLOCK_WINDOW_ELECTIONS = 10;
/** Rounds whose beginning is remembered, oldest forgotten first: an answer to a forgotten one renews nothing. */
const ROUNDS_KEPT = 256;

/** Leader: a round begins now. Rounds that follow each other closely count from the first of them. */
export function rememberRound(s: RaftState): void {
  const { lease, electionMinMs, heartbeatMs } = s.config;
  if (lease === undefined) return;
  const last = s.rounds.at(-1);
  if (last !== undefined && s.now - last.at < heartbeatMs / 4) return;
  s.rounds.push({ round: s.round, at: s.now, wall: s.wall });
  const tooOld = (at: number): boolean => s.now - at >= electionMinMs;
  while (s.rounds.length > ROUNDS_KEPT || tooOld(s.rounds[0]?.at ?? s.now)) s.rounds.shift();
}

/** Leader: the voter has heard that round, and promises. */
export function takePromise(s: RaftState, p: Progress, m: HeartbeatReply): void {
  const { lease, electionMinMs } = s.config;
  if (lease === undefined || m.round <= (p.promise?.round ?? 0)) return;
  const begun = s.rounds.findLast(({ round }) => round <= m.round);
  if (begun === undefined) return;
  p.promise = { round: m.round, sentAt: begun.at, sentWall: begun.wall, ms: m.promiseMs };
  p.clockRate ??= new ClockRate(lease.clockBound, CLOCK_WINDOW_ELECTIONS * electionMinMs);
  p.clockRate.add({ sentAt: begun.at, receivedAt: s.now, clockMs: m.clockMs });
}

/** Before each input: did this process stand still? Ticks come several times in a heartbeat. */
export function noticePause(s: RaftState): void {
  if (s.config.lease === undefined || s.role !== 'LEADER' || s.lastTick === undefined) return;
  if (s.now - s.lastTick > s.config.heartbeatMs) s.voidThrough = s.round;
}

/** Answers in this step. */
export function receiveLeaseRead(s: RaftState, ref: number): void {
  const reason = leaseRefusal(s);
  if (reason === '') s.effects.push({ type: 'readReady', ref, index: readIndex(s) });
  else s.refuseRead(ref, reason);
}

/** Why a read may not be served without asking, '' where it may. */
function leaseRefusal(s: RaftState): LeaseRefusal | '' {
  const { lease } = s.config;
  if (lease === undefined) return 'LEASE_OFF';
  if (s.role !== 'LEADER') return 'NOT_LEADER';
  if (s.transfer !== undefined || s.handedOver) return 'LEASE_TRANSFER';
  if (s.log.termAt(s.commit) !== s.term) return 'LEASE_NOT_YET';
  const doubts = new Map<string, Doubt>();
  for (const p of s.progress.values()) doubts.set(p.id, doubtOf(s, p, lease.clockBound));
  const holds = (...allowed: Doubt[]): boolean =>
    holdsForQuorum(s.membership, (id) => id === s.id || allowed.includes(doubts.get(id) ?? 'EXPIRED'));
  if (holds('NONE')) return '';
  if (holds('NONE', 'PAUSED')) return 'LEASE_PAUSED';
  return holds('NONE', 'PAUSED', 'CLOCKS') ? 'LEASE_CLOCKS' : 'LEASE_EXPIRED';
}

/** What speaks against the promise of one voter. */
type Doubt = 'NONE' | 'EXPIRED' | 'PAUSED' | 'CLOCKS';

function doubtOf(s: RaftState, { promise, clockRate }: Progress, bound: number): Doubt {
  if (promise === undefined) return 'EXPIRED';
  const trusted = promise.ms * (1 - bound) - ROUNDING_MS;
  const age = s.now - promise.sentAt;
  const wallAge = s.wall - promise.sentWall;
  if (age >= trusted) return 'EXPIRED';
  // Ahead of our monotonic clock: a suspended machine, perhaps. Behind it: set back, and no witness any more.
  if (wallAge >= trusted || wallAge < age * (1 - bound) - ROUNDING_MS) return 'CLOCKS';
  if (clockRate?.holds(s.now) !== true) return 'CLOCKS';
  return promise.round > s.voidThrough ? 'NONE' : 'PAUSED';
}
