/**
 * Which disk a membership speaks of. A node may come again under an old name with another disk, after it has left: it is given a log
 * that speaks of its former disk as well, and it has forgotten what that one promised and acknowledged.
 *
 * So a node that joined (its disk began empty, and not with the cluster) counts itself among the voters only by a membership that
 * names its disk, and gives no vote before it has one: what it may have forgotten lies before that entry, since nobody was
 * added in its name before. The leader names the disk of a learner before it gives it a vote (node/membership).
 *
 * Raft's proof knows no such nodes: it lets no name come again (dissertation §4.1). Those a cluster began with need no name.
 */
import type { Membership } from '../../shared/entry.ts';
import { isVoter } from './quorum.ts';
import type { RaftState } from './state.ts';

export function diskOf({ book = [] }: Membership, id: string): string | undefined {
  return book.find((member) => member.id === id)?.disk;
}

/** Are we a voter by it? */
export function countsUs({ config, id }: RaftState, membership: Membership): boolean {
  return isVoter(membership, id) && (config.disk === undefined || diskOf(membership, id) === config.disk);
}

/** Has our log an entry that names our disk? */
export function isNamed({ config, configs, id }: RaftState): boolean {
  return (
    config.disk === undefined || configs.some(({ membership }) => diskOf(membership, id) === config.disk)
  );
}
