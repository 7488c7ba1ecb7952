/**
 * Who leads, from what the replicas say of themselves and of each other.
 *
 * MUST: believe the highest term; of one term, a replica's word about itself over that of the others. Plain data.
 */
import type { Role } from '../../shared/entry.ts';

/** What one replica said last. */
export interface View {
  readonly role: Role;
  readonly term: number;
  readonly leader: string | undefined;
}

export interface Leader {
  readonly term: number;
  /** Undefined while nobody knows one. */
  readonly leader: string | undefined;
}

/** `views`: of the replicas that are connected, by id. */
export function leaderOf(views: ReadonlyMap<string, View>): Leader {
  let term = 0;
  for (const view of views.values()) term = Math.max(term, view.term);
  let leader: string | undefined;
  for (const [id, view] of views) {
    if (view.term !== term) continue;
    if (view.role === 'LEADER') return { term, leader: id };
    leader ??= view.leader;
  }
  const own = leader === undefined ? undefined : views.get(leader);
  // It says of itself that it leads no more: the others have not heard yet.
  if (own !== undefined && own.term === term && own.role !== 'LEADER') leader = undefined;
  return { term, leader };
}
