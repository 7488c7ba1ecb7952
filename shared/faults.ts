/**
 * Faults that are planted in a running sidecar to see what becomes of replication (PROTOCOL §3, `/v1/faults`): plain data and
 * the words for it.
 *
 * MUST: have a time to live, each of them. A fault that somebody forgot ends by itself.
 */
import { LIMITS } from './limits.ts';
import { duration } from './wording.ts';

export const FAULT_KINDS = ['CUT', 'ISOLATE', 'DELAY', 'DROP', 'PAUSE'] as const;
/**
 * CUT: messages of one peer are lost. ISOLATE: those of all. DELAY: they come later, in their order. DROP: a share of them is lost.
 * PAUSE: the whole process stands still, as if it were stopped.
 */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Seen from the node that has the fault: IN is what it gets, OUT what it sends. */
export const FAULT_DIRECTIONS = ['IN', 'OUT', 'BOTH'] as const;
export type FaultDirection = (typeof FAULT_DIRECTIONS)[number];

export interface FaultPlan {
  readonly kind: FaultKind;
  /** '' for all peers. */
  readonly peer: string;
  readonly direction: FaultDirection;
  /** DELAY: each message comes so much later, and up to `jitterMs` more, by chance. */
  readonly delayMs: number;
  readonly jitterMs: number;
  /** DROP: over 0, up to 1. */
  readonly share: number;
  readonly ttlMs: number;
}

export interface FaultStatus extends FaultPlan {
  /** `f1`, `f2`, … of this run of the process. */
  readonly id: string;
  /** Wall clock of the node, ms since the epoch: since when, and when it ends by itself. */
  readonly since: number;
  readonly until: number;
  /** Messages that were lost or held back by it. */
  readonly messages: number;
}

/** What it does, for a sentence that begins with the node: "loses all messages to and from n2". */
export function describeFault(plan: FaultPlan): string {
  const { kind, peer, direction, delayMs, jitterMs, share } = plan;
  const ways = { IN: 'from', OUT: 'to', BOTH: 'to and from' }[direction];
  const messages = `messages ${ways} ${peer === '' ? 'all peers' : peer}`;
  switch (kind) {
    case 'CUT':
    case 'ISOLATE':
      return `loses all ${messages}`;
    case 'DELAY':
      return `delays ${messages} by ${delayMs}${jitterMs === 0 ? '' : ` to ${delayMs + jitterMs}`} ms`;
    case 'DROP':
      return `loses ${Math.round(share * 1_000) / 10} % of the ${messages}`;
    case 'PAUSE':
      return 'stands still';
  }
}

/** The longest time to live of that kind. */
export function longestTtlMs(kind: FaultKind): number {
  return kind === 'PAUSE' ? LIMITS.faultPauseMs : LIMITS.faultTtlMs;
}

/** Why no sidecar would take it, as a reason; '' where one would, as far as can be told without it (who its peers are). */
export function planProblem(plan: FaultPlan): string {
  const { kind, peer, direction, delayMs, jitterMs, share, ttlMs } = plan;
  const name = `a fault of the kind ${kind}`;
  if (kind === 'CUT' && peer === '') return `${name} needs a peer`;
  if ((kind === 'ISOLATE' || kind === 'PAUSE') && peer !== '') return `${name} is not of one peer`;
  if (kind === 'PAUSE' && direction !== 'BOTH') return `${name} has no direction`;
  if (kind === 'DELAY' && !isWithin(delayMs, LIMITS.faultDelayMs)) {
    return `${name} delays by 1 to ${LIMITS.faultDelayMs} ms`;
  }
  if (kind === 'DELAY' && jitterMs !== 0 && !isWithin(jitterMs, LIMITS.faultDelayMs)) {
    return `the jitter of a delay is 0 to ${LIMITS.faultDelayMs} ms`;
  }
  if (kind !== 'DELAY' && (delayMs !== 0 || jitterMs !== 0)) return `${name} delays nothing`;
  if (kind === 'DROP' && !(share > 0 && share <= 1)) return `${name} loses over 0, up to 100 percent`;
  if (kind !== 'DROP' && share !== 0) return `${name} has no share`;
  return isWithin(ttlMs, longestTtlMs(kind)) ? '' : `${name} lasts at most ${duration(longestTtlMs(kind))}`;
}

function isWithin(ms: number, most: number): boolean {
  return Number.isSafeInteger(ms) && ms >= 1 && ms <= most;
}

/** What a sidecar is sent for it: it refuses what a kind does not take, at its default, too. */
export function planBody(plan: FaultPlan): Partial<FaultPlan> {
  const { kind, ttlMs, peer, direction, delayMs, jitterMs, share } = plan;
  return {
    ...{ kind, ttlMs },
    ...(peer === '' ? {} : { peer }),
    ...(direction === 'BOTH' ? {} : { direction }),
    ...(delayMs === 0 ? {} : { delayMs }),
    ...(jitterMs === 0 ? {} : { jitterMs }),
    ...(share === 0 ? {} : { share }),
  };
}
