/**
 * Why a role or term changed: the words shown in `roleChanged`, events, metrics and the log.
 *
 * MUST: be stable, since dashboards and tests match on them. New causes may be added.
 */
export const CAUSES = [
  /** The process just started and has read its disk. */
  'STARTED',
  /** No leader was heard for a randomised election timeout. */
  'ELECTION_TIMEOUT',
  /** A leader asked this node to campaign at once (leadership transfer). */
  'TRANSFER_RECEIVED',
  /** An operator or a test asked this node to campaign. */
  'CAMPAIGN_REQUESTED',
  /** A quorum said it would vote for us: the real campaign begins. */
  'PRE_VOTE_WON',
  /** A quorum voted for us. */
  'VOTE_WON',
  /** A quorum refused us. */
  'VOTE_LOST',
  /** A message of a higher term arrived. */
  'HIGHER_TERM',
  /** A leader of this term (or a later one) made itself known. */
  'LEADER_ELECTED',
  /** A leader heard from no quorum for an election timeout (check-quorum). */
  'QUORUM_LOST',
  /** This leader handed its leadership over. */
  'TRANSFERRED',
  /** The disk of this leader did not finish a write within an election timeout, or failed. */
  'DISK_STUCK',
  /** The process did not run for longer than an election timeout. */
  'STALLED',
  /** A snapshot took the place of the log with which this node campaigned. */
  'SNAPSHOT_INSTALLED',
  /** It was given a vote, or has it no more. */
  'MEMBERSHIP_CHANGED',
  /** This leader is no voter any more. */
  'REMOVED',
  /** The process is stopping. */
  'SHUTTING_DOWN',
] as const;

export type Cause = (typeof CAUSES)[number];
