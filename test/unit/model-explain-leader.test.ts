/** Why did the leader change? Hand-made evidence for each cause, as the nodes of a real cluster would record it. */
import assert from 'node:assert/strict';
import {
  away,
  type Case,
  check,
  followerOfTwo,
  followsFive,
  followsSix,
  leaderTwo,
  ledFive,
  linkBroke,
  n2,
  n3,
  oldLeader,
  refused,
  silentReason,
  stepsDown,
  timedOut,
  voted,
  wonSix,
} from './model-stories.ts';
import { answers, eventsOf, evidenceOf, NOW, statusOf } from './model-support.ts';

const changes: readonly Case[] = [
  {
    name: 'killed: its process is gone and its links broke first',
    evidence: evidenceOf(away('RETRYING', refused), n2(linkBroke, timedOut), n3(linkBroke)),
    cause: 'LEADER_KILLED',
    certainty: 'CERTAIN',
    because: [
      /n2: its link to n1 is down/,
      /campaigns in term 5: no leader was heard .*silent for 210 ms/,
      /nothing listens/,
    ],
  },
  {
    name: 'killed, a moment after a pause that was too short for its silence',
    evidence: evidenceOf(
      away('RETRYING', refused, ['LOOP_SLOW', 'PAUSED', { ms: 105 }]),
      n2(linkBroke, timedOut),
      n3(linkBroke),
    ),
    cause: 'LEADER_KILLED',
    certainty: 'CERTAIN',
    because: [/n2: its link to n1 is down/],
  },
  {
    name: 'killed, before we had looked at it',
    evidence: evidenceOf(
      { node: 'n1', reachable: false, reason: refused, link: 'RETRYING', events: [] },
      n2(linkBroke, timedOut),
      n3(linkBroke),
    ),
    cause: 'LEADER_KILLED',
    certainty: 'LIKELY',
    because: [/no process listens/],
  },
  {
    name: 'killed and started again',
    evidence: evidenceOf(
      {
        ...oldLeader(),
        events: [
          ...eventsOf('n1', ledFive),
          ...eventsOf('n1', [['STARTED', 'STARTED', { term: 5, index: 100 }], followsSix], 'n1-b'),
        ],
      },
      n2(linkBroke, timedOut),
      n3(linkBroke),
    ),
    cause: 'LEADER_KILLED',
    certainty: 'CERTAIN',
    because: [/n1: started in term 5/, /its link to n1 is down/],
  },
  {
    name: 'killed, as one follower alone can tell',
    evidence: evidenceOf(n2(linkBroke, timedOut)),
    cause: 'LEADER_KILLED',
    certainty: 'LIKELY',
    because: [/its link to n1 is down/],
  },
  {
    name: 'paused still: its links stand and it is silent',
    evidence: evidenceOf(away('SILENT', silentReason), n2(timedOut), n3()),
    cause: 'LEADER_PAUSED',
    certainty: 'LIKELY',
    because: [/n1 does not answer, though its connection stands/, /silent for 210 ms/],
  },
  {
    name: 'paused still, and its links were given up later',
    evidence: evidenceOf(
      away('SILENT', silentReason),
      answers('n2', leaderTwo, [followsFive, timedOut, ...wonSix, linkBroke]),
      n3(),
    ),
    cause: 'LEADER_PAUSED',
    certainty: 'LIKELY',
    because: [/though its connection stands/],
  },
  {
    name: 'paused just now: it said last that it leads, and noticed nothing',
    evidence: evidenceOf(answers('n1', statusOf('n1', { role: 'LEADER' }), ledFive), n2(timedOut), n3()),
    cause: 'LEADER_PAUSED',
    certainty: 'LIKELY',
    because: [/n1 said last that it leads term 5/],
  },
  {
    name: 'paused and running again: found a new leader',
    evidence: evidenceOf(
      oldLeader(stepsDown('LEADER_ELECTED', { leader: 'n2' }), [
        'LOOP_SLOW',
        'PAUSED',
        { term: 6, ms: 3_000 },
      ]),
      n2(timedOut),
      n3(),
    ),
    cause: 'LEADER_PAUSED',
    certainty: 'CERTAIN',
    because: [/n1: its process did not run for 3 s and used no CPU/, /n1: leads no more/],
  },
  {
    name: 'paused and running again: stepped down by itself, pause recorded first',
    evidence: evidenceOf(
      oldLeader(['LOOP_SLOW', 'PAUSED', { ms: 3_000 }], stepsDown('STALLED'), followsSix),
      n2(timedOut),
      n3(),
    ),
    cause: 'LEADER_PAUSED',
    certainty: 'CERTAIN',
    because: [/did not run for 3 s/],
  },
  {
    name: 'busy',
    evidence: evidenceOf(
      oldLeader(['LOOP_SLOW', 'BUSY', { ms: 900 }], stepsDown('HIGHER_TERM')),
      n2(timedOut),
      n3(),
    ),
    cause: 'LEADER_BUSY',
    certainty: 'CERTAIN',
    because: [/its event loop was busy for 900 ms/],
  },
  {
    name: 'cut off: a pause long ago is not the reason',
    evidence: evidenceOf(
      oldLeader(
        ['LOOP_SLOW', 'PAUSED', { ms: 3_000, at: NOW - 25_500 }],
        ['CONTACT_LOST', 'NO_REPLY', { peer: 'n2', ms: 300, at: NOW - 10_000 }],
        ['CONTACT_LOST', 'NO_REPLY', { peer: 'n3', ms: 300, at: NOW - 10_000 }],
        stepsDown('QUORUM_LOST', { at: NOW - 10_000 }),
      ),
      n2(timedOut),
      n3(),
    ),
    cause: 'LEADER_CUT_OFF',
    certainty: 'CERTAIN',
    because: [
      /n1: n2 has not answered for 300 ms/,
      /n1: n3 has not answered/,
      /it heard from no quorum/,
      /n2: campaigns/,
    ],
  },
  {
    name: 'cut off in one direction',
    evidence: evidenceOf(
      oldLeader(
        ['CONTACT_LOST', 'NO_REPLY', { peer: 'n2', ms: 300 }],
        ['CONTACT_LOST', 'NO_REPLY', { peer: 'n3', ms: 300 }],
        stepsDown('QUORUM_LOST'),
      ),
      n2(['ROLE', 'TRANSFER_RECEIVED', { term: 6, role: 'CANDIDATE', was: 'FOLLOWER', leader: '', ms: 20 }]),
      n3(),
    ),
    cause: 'LEADER_CUT_OFF',
    certainty: 'CERTAIN',
    because: [/n1: n2 has not answered for 300 ms/, /it heard from no quorum/, /n2: campaigns in term 6/],
  },
  {
    name: 'cut off, and believing still',
    evidence: evidenceOf(
      answers('n1', statusOf('n1', { role: 'LEADER' }), [
        ...ledFive,
        ['CONTACT_LOST', 'NO_REPLY', { peer: 'n2', ms: 300 }],
      ]),
      n2(linkBroke, timedOut),
      n3(linkBroke),
    ),
    cause: 'LEADER_CUT_OFF',
    certainty: 'CERTAIN',
    because: [/n1 said last that it leads term 5/, /n2 has not answered/, /n2: its link to n1 is down/],
  },
  {
    name: 'cut off with broken links, as proxies do',
    evidence: evidenceOf(
      oldLeader(
        ['PEER_DOWN', 'LOST', { peer: 'n2', reason: 'the connection closed' }],
        ['PEER_DOWN', 'LOST', { peer: 'n3', reason: 'the connection closed' }],
        stepsDown('QUORUM_LOST'),
      ),
      n2(linkBroke, timedOut),
      n3(linkBroke),
    ),
    cause: 'LEADER_CUT_OFF',
    certainty: 'CERTAIN',
    because: [/n1: its link to n2 is down/, /n2: its link to n1 is down/],
  },
  {
    name: 'cut off, as the old leader alone can tell',
    evidence: evidenceOf(
      answers('n1', statusOf('n1', { leader: null, leaderContactMs: null }), [
        ...ledFive,
        ['CONTACT_LOST', 'NO_REPLY', { peer: 'n2', ms: 300 }],
        stepsDown('QUORUM_LOST'),
        followsSix,
      ]),
    ),
    cause: 'LEADER_CUT_OFF',
    certainty: 'LIKELY',
    because: [/it heard from no quorum/],
  },
  {
    name: 'not heard by one that was elected over it',
    evidence: evidenceOf(
      oldLeader(['CONTACT_LOST', 'NO_REPLY', { peer: 'n2', ms: 300 }], stepsDown('HIGHER_TERM')),
      n2(timedOut),
      n3(),
    ),
    cause: 'LEADER_CUT_OFF',
    certainty: 'CERTAIN',
    because: [/n2 has not answered/, /n2: campaigns/],
  },
  {
    name: 'its followers were away',
    evidence: evidenceOf(
      oldLeader(stepsDown('QUORUM_LOST')),
      n2(['LOOP_SLOW', 'PAUSED', { ms: 4_000 }], timedOut),
      n3(['LOOP_SLOW', 'PAUSED', { ms: 4_100 }]),
    ),
    cause: 'NO_QUORUM',
    certainty: 'CERTAIN',
    because: [/n2: its process did not run for 4 s/, /n3: its process did not run for 4.1 s/],
  },
  {
    name: 'transferred to one of a higher priority',
    evidence: evidenceOf(
      oldLeader(['TRANSFER_STARTED', 'PRIORITY', { peer: 'n2' }], stepsDown('TRANSFERRED')),
      n2(['ROLE', 'TRANSFER_RECEIVED', { term: 6, role: 'CANDIDATE', was: 'FOLLOWER', leader: '', ms: 20 }]),
      n3(),
    ),
    cause: 'LEADER_TRANSFERRED',
    certainty: 'CERTAIN',
    because: [/n1: hands its leadership over to n2, which has a higher priority/],
  },
  {
    name: 'transferred',
    evidence: evidenceOf(
      oldLeader(['TRANSFER_STARTED', 'TRANSFER_ASKED', { peer: 'n2' }], stepsDown('TRANSFERRED')),
      n2(['ROLE', 'TRANSFER_RECEIVED', { term: 6, role: 'CANDIDATE', was: 'FOLLOWER', leader: '', ms: 20 }]),
      n3(),
    ),
    cause: 'LEADER_TRANSFERRED',
    certainty: 'CERTAIN',
    because: [
      /n1: hands its leadership over to n2/,
      /n1: leads no more.*handed its leadership over/,
      /n2: campaigns in term 6: the leader handed over to it/,
    ],
  },
  {
    name: 'its app was not healthy, so it handed over by itself',
    evidence: evidenceOf(
      oldLeader(
        [
          'APP',
          'APP_STALLED',
          { state: 'STALLED', condition: 'FAILED', index: 7, entry: 8, reason: 'poison' },
        ],
        ['TRANSFER_STARTED', 'APP_UNHEALTHY', { peer: 'n2' }],
        stepsDown('TRANSFERRED'),
      ),
      n2(['ROLE', 'TRANSFER_RECEIVED', { term: 6, role: 'CANDIDATE', was: 'FOLLOWER', leader: '', ms: 20 }]),
      n3(),
    ),
    cause: 'LEADER_APP_UNHEALTHY',
    certainty: 'CERTAIN',
    because: [
      /n1: its app is FAILED, applied up to 7: poison/,
      /n1: hands its leadership over to n2, since its own app is not healthy/,
    ],
  },
  {
    name: 'transferred, as the third node alone can tell',
    evidence: evidenceOf(answers('n3', followerOfTwo('n3'), [followsFive, voted, followsSix])),
    cause: 'LEADER_TRANSFERRED',
    certainty: 'LIKELY',
    because: [/gives n2 its vote for term 6/],
  },
  {
    name: 'stopped in order',
    evidence: evidenceOf(
      away(
        'RETRYING',
        refused,
        ['STOPPING', 'SHUTTING_DOWN', { reason: 'SIGTERM' }],
        ['TRANSFER_STARTED', 'TRANSFER_ASKED', { peer: '' }],
        stepsDown('TRANSFERRED'),
      ),
      n2(['ROLE', 'TRANSFER_RECEIVED', { term: 6, role: 'CANDIDATE', was: 'FOLLOWER', leader: '' }]),
      n3(),
    ),
    cause: 'LEADER_STOPPED',
    certainty: 'CERTAIN',
    because: [/n1: stops by itself: it is stopping: SIGTERM/],
  },
  {
    name: 'stopped by a fault',
    evidence: evidenceOf(
      away('RETRYING', refused, ['STOPPING', 'FAULT', { reason: 'EIO' }]),
      n2(linkBroke, timedOut),
      n3(linkBroke),
    ),
    cause: 'LEADER_STOPPED',
    certainty: 'CERTAIN',
    because: [/stops by itself: a fault: EIO/],
  },
  {
    name: 'its disk was stuck',
    evidence: evidenceOf(
      oldLeader(['DISK_SLOW', 'WAITING', { ms: 1_100 }], stepsDown('DISK_STUCK')),
      n2(timedOut),
      n3(),
    ),
    cause: 'LEADER_DISK_STUCK',
    certainty: 'CERTAIN',
    because: [/waiting for the disk for 1.1 s/, /its disk is stuck or full/],
  },
  {
    name: 'talked down by a node that returned with a higher term',
    evidence: evidenceOf(
      answers('n1', statusOf('n1', { term: 10, leader: 'n2' }), [
        ...ledFive,
        ['CONTACT_REGAINED', 'REPLIED', { peer: 'n3', ms: 9_000 }],
        stepsDown('HIGHER_TERM', { term: 9 }),
      ]),
      answers('n2', statusOf('n2', { role: 'LEADER', term: 10, leader: 'n2' }), [
        followsFive,
        ['ROLE', 'HIGHER_TERM', { term: 9, role: 'FOLLOWER', was: 'FOLLOWER', leader: '' }],
        ['ROLE', 'ELECTION_TIMEOUT', { term: 10, role: 'CANDIDATE', was: 'FOLLOWER', leader: '' }],
        ['ROLE', 'VOTE_WON', { term: 10, role: 'LEADER', was: 'CANDIDATE', leader: 'n2' }],
      ]),
      answers('n3', statusOf('n3', { term: 10, leader: 'n2' }), [
        followsFive,
        ['ROLE', 'ELECTION_TIMEOUT', { term: 9, role: 'CANDIDATE', was: 'CANDIDATE', leader: '' }],
        ['ROLE', 'LEADER_ELECTED', { term: 10, role: 'FOLLOWER', was: 'CANDIDATE', leader: 'n2' }],
      ]),
    ),
    cause: 'RETURNED_WITH_HIGHER_TERM',
    certainty: 'CERTAIN',
    because: [/n3: campaigns in term 9/, /n1: n3 answers again, after 9 s/],
  },
  {
    name: 'first election',
    evidence: evidenceOf(
      answers('n1', statusOf('n1', { role: 'LEADER' }), ledFive),
      answers('n2', statusOf('n2'), [['STARTED', 'STARTED', { term: 4, index: 90 }], followsFive]),
      answers('n3', statusOf('n3'), [['STARTED', 'STARTED', { term: 4, index: 90 }], followsFive]),
    ),
    cause: 'FIRST_ELECTION',
    certainty: 'CERTAIN',
    because: [/n1: started in term 4/, /n1: leads term 5/],
  },
  {
    name: 'stable: nobody remembers another leader',
    evidence: evidenceOf(
      answers('n1', statusOf('n1', { role: 'LEADER' }), [['COMMIT', 'QUORUM', { index: 100, entries: 3 }]]),
      answers('n2', statusOf('n2')),
    ),
    cause: 'LEADER_STABLE',
    certainty: 'CERTAIN',
    because: [/n1 leads term 5/, /n2 follows n1 in term 5/],
  },
  {
    name: 'the events begin after the election',
    evidence: evidenceOf(answers('n2', leaderTwo, wonSix)),
    cause: 'UNKNOWN',
    certainty: 'UNKNOWN',
    because: [/n2: leads term 6/],
  },
];

describe('explain: why did the leader change', () => {
  for (const one of changes) {
    it(one.name, () => {
      const answer = check(one);
      if (one.cause !== 'UNKNOWN') assert.ok(answer.answer.endsWith('.'));
    });
  }

  it('does not depend on the clocks of the nodes agreeing', () => {
    for (const one of changes) {
      const skewed = one.evidence.nodes.map((node, i) => ({
        ...node,
        ...(node.status === undefined
          ? {}
          : { status: { ...node.status, now: node.status.now + i * 3_600_000 } }),
        events: node.events.map((event) => ({ ...event, at: event.at + i * 3_600_000 })),
      }));
      check({ ...one, evidence: { ...one.evidence, nodes: skewed } });
    }
  });

  it('does not depend on the order of the nodes', () => {
    for (const one of changes) {
      check({ ...one, evidence: { ...one.evidence, nodes: [...one.evidence.nodes].reverse() } });
    }
  });

  it('names who led, and who leads now', () => {
    const [killed] = changes;
    assert.ok(killed);
    assert.match(check(killed).answer, /n1, which led term 5.* killed or crashed.* n2 leads term 6/);
  });
});
