/**
 * What becomes of a request that got no good answer from a replica: it is tried again, or its client is told, and what.
 *
 * MUST: try again only what surely did not happen, or what happens at most once however often it is sent; say `definite` only
 * where no try may have taken effect. So a definite answer to a second try is not passed on where the first one is unknown.
 * Pure.
 */
import { type ErrorCode, type Refusal, refusal } from '../../shared/codes.ts';
import type { Ticket } from './ticket.ts';

export type Fate =
  | { readonly answer: Refusal }
  /** Try again: at another replica than this one where there is one, or wherever the leader is. */
  | { readonly again: 'ELSEWHERE' | 'LATER'; readonly unsure: boolean; readonly retryAfterMs?: number };

type Asked = Pick<Ticket, 'kind' | 'repeatable' | 'unsure'>;

const EARLIER = 'an earlier try of this request may have taken effect';

/** Another replica may take what this one refused so. */
const OF_ONE_REPLICA: ReadonlySet<ErrorCode> = new Set(['NOT_LEADER', 'APP_ABSENT', 'NO_SPACE']);

/** The connection to `replica` was lost while the request was there. */
export function afterLoss(ticket: Asked, replica: string): Fate {
  if (ticket.repeatable) return { again: 'LATER', unsure: true };
  const message = `the connection to ${replica} was lost: whether it took the command is not known`;
  return { answer: refusal('LEADER_LOST', message) };
}

/** `replica` answered with an error. */
export function afterError(ticket: Asked, replica: string, error: Refusal): Fate {
  return error.definite ? afterDefinite(ticket, replica, error) : afterIndefinite(ticket, replica, error);
}

function afterIndefinite(ticket: Asked, replica: string, error: Refusal): Fate {
  // Its time is over, here too.
  if (error.code === 'TIMEOUT') return { answer: error };
  if (ticket.repeatable) return { again: 'LATER', unsure: true };
  if (error.code !== 'SHUTTING_DOWN') return { answer: error };
  // It is the replica that stops: a client must not think that it is we.
  return { answer: refusal('LEADER_LOST', `${replica} is stopping: ${error.message}`) };
}

function afterDefinite(ticket: Asked, replica: string, error: Refusal): Fate {
  if (OF_ONE_REPLICA.has(error.code)) return { again: 'ELSEWHERE', unsure: false };
  if (!ticket.unsure || ticket.kind !== 'propose') return { answer: error };
  const { retryAfterMs } = error;
  if (error.code === 'OVERLOADED') {
    return { again: 'LATER', unsure: true, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
  const message = `${replica} answered ${error.code} (${error.message}), but ${EARLIER}`;
  return { answer: refusal('LEADER_LOST', message) };
}

/** Nobody else is there to take the request that `error` refused. */
export function nobodyElse(ticket: Asked, error: Refusal): Fate {
  if (!ticket.unsure || ticket.kind !== 'propose') return { answer: error };
  return { again: 'LATER', unsure: true };
}

/** Its time is over, and it is not at any replica. */
export function outOfTime(ticket: Asked, why: string): Refusal {
  if (ticket.unsure && ticket.kind !== 'read') {
    return refusal('TIMEOUT', `${why}, but ${EARLIER}`);
  }
  return refusal('OVERLOADED', `${why}, so it did not happen`, { retryAfterMs: 1_000 });
}
