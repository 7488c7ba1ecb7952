/**
 * Who leads, from what the nodes last said.
 *
 * MUST: believe only nodes that answer now, and of two claims only that of the higher term (terms order what wall clocks
 * cannot). MUST be pure.
 */
import type { NodeSample } from '../cluster-view.ts';
import type { NodeStatus } from '../inspect.ts';

/** A status that is older than this says little of now: so many ms (several polls). */
export const FRESH_MS = 2_000;

/** A node that answers, with what it said. */
export interface Answering extends NodeSample {
  readonly status: NodeStatus;
  readonly statusAt: number;
}

export interface Leadership {
  /** '' while none is known. */
  readonly leader: string;
  /** Its term, 0 for none. */
  readonly term: number;
  /** Nodes that say they lead and do not: their term is older. */
  readonly stale: readonly string[];
  /** Other nodes that say they lead the same term: a broken promise of Raft, or two clusters of one name. */
  readonly rivals: readonly string[];
}

export function isAnswering(sample: NodeSample): sample is Answering {
  return sample.link.state === 'CONNECTED' && sample.status !== undefined && sample.statusAt !== undefined;
}

/** `answering` sorted by id, so that the answer does not depend on the order in which they were asked. */
export function whoLeads(answering: readonly Answering[], now: number): Leadership {
  const claims = answering.filter(({ status }) => status.role === 'LEADER');
  const claimed = Math.max(0, ...claims.map(({ status }) => status.term));
  const heard = heardLeader(answering, now);
  // Followers hear a leader of a later term that we have no word of: what claims to lead here is of the past.
  if (heard !== undefined && heard.term > claimed) {
    return { ...heard, stale: claims.map(({ id }) => id), rivals: [] };
  }
  const [leader, ...rivals] = claims.filter(({ status }) => status.term === claimed).map(({ id }) => id);
  if (leader === undefined) return { leader: '', term: 0, stale: [], rivals: [] };
  const stale = claims.filter(({ status }) => status.term < claimed).map(({ id }) => id);
  return { leader, term: claimed, stale, rivals };
}

/** The leader of the highest term that a node says it hears, within its own election timeout. */
function heardLeader(
  answering: readonly Answering[],
  now: number,
): { readonly leader: string; readonly term: number } | undefined {
  let best: { readonly leader: string; readonly term: number } | undefined;
  for (const { status, statusAt } of answering) {
    const { leader, leaderContactMs, term, timing, role } = status;
    if (leader === null || role === 'LEADER' || leaderContactMs === null) continue;
    if (leaderContactMs >= timing.electionMaxMs || now - statusAt > FRESH_MS) continue;
    if (best === undefined || term > best.term) best = { leader, term };
  }
  return best;
}
