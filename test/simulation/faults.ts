/**
 * What can go wrong in one run, drawn from its seed. Each class of fault is off in half of the seeds ("swarm testing"):
 * some bugs need a fault that another one would hide.
 *
 * MUST: be a function of the random stream alone. Times are milliseconds of virtual time.
 */
import type { RaftConfig } from '../../sidecar/raft/types.ts';
import type { Prng } from './prng.ts';

export const ELECTION_MIN_MS = 150;
export const ELECTION_MAX_MS = 300;
export const HEARTBEAT_MS = 50;
/** A leader whose app is away for so long hands over. */
export const HAND_OVER_MS = 400;

/** A fault whose number is 0 is switched off. Rates are mean times between two of a kind. */
export interface FaultPlan {
  readonly nodes: number;
  readonly clients: number;
  /** Mean pause of a client between two requests. */
  readonly thinkMs: number;
  /** Clients ask on without waiting for answers; else each waits for its own. */
  readonly openLoop: boolean;
  /** Share of messages that are lost. */
  readonly loss: number;
  /** Share of messages that are late by up to two election timeouts. */
  readonly late: number;
  /** Share of messages that arrive twice, at once or up to ten election timeouts later. */
  readonly duplicate: number;
  readonly partitionEveryMs: number;
  /** Links that hold everything back for a while. */
  readonly clogEveryMs: number;
  readonly crashEveryMs: number;
  /** Chance of a crash before each effect of a step (before or after each write and each send). */
  readonly crashAtEffect: number;
  /** Share of crashes that take all nodes. */
  readonly powerCut: number;
  /** Share of crashes after which synced entries are missing, on a minority at a time. */
  readonly amnesia: number;
  readonly pauseEveryMs: number;
  /** Share of flushes that take up to twenty election timeouts. */
  readonly stuckFlush: number;
  readonly flushMs: number;
  /** Rate of each node's clock differs by up to this share. */
  readonly drift: number;
  readonly wallJumpEveryMs: number;
  /** The machine sleeps: nothing runs, and the monotonic clock stands still. */
  readonly suspendEveryMs: number;
  /** Whoever takes itself for the leader is read from by lease. */
  readonly leaseReadEveryMs: number;
  /** Everything that a lease stands on is taken away at once: see `Chaos`. */
  readonly trapEveryMs: number;
  readonly transferEveryMs: number;
  readonly campaignEveryMs: number;
  /** Appends that a leader of another make could send: from anywhere in its log, of any length, even empty. */
  readonly strayAppendEveryMs: number;
  /** Longest time an app takes to apply what was committed. */
  readonly applyMs: number;
  /** The app alone dies; with this chance also just before it acknowledges. */
  readonly appCrashEveryMs: number;
  readonly appCrashAtAck: number;
  /** An app that was healthy is not, or the other way round. What it is at the end it stays. */
  readonly appSickEveryMs: number;
  /** The leader is asked for another membership, out of all nodes; and how many nodes there are that are none at first. */
  readonly changeEveryMs: number;
  readonly spares: number;
  /** A node that has left gets an empty disk, and may be added again. */
  readonly replaceEveryMs: number;
  /** An app gives a snapshot of itself, and the log may be compacted. */
  readonly snapshotEveryMs: number;
  /** Newest entries a starting node is given; the rest it must fetch. */
  readonly startTail: number;
  readonly raft: Omit<RaftConfig, 'id' | 'group' | 'membership' | 'random'>;
}

/** Leases are drawn last, so that the rest of a seed is as it was before there were any. */
export function drawPlan(random: Prng): FaultPlan {
  const faults = drawFaults(random);
  const suspendEveryMs = random.between(500, 5000);
  const plan = { ...faults, suspendEveryMs: random.chance(0.5) ? suspendEveryMs : 0 };
  const drawn = drawLease(random, faults.drift);
  const leases = random.chance(0.7) && faults.raft.checkQuorum;
  const everyMs = random.between(50, 2000);
  const snapshotEveryMs = random.chance(0.6) ? everyMs : 0;
  const rareMs = random.between(300, 3000);
  // Nodes that were removed go on to campaign: without stickiness nothing holds that off (dissertation §4.2.3).
  const changes = random.chance(0.7) && faults.raft.checkQuorum;
  const spares = random.int(3);
  const replaceMs = random.between(100, 1500);
  const replaceEveryMs = random.chance(0.6) && changes ? replaceMs : 0;
  const members = { changeEveryMs: changes ? rareMs : 0, spares: changes ? spares : 0, replaceEveryMs };
  if (!leases) return { ...plan, leaseReadEveryMs: 0, trapEveryMs: 0, snapshotEveryMs, ...members };
  const { clockBound, ...more } = drawn;
  return { ...plan, ...more, snapshotEveryMs, ...members, raft: { ...faults.raft, lease: { clockBound } } };
}

