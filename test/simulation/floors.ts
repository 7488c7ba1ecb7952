/**
 * What a campaign must have seen to mean anything: a green run in which nothing happened proves nothing.
 */
import type { RunResult } from './runner.ts';

/** Sums over many seeds. */
export class Tally {
  seeds = 0;
  steps = 0;
  virtualMs = 0;
  violations = 0;
  readonly counts = new Map<string, number>();

  add(result: RunResult): void {
    this.seeds++;
    this.steps += result.steps;
    this.virtualMs += result.virtualMs;
    if (result.violation !== undefined) this.violations++;
    for (const [name, count] of result.counts) this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }
}

/** At least so many per seed, on average; about half of what is usual. */
const PER_SEED: Readonly<Record<string, number>> = {
  election: 8,
  crash: 10,
  partition: 3,
  commit: 350,
  write: 200,
  read: 100,
  'read by lease': 120,
  truncation: 0.5,
  'command of a session': 15,
  'command of a session without effect': 5,
};
/** Fewer seeds may be quiet ones. */
const PER_SEED_FROM_SEEDS = 50;

/** Rare, and where the bugs are: each must be seen at least once in a long enough campaign. */
const SOMETIMES: readonly string[] = [
  'app crash between applying and saying so',
  'app crash, state kept',
  'app crash, state lost',
  'app sick',
  'campaign left to others',
  'handed over, unfit',
  'handed over, priority',
  'disk replaced',
  'vote refused: NOT_VOTER',
  'leader unfit at the end: nobody is fit',
  'command abandoned',
  'duplicate answered',
  'duplicate answered without its result',
  'session lost',
  'session refused: LEADER_LOST',
  'session refused: SEQUENCE_GAP',
  'session refused: SESSION_UNKNOWN',
  'session refused: TIMEOUT',
  'chain hash compared',
  'clog',
  'commit ahead of the own disk',
  'crash with writes under way: kept',
  'crash with writes under way: lost',
  'crash with writes under way: partly kept',
  'crash with writes under way: torn',
  'crash: in the middle of a step',
  'disk forgot',
  'fetch',
  'ForwardPropose',
  'leader with uncommitted entries of old terms',
  'log proven whole again',
  'message late',
  'message repeated',
  'command written after it was surely lost',
  'old entry on a quorum, not committed',
  'pause',
  'power cut',
  'proposal refused: OVERLOADED',
  'proposal refused: TRANSFERRING',
  'read by lease refused: LEASE_CLOCKS',
  'read by lease refused: LEASE_EXPIRED',
  'read by lease refused: LEASE_NOT_YET',
  'read by lease refused: LEASE_PAUSED',
  'read by lease refused: LEASE_TRANSFER',
  'read index refused',
  'role CANDIDATE: TRANSFER_RECEIVED',
  'role FOLLOWER: DISK_STUCK',
  'role FOLLOWER: QUORUM_LOST',
  'role FOLLOWER: STALLED',
  'role FOLLOWER: TRANSFERRED',
  'role FOLLOWER: VOTE_LOST',
  'app restored',
  'change refused: CHANGING',
  'change refused: NOT_YET',
  'compaction',
  'joint membership',
  'role FOLLOWER: MEMBERSHIP_CHANGED',
  'role LEARNER: MEMBERSHIP_CHANGED',
  'role LEARNER: REMOVED',
  'crash between fetching and installing',
  'snapshot fetched',
  'snapshot installed',
  'snapshot taken',
  'stray append',
  'stuck flush',
  'suspend',
  'transfer failed',
  'trap',
  'vote refused: LEADER_ALIVE',
  'vote refused: LOG_BEHIND',
  'vote refused: LOG_UNPROVEN',
  'vote refused: OLD_TERM',
  'vote refused: VOTED_OTHER',
  'write refused: LEADER_LOST',
  'write refused: TERM_CHANGED',
  'write refused: TIMEOUT',
];
const SOMETIMES_FROM_SEEDS = 300;

/** What was not reached, one sentence each. */
export function brokenFloors(tally: Tally): string[] {
  const broken: string[] = [];
  if (tally.seeds >= PER_SEED_FROM_SEEDS) {
    for (const [name, perSeed] of Object.entries(PER_SEED)) {
      const count = tally.counts.get(name) ?? 0;
      const floor = Math.floor(perSeed * tally.seeds);
      if (count < floor) broken.push(`${name}: ${count}, at least ${floor} are wanted`);
    }
  }
  if (tally.seeds >= SOMETIMES_FROM_SEEDS) {
    for (const name of SOMETIMES) if (!tally.counts.has(name)) broken.push(`${name}: never`);
  }
  return broken;
}
