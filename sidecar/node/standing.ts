/** How much traffic a node wants, from what it knows of itself. Pure. */

import type { AppState } from '../../shared/app-conditions.ts';
import type { Refusal } from '../../shared/codes.ts';
import type { Check, LeaderView } from '../../shared/inspect.ts';
import type { Standing } from '../news/contract.ts';

const ALL: Standing = { share: 100, reason: '' };

/**
 * The share of a node that serves, slowly. Not none: where every node is slow, the load is the cause, and taking nodes
 * out would make it worse.
 */
const SLOW_SHARE = 10;

/**
 * For how many election timeouts no leader may be known before that is worth telling. Until then a node still wants traffic:
 * it holds requests until there is a leader, which is better for clients than a balancer without any server.
 */
export const ELECTIONS = 3;

/** As `/leader`: all for the leader that holds a quorum. */
export function leaderStanding({ leader, isLeader }: LeaderView, closed: Refusal | undefined): Standing {
  if (closed !== undefined) return { share: 0, reason: closed.message };
  if (isLeader) return ALL;
  return {
    share: 0,
    reason: leader === null ? 'no leader is known' : `not a leader with a quorum; it knows ${leader}`,
  };
}

export interface Circumstances {
  readonly app: AppState;
  /** A leader has said since the start of this process what is committed. */
  readonly commitKnown: boolean;
  /** For how long no leader has been known, 0 when one is. */
  readonly leaderlessMs: number;
  readonly electionMaxMs: number;
}

/** As `/readyz`, but with patience for an election, and less traffic instead of none for an app that is behind. */
export function readyStanding(checks: readonly Check[], now: Circumstances): Standing {
  const failing = checks.filter(({ ok }) => !ok);
  const out = failing.find(({ name }) => !isBearable(name, now));
  if (out !== undefined) return { share: 0, reason: `${out.name}: ${out.reason}` };
  const slow = failing.find(({ name }) => name !== 'leader');
  return slow === undefined ? ALL : { share: SLOW_SHARE, reason: `${slow.name}: ${slow.reason}` };
}

/** Does a node that fails this check still serve? */
function isBearable(check: string, now: Circumstances): boolean {
  if (check === 'leader') return now.leaderlessMs < ELECTIONS * now.electionMaxMs;
  if (check === 'caught-up') return now.commitKnown;
  return check === 'app' && now.app === 'LAGGING';
}