/** Some bounds cover the drift, others do not: then no lease may be had. */
function drawLease(random: Prng, drift: number) {
  const clockBound = random.pick([0.02, 0.1, 0.2, 0.2, 0.3]);
  const leaseReadEveryMs = random.between(3, 40);
  const trapEveryMs = random.between(300, 2000);
  const traps = random.chance(0.6);
  const wild = random.chance(0.3);
  return { clockBound, leaseReadEveryMs, trapEveryMs: traps ? trapEveryMs : 0, drift: wild ? 0.4 : drift };
}

type LeaseFaults =
  | 'suspendEveryMs'
  | 'leaseReadEveryMs'
  | 'trapEveryMs'
  | 'snapshotEveryMs'
  | 'changeEveryMs'
  | 'replaceEveryMs'
  | 'spares';

function drawFaults(random: Prng): Omit<FaultPlan, LeaseFaults> {
  const nodes = random.pick([1, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 5]);
  /** Half of the seeds go without; the draw is made anyway, so that the rest of the plan stays. */
  const sometimes = (draw: () => number): number => {
    const value = draw();
    return random.chance(0.5) ? value : 0;
  };
  return {
    nodes,
    clients: 2 + random.int(5),
    thinkMs: random.pick([3, 20, 60, 150]),
    openLoop: random.chance(0.5),
    loss: sometimes(() => random.between(0, 0.3)),
    late: sometimes(() => random.between(0.01, 0.2)),
    duplicate: sometimes(() => random.between(0, 0.5)),
    partitionEveryMs: sometimes(() => random.between(300, 3000)),
    clogEveryMs: sometimes(() => random.between(300, 5000)),
    crashEveryMs: sometimes(() => random.between(300, 4000)),
    crashAtEffect: sometimes(() => random.pick([0.0005, 0.002, 0.005])),
    powerCut: 0.05,
    amnesia: sometimes(() => random.between(0.05, 0.3)),
    pauseEveryMs: sometimes(() => random.between(500, 5000)),
    stuckFlush: sometimes(() => random.between(0.001, 0.03)),
    flushMs: random.pick([0.2, 1, 5, 20, 60]),
    drift: sometimes(() => 0.1),
    wallJumpEveryMs: sometimes(() => random.between(500, 5000)),
    transferEveryMs: sometimes(() => random.between(300, 5000)),
    campaignEveryMs: sometimes(() => random.between(300, 3000)),
    strayAppendEveryMs: sometimes(() => random.between(5, 200)),
    applyMs: sometimes(() => random.pick([5, 100, 500])),
    appCrashEveryMs: sometimes(() => random.between(300, 5000)),
    appCrashAtAck: sometimes(() => random.pick([0.002, 0.02])),
    startTail: random.pick([1, 5, 1000]),
    raft: drawRaft(random),
    appSickEveryMs: sometimes(() => random.between(100, 2000)),
  };
}

/** Small windows and caches: their edges are where the bugs are. */
function drawRaft(random: Prng): FaultPlan['raft'] {
  return {
    electionMinMs: ELECTION_MIN_MS,
    electionMaxMs: ELECTION_MAX_MS,
    heartbeatMs: HEARTBEAT_MS,
    handOverMs: HAND_OVER_MS,
    preVote: random.chance(0.7),
    checkQuorum: random.chance(0.7),
    appendBytes: random.pick([1, 300, 1_000_000]),
    appendEntries: random.pick([1, 3, 64]),
    inflightAppends: random.pick([1, 2, 4, 8]),
    inflightBytes: random.pick([1, 500, 1_000_000]),
    uncommittedBytes: random.pick([500, 1_000_000, 1_000_000]),
    tailBytes: random.pick([1, 2_000, 1_000_000, 1_000_000]),
  };
}
