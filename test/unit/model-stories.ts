/** How n1 led term 5 and n2 came to lead term 6, as each of them and n3 would record it; and what explanations must say of it. */
import assert from 'node:assert/strict';
import { explain } from '../../shared/explain/explain.ts';
import type {
  Certainty,
  Evidence,
  ExplainCause,
  Explanation,
  NodeEvidence,
} from '../../shared/explain/types.ts';
import { answers, eventsOf, statusOf, type Told } from './model-support.ts';

/** n1 leads term 5. */
export const ledFive: readonly Told[] = [
  ['STARTED', 'STARTED', { term: 4, index: 90 }],
  ['ROLE', 'ELECTION_TIMEOUT', { term: 4, role: 'CANDIDATE', was: 'FOLLOWER', leader: '' }],
  ['ROLE', 'PRE_VOTE_WON', { role: 'CANDIDATE', was: 'CANDIDATE', leader: '' }],
  ['VOTE_RECEIVED', 'GRANTED', { peer: 'n2', granted: true, preVote: false }],
  ['ROLE', 'VOTE_WON', { role: 'LEADER', was: 'CANDIDATE', leader: 'n1' }],
];
export const followsFive: Told = [
  'ROLE',
  'LEADER_ELECTED',
  { role: 'FOLLOWER', was: 'FOLLOWER', leader: 'n1' },
];
export const linkBroke: Told = ['PEER_DOWN', 'LOST', { peer: 'n1', reason: 'the connection closed' }];
export const timedOut: Told = [
  'ROLE',
  'ELECTION_TIMEOUT',
  { role: 'CANDIDATE', was: 'FOLLOWER', leader: '', ms: 210 },
];
/** n2 wins term 6. */
export const wonSix: readonly Told[] = [
  ['ROLE', 'PRE_VOTE_WON', { term: 6, role: 'CANDIDATE', was: 'CANDIDATE', leader: '', ms: 214 }],
  ['VOTE_RECEIVED', 'GRANTED', { term: 6, peer: 'n3', granted: true, preVote: false }],
  ['ROLE', 'VOTE_WON', { term: 6, role: 'LEADER', was: 'CANDIDATE', leader: 'n2' }],
];
export const preVoted: Told = [
  'VOTE_GIVEN',
  'GRANTED',
  { term: 6, peer: 'n2', granted: true, preVote: true },
];
export const voted: Told = ['VOTE_GIVEN', 'GRANTED', { term: 6, peer: 'n2', granted: true, preVote: false }];
export const followsSix: Told = [
  'ROLE',
  'LEADER_ELECTED',
  { term: 6, role: 'FOLLOWER', was: 'FOLLOWER', leader: 'n2' },
];

export function stepsDown(
  cause: 'QUORUM_LOST' | 'STALLED' | 'HIGHER_TERM' | 'LEADER_ELECTED' | 'DISK_STUCK' | 'TRANSFERRED',
  over = {},
): Told {
  const term = cause === 'QUORUM_LOST' || cause === 'STALLED' || cause === 'DISK_STUCK' ? 5 : 6;
  return ['ROLE', cause, { term, role: 'FOLLOWER', was: 'LEADER', leader: '', ...over }];
}

export const leaderTwo = statusOf('n2', { role: 'LEADER', term: 6, leader: 'n2' });
export const followerOfTwo = (id: string) => statusOf(id, { term: 6, leader: 'n2' });

export function n2(...before: Told[]): NodeEvidence {
  return answers('n2', leaderTwo, [followsFive, ...before, ...wonSix]);
}
export function n3(...before: Told[]): NodeEvidence {
  return answers('n3', followerOfTwo('n3'), [followsFive, ...before, preVoted, voted, followsSix]);
}
export function oldLeader(...after: Told[]): NodeEvidence {
  return answers('n1', followerOfTwo('n1'), [...ledFive, ...after]);
}
export function away(link: 'SILENT' | 'RETRYING', reason: string, ...after: Told[]): NodeEvidence {
  const status = statusOf('n1', { role: 'LEADER' });
  return {
    node: 'n1',
    reachable: false,
    reason,
    link,
    status,
    events: eventsOf('n1', [...ledFive, ...after]),
  };
}

export interface Case {
  readonly name: string;
  readonly evidence: Evidence;
  readonly cause: ExplainCause;
  readonly certainty: Certainty;
  /** Words that the evidence must hold, in any order. */
  readonly because: readonly RegExp[];
}

export const refused = '127.0.0.1:801: nothing listens there';
export const silentReason = 'its connection stands, but nothing was answered for 0.75 s';

export function check({ evidence, cause, certainty, because }: Case): Explanation {
  const answer = explain({ about: 'leader', id: '' }, evidence);
  assert.equal(answer.cause, cause, answer.answer);
  assert.equal(answer.certainty, certainty, answer.answer);
  const words = answer.evidence.map(({ text }) => text).join('\n');
  for (const word of because) assert.match(words, word);
  return answer;
}
