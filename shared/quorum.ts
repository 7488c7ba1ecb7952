/**
 * Majorities, for whoever looks at a cluster from outside. In a joint configuration each of the two sets must agree
 * (paper §6). Learners never count.
 *
 * MUST: be pure. The consensus core has its own (sidecar/raft/quorum.ts), which decides; this one only tells.
 */
import type { Membership } from './entry.ts';

/** Everyone who votes, each once, sorted. */
export function votersOf(membership: Membership): string[] {
  return [...new Set([...membership.voters, ...membership.outgoing])].sort();
}

/** How many of `voters` are a majority of them. */
export function majorityOf(voters: readonly string[]): number {
  return Math.floor(voters.length / 2) + 1;
}

/** Do those of whom `has` is true form a quorum? Never in a membership without voters. */
export function isQuorum(membership: Membership, has: (id: string) => boolean): boolean {
  const { voters, outgoing } = membership;
  return majority(voters, has) && (outgoing.length === 0 || majority(outgoing, has));
}

function majority(voters: readonly string[], has: (id: string) => boolean): boolean {
  return voters.filter(has).length >= majorityOf(voters);
}
