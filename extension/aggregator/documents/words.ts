/**
 * Sentences and numbers for hints, hovers and pages.
 *
 * MUST: be pure. Names of nodes come from peers: they go through safe-text here.
 */

import { safeLine } from '../../../shared/safe-text.ts';
import { duration } from '../../../shared/wording.ts';
import type { LineEntry } from './render.ts';
import { commitTime, type Standing } from './standing.ts';

export function nodeWord(id: string): string {
  return safeLine(id, 64);
}

/** Clusters larger than this are counted, not named. */
const MAX_NAMED = 5;

function nodesText(ids: readonly string[], of: number): string {
  return ids.length > MAX_NAMED ? `${ids.length} of ${of}` : ids.map(nodeWord).join(' ');
}

function ackedText(acked: NonNullable<Standing['acked']>, committed: boolean): string[] {
  const { by, missing, voters, quorum } = acked;
  const all = by.length + missing.length;
  if (missing.length === 0) return [all === 1 ? `acked ${nodesText(by, all)}` : `acked by all ${all}`];
  const needed = committed || quorum === 0 ? '' : ` (${voters} of the ${quorum} voters needed)`;
  return [
    by.length === 0 ? `acked by none${needed}` : `acked ${nodesText(by, all)}${needed}`,
    `${nodesText(missing, all)} missing`,
  ];
}

/** What becomes of an entry, in a few words: the inlay hint. */
export function standingText(standing: Standing, entry: Pick<LineEntry, 'stages'>): string {
  const { verdict, leader, leaderTerm, acked } = standing;
  switch (verdict) {
    case 'COMMITTED': {
      const time = commitTime(entry.stages);
      const committed = time === undefined ? 'committed' : `committed in ${duration(time.ms)}`;
      return [committed, ...(acked === undefined ? [] : ackedText(acked, true))].join(' · ');
    }
    case 'UNCOMMITTED':
      return ['not committed', ...(acked === undefined ? [] : ackedText(acked, false))].join(' · ');
    case 'CONFLICT':
      return `conflicts with leader ${nodeWord(leader)}, which has an entry of term ${leaderTerm} here`;
    case 'BEYOND_LEADER':
      return `not in the log of leader ${nodeWord(leader)}`;
    case 'UNKNOWN':
      return leader === ''
        ? 'not known to be committed: no leader'
        : `not known to be committed: the log of leader ${nodeWord(leader)} is not known up to here`;
  }
}

/** What the words of a hint rest on; undefined when they say it themselves. */
export function standingDetail(
  standing: Standing,
  entry: Pick<LineEntry, 'stages'>,
  node: string,
): string | undefined {
  const time = standing.verdict === 'COMMITTED' ? commitTime(entry.stages) : undefined;
  const parts = [
    ...(time === undefined
      ? []
      : [
          time.from === 'proposed'
            ? `From when a client handed it to ${nodeWord(node)} until ${nodeWord(node)} knew it to be committed.`
            : `From when it came into the log of ${nodeWord(node)} until ${nodeWord(node)} knew it to be committed.`,
        ]),
    ...(standing.acked === undefined
      ? []
      : [`Acknowledged: on disk there, as leader ${nodeWord(standing.leader)} knows.`]),
  ];
  return parts.length === 0 ? undefined : parts.join(' ');
}
