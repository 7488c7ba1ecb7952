/**
 * Which disk each node of the cluster has: a random id that its data folder was given when it was made.
 *
 * A node that comes back with another disk under its old name has forgotten what it promised: its votes, and the entries that it
 * acknowledged. Raft's proof does not know such nodes. So nobody speaks with it, until it has left the cluster and is
 * added again.
 *
 * MUST: believe the first disk that a node is seen with, and remember it over restarts; forget it when the node leaves.
 */
export interface KnownDisks {
  /** Is it the one that the node was always seen with? Remembers the first one. */
  isOf(node: string, incarnation: string): boolean;
}

/** For transports that do not care. */
export const ANY_DISK: KnownDisks = { isOf: () => true };

export function otherDisk(node: string): string {
  return (
    `${node} has another disk than before: its data folder was wiped, or replaced by another one. ` +
    'Remove it from the cluster, and add it again'
  );
}
