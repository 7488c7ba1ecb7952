/**
 * What a client is told where a read by lease cannot be served. Every refusal is definite, as for all reads: nothing
 * happened, and LINEARIZABLE would have been served wherever a leader is.
 *
 * MUST: serve none of them in another way in silence. Who asks for LEASE asks for its speed, and shall learn when there is none.
 */
import { type Refusal, refusal } from '../../shared/codes.ts';
import type { LeaseRefusal, RaftConfig } from '../raft/types.ts';

type Timing = Pick<RaftConfig, 'heartbeatMs' | 'electionMaxMs'>;

/** `leader`: '' while unknown. */
export function leaseReadRefusal(reason: LeaseRefusal, leader: string, timing: Timing): Refusal {
  switch (reason) {
    case 'LEASE_OFF':
      return refusal(
        'UNSUPPORTED',
        'LEASE reads are switched off on this sidecar; LINEARIZABLE is always safe',
      );
    case 'NOT_LEADER': {
      const who = leader === '' ? 'no leader is known' : `${leader} does`;
      return refusal('NOT_LEADER', `LEASE reads are served by the leader, which this node is not: ${who}`, {
        leader: leader === '' ? undefined : leader,
      });
    }
    case 'LEASE_TRANSFER':
      return noLease('it hands leadership over, or tried to in this term', timing.electionMaxMs);
    case 'LEASE_NOT_YET':
      return noLease('its term has just begun, and nothing of it is committed', timing.heartbeatMs);
    case 'LEASE_EXPIRED':
      return noLease('it has not heard a quorum of voters with leases lately', timing.heartbeatMs);
    case 'LEASE_PAUSED':
      return noLease('it stood still, and has not heard a quorum since', timing.heartbeatMs);
    case 'LEASE_CLOCKS':
      return noLease('the clocks are not known to keep within their bound', timing.heartbeatMs);
  }
}

function noLease(because: string, retryAfterMs: number): Refusal {
  return refusal('NOT_READY', `this leader has no lease now: ${because}`, { retryAfterMs });
}
