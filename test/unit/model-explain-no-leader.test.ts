/** Why is there no leader? Hand-made evidence for each cause. */
import type { NodeEvidence } from '../../shared/explain/types.ts';
import { away, type Case, check, followsFive, linkBroke, refused, timedOut } from './model-stories.ts';
import { answers, evidenceOf, statusOf, type Told } from './model-support.ts';

const noLeader = (id: string, over = {}) =>
  statusOf(id, { term: 6, leader: null, leaderContactMs: null, ...over });
const gone = (id: string): NodeEvidence => ({
  node: id,
  reachable: false,
  reason: refused,
  link: 'RETRYING',
  events: [],
});
const campaigns: readonly Told[] = [
  timedOut,
  ['ROLE', 'PRE_VOTE_WON', { term: 6, role: 'CANDIDATE', was: 'CANDIDATE', leader: '' }],
];

const none: readonly Case[] = [
  {
    name: 'no quorum: two of three are gone',
    evidence: evidenceOf(
      gone('n1'),
      gone('n2'),
      answers('n3', noLeader('n3', { role: 'CANDIDATE' }), [followsFive, linkBroke, timedOut]),
    ),
    cause: 'NO_QUORUM',
    certainty: 'CERTAIN',
    because: [/no process listens at the address of n1/, /no process listens at the address of n2/],
  },
  {
    name: 'no quorum, as one node alone can tell',
    evidence: evidenceOf(
      answers(
        'n3',
        noLeader('n3', {
          members: statusOf('n3').members.map((m) =>
            m.self ? m : { ...m, connected: false, reason: 'ECONNREFUSED' },
          ),
        }),
        [timedOut],
      ),
    ),
    cause: 'NO_QUORUM',
    certainty: 'LIKELY',
    because: [/n3 is not connected to n1: ECONNREFUSED/, /n3 is not connected to n2/],
  },
  {
    name: 'split vote',
    evidence: evidenceOf(
      gone('n1'),
      answers('n2', noLeader('n2'), [
        ...campaigns,
        ['VOTE_RECEIVED', 'ALREADY_VOTED', { term: 6, peer: 'n3', granted: false, preVote: false }],
      ]),
      answers('n3', noLeader('n3'), [
        ...campaigns,
        ['VOTE_RECEIVED', 'ALREADY_VOTED', { term: 6, peer: 'n2', granted: false, preVote: false }],
      ]),
    ),
    cause: 'SPLIT_VOTE',
    certainty: 'CERTAIN',
    because: [/n3 refuses it its vote for term 6: it voted for another/],
  },
  {
    name: 'votes refused',
    evidence: evidenceOf(
      gone('n1'),
      answers('n2', noLeader('n2'), [
        timedOut,
        ['VOTE_RECEIVED', 'LOG_BEHIND', { term: 6, peer: 'n3', granted: false, preVote: true }],
      ]),
      answers('n3', noLeader('n3', { store: { whole: false } }), []),
    ),
    cause: 'VOTES_REFUSED',
    certainty: 'LIKELY',
    because: [/the candidate's log is behind/],
  },
  {
    name: 'killed, and nobody elected yet',
    evidence: evidenceOf(
      away('RETRYING', refused),
      answers('n2', noLeader('n2', { term: 5 }), [followsFive, linkBroke, timedOut]),
      answers('n3', noLeader('n3', { term: 5 }), [followsFive, linkBroke]),
    ),
    cause: 'LEADER_KILLED',
    certainty: 'CERTAIN',
    because: [/its link to n1 is down/],
  },
  { name: 'nothing known', evidence: evidenceOf(), cause: 'UNKNOWN', certainty: 'UNKNOWN', because: [] },
];

function reversed(one: Case): Case {
  return { ...one, evidence: { ...one.evidence, nodes: [...one.evidence.nodes].reverse() } };
}

describe('explain: why is there no leader', () => {
  for (const one of none) {
    it(one.name, () => {
      check(one);
      check(reversed(one));
    });
  }
});
