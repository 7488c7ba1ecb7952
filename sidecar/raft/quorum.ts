/**
 * Quorum mathematics of a membership, joint or not (paper §6: in a joint configuration each of the two sets
 * must agree). Learners never count.
 *
 * MUST: be pure, and be the only place that says what a majority is.
 */
import type { Membership } from '../../shared/entry.ts';

export type VoteResult = 'WON' | 'LOST' | 'PENDING';

/** How many of `count` voters are a majority. */
export function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** Who is known by nothing but an id. */
export const NOBODY: Membership = { voters: [], outgoing: [], learners: [] };

/** Everyone who receives the log, each once. */
export function allMembers(membership: Membership): string[] {
  return [...new Set([...membership.voters, ...membership.outgoing, ...membership.learners])];
}

export function isVoter(membership: Membership, id: string): boolean {
  return membership.voters.includes(id) || membership.outgoing.includes(id);
}

function quorumValue(voters: readonly string[], valueFor: (id: string) => number): number {
  const values = voters.map(valueFor).sort((a, b) => b - a);
  return values[majority(voters.length) - 1] ?? 0;
}

/** The highest value that a quorum has reached: the commit index from match indexes, the confirmed round from rounds. */
export function reachedByQuorum(membership: Membership, valueFor: (id: string) => number): number {
  const incoming = quorumValue(membership.voters, valueFor);
  if (membership.outgoing.length === 0) return incoming;
  return Math.min(incoming, quorumValue(membership.outgoing, valueFor));
}

/** True when `test` holds for a quorum. */
export function holdsForQuorum(membership: Membership, test: (id: string) => boolean): boolean {
  return reachedByQuorum(membership, (id) => (test(id) ? 1 : 0)) === 1;
}

function tally(voters: readonly string[], votes: ReadonlyMap<string, boolean>): VoteResult {
  let granted = 0;
  let open = 0;
  for (const id of voters) {
    const vote = votes.get(id);
    if (vote === true) granted++;
    else if (vote === undefined) open++;
  }
  if (granted >= majority(voters.length)) return 'WON';
  return granted + open >= majority(voters.length) ? 'PENDING' : 'LOST';
}

/** Has the candidate won, lost, or must it wait? */
export function voteResult(membership: Membership, votes: ReadonlyMap<string, boolean>): VoteResult {
  const incoming = tally(membership.voters, votes);
  if (membership.outgoing.length === 0) return incoming;
  const outgoing = tally(membership.outgoing, votes);
  if (incoming === 'LOST' || outgoing === 'LOST') return 'LOST';
  return incoming === 'WON' && outgoing === 'WON' ? 'WON' : 'PENDING';
}
