/** Why is a node behind, and how is it? Hand-made evidence for each cause. n1 leads, the question is about n2. */
import assert from 'node:assert/strict';
import { explain } from '../../shared/explain/explain.ts';
import type { Certainty, Evidence, ExplainCause, NodeEvidence } from '../../shared/explain/types.ts';
import type { MemberStatus, ProgressStatus } from '../../shared/inspect.ts';
import { answers, eventsOf, evidenceOf, NOW, progressOf, statusOf, type Told } from './model-support.ts';

function leader(over: Partial<ProgressStatus> = {}, told: readonly Told[] = []): NodeEvidence {
  const progress = [progressOf('n2', over), progressOf('n3')];
  return answers(
    'n1',
    statusOf('n1', { role: 'LEADER', lastIndex: 900, commitIndex: 900, durableIndex: 900, progress }),
    told,
  );
}
const lost: Told = ['CONTACT_LOST', 'NO_REPLY', { peer: 'n2', ms: 300 }];
const unheard = { lagEntries: 800, lagMs: 3_000, lastContactMs: 3_000, behind: 'NO_CONTACT' } as const;
const trailing = { lagEntries: 800, lagMs: 3_000 } as const;
const third = answers('n3', statusOf('n3'));
const linkOf = (id: string, reason: string): MemberStatus => ({
  ...{ id, peer: '127.0.0.1:7001', http: '', kind: 'VOTER', self: false, connected: false, reason },
});

function missing(link: 'SILENT' | 'RETRYING', reason: string, told: readonly Told[] = []): NodeEvidence {
  return { node: 'n2', reachable: false, reason, link, status: statusOf('n2'), events: eventsOf('n2', told) };
}

interface Case {
  readonly name: string;
  readonly evidence: Evidence;
  readonly cause: ExplainCause;
  readonly certainty: Certainty;
  readonly because: readonly RegExp[];
  /** About the member the same is said, unless this differs. */
  readonly member?: ExplainCause;
}

const refused = '127.0.0.1:802: nothing listens there';

const cases: readonly Case[] = [
  {
    name: 'down: its process is gone, and the leader misses it',
    evidence: evidenceOf(leader(unheard, [lost]), missing('RETRYING', refused), third),
    cause: 'FOLLOWER_DOWN',
    certainty: 'CERTAIN',
    because: [
      /no process listens at the address of n2/,
      /n1: n2 has not answered for 300 ms/,
      /heard n2 3 s ago/,
    ],
  },
  {
    name: 'down: it stopped by itself',
    evidence: evidenceOf(
      leader(unheard, [lost]),
      missing('RETRYING', refused, [['STOPPING', 'SHUTTING_DOWN']]),
      third,
    ),
    cause: 'FOLLOWER_DOWN',
    certainty: 'CERTAIN',
    because: [/n2: stops by itself/],
  },
  {
    name: 'down, as the leader alone can tell',
    evidence: evidenceOf(
      leader(unheard, [lost, ['PEER_DOWN', 'LOST', { peer: 'n2', reason: 'ECONNRESET' }]]),
    ),
    cause: 'FOLLOWER_DOWN',
    certainty: 'LIKELY',
    because: [/its link to n2 is down: ECONNRESET/],
  },
  {
    name: 'refused: it came with another disk',
    evidence: evidenceOf(
      leader(unheard, [lost]),
      answers(
        'n2',
        statusOf('n2', { members: [linkOf('n1', 'WRONG_DISK: n2 has another disk than before')] }),
      ),
      third,
    ),
    cause: 'FOLLOWER_REFUSED',
    certainty: 'CERTAIN',
    because: [/the link of n2 says: WRONG_DISK: n2 has another disk/],
  },
  {
    name: 'its disk is full, so that the leader hears nothing of it',
    evidence: evidenceOf(
      leader(unheard, [lost]),
      answers(
        'n2',
        statusOf('n2', { store: { ...statusOf('n2').store, state: 'NO_SPACE', reason: 'the disk is full' } }),
      ),
      third,
    ),
    cause: 'DISK_FULL',
    certainty: 'CERTAIN',
    because: [/n2 says that its disk is full/],
  },
  {
    name: 'paused: silent to the leader and to us, its connections stand',
    evidence: evidenceOf(leader(unheard, [lost]), missing('SILENT', 'its connection stands'), third),
    cause: 'FOLLOWER_PAUSED',
    certainty: 'LIKELY',
    because: [/n2 does not answer, though its connection stands/, /n2 has not answered for 300 ms/],
  },
  {
    name: 'paused, as the leader alone can tell',
    evidence: evidenceOf(leader(unheard, [lost])),
    cause: 'FOLLOWER_PAUSED',
    certainty: 'LIKELY',
    because: [/n2 has not answered for 300 ms/],
  },
  {
    name: 'paused a moment ago: it says so',
    evidence: evidenceOf(
      leader({ ...trailing, behind: 'CATCHING_UP' }),
      answers('n2', statusOf('n2'), [['LOOP_SLOW', 'PAUSED', { ms: 3_000, at: NOW - 500 }]]),
      third,
    ),
    cause: 'FOLLOWER_PAUSED',
    certainty: 'CERTAIN',
    because: [/n2: its process did not run for 3 s and used no CPU/, /knows of 800 entries/],
  },
  {
    name: 'cut off: it answers us and hears no leader',
    evidence: evidenceOf(
      leader(unheard, [lost]),
      answers('n2', statusOf('n2', { leader: null, leaderContactMs: null }), [
        ['ROLE', 'ELECTION_TIMEOUT', { role: 'CANDIDATE', was: 'FOLLOWER', leader: '', ms: 250 }],
      ]),
      third,
    ),
    cause: 'FOLLOWER_CUT_OFF',
    certainty: 'CERTAIN',
    because: [/n2 answers/, /n2: campaigns in term 5/, /n2 hears no leader/],
  },
  {
    name: 'cut off, as it alone can tell',
    evidence: evidenceOf(answers('n2', statusOf('n2', { leader: null, leaderContactMs: 4_000 }))),
    cause: 'FOLLOWER_CUT_OFF',
    certainty: 'LIKELY',
    because: [/n2 hears no leader in term 5 for 4 s/],
  },
  {
    name: 'unreachable from here only',
    evidence: evidenceOf(leader(), missing('RETRYING', 'no connection within 2 s'), third),
    cause: 'UNREACHABLE',
    certainty: 'CERTAIN',
    because: [/n2 cannot be reached/, /heard n2 20 ms ago/],
  },
  {
    name: 'slow disk: a write waits, the window is full',
    evidence: evidenceOf(
      leader({ ...trailing, behind: 'WINDOW_FULL', inflightBytes: 2_097_152 }),
      answers('n2', statusOf('n2', { store: { oldestWriteMs: 1_400 } }), [
        ['DISK_SLOW', 'SLOW_WRITE', { ms: 700, at: NOW - 800 }],
      ]),
      third,
    ),
    cause: 'SLOW_DISK',
    certainty: 'CERTAIN',
    because: [
      /a write of n2 has been waiting for the disk for 1.4 s/,
      /n2: a write of the log took 700 ms/,
      /2097152 bytes/,
    ],
  },
  {
    name: 'slow disk, between two slow writes',
    evidence: evidenceOf(
      leader({ ...trailing, behind: 'WINDOW_FULL' }),
      answers('n2', statusOf('n2'), [
        ['DISK_SLOW', 'SLOW_WRITE', { ms: 700, at: NOW - 800 }],
        ['DISK_OK', 'WROTE', { at: NOW - 700 }],
      ]),
      third,
    ),
    cause: 'SLOW_DISK',
    certainty: 'LIKELY',
    because: [/took 700 ms/],
  },
  {
    name: 'window full, with a disk that is not slow',
    evidence: evidenceOf(
      leader({ ...trailing, behind: 'WINDOW_FULL' }),
      answers('n2', statusOf('n2')),
      third,
    ),
    cause: 'WINDOW_FULL',
    certainty: 'LIKELY',
    because: [/WINDOW_FULL/],
  },
  {
    name: 'disk full',
    evidence: evidenceOf(
      leader({ ...trailing, behind: 'WINDOW_FULL' }),
      answers('n2', statusOf('n2', { store: { state: 'NO_SPACE', reason: 'ENOSPC' } }), [
        ['DISK_FULL', 'NO_SPACE', { reason: 'ENOSPC' }],
      ]),
      third,
    ),
    cause: 'DISK_FULL',
    certainty: 'CERTAIN',
    because: [/its disk is full: ENOSPC/],
  },
  {
    name: 'app stalled: the log is there',
    evidence: evidenceOf(
      leader(),
      answers(
        'n2',
        statusOf('n2', {
          commitIndex: 900,
          appliedIndex: 40,
          applyLag: { entries: 860, ms: 12_000 },
          app: { state: 'STALLED', reason: 'no sign for 10 s' },
        }),
        [['APP', 'APP_STALLED', { state: 'STALLED', index: 40, reason: 'no sign for 10 s' }]],
      ),
      third,
    ),
    cause: 'APP_STALLED',
    certainty: 'CERTAIN',
    because: [
      /the app of n2 is STALLED: no sign for 10 s/,
      /knows 900 as committed, and its app has applied 40/,
    ],
  },
  {
    name: 'app slow',
    evidence: evidenceOf(
      leader(),
      answers('n2', statusOf('n2', { applyLag: { entries: 50, ms: 2_000 } })),
      third,
    ),
    cause: 'APP_SLOW',
    certainty: 'CERTAIN',
    because: [/CONNECTED/],
  },
  {
    name: 'app absent',
    evidence: evidenceOf(
      leader(),
      answers('n2', statusOf('n2', { app: { state: 'ABSENT', reason: 'it closed its connection' } })),
      third,
    ),
    cause: 'APP_ABSENT',
    certainty: 'CERTAIN',
    because: [/the app of n2 is ABSENT: it closed its connection/],
  },
  {
    name: 'log conflict',
    evidence: evidenceOf(
      leader({ ...trailing, behind: 'PROBING', state: 'PROBE' }, [
        ['APPEND_REJECTED', 'CONFLICT', { peer: 'n2', index: 812, through: 700 }],
      ]),
      answers('n2', statusOf('n2'), [
        ['APPEND_REJECTED', 'CONFLICT', { peer: 'n1', index: 812, through: 700 }],
      ]),
      third,
    ),
    cause: 'LOG_CONFLICT',
    certainty: 'CERTAIN',
    because: [/n2: an append after entry 812 did not fit/, /n1: an append after entry 812/],
  },
  {
    name: 'is sent a snapshot',
    evidence: evidenceOf(
      leader({ ...trailing, behind: 'SNAPSHOT', state: 'SNAPSHOT' }, [
        ['SNAPSHOT_FAILED', 'FAILED', { reason: 'no app' }],
        ['SNAPSHOT_TAKEN', 'TAKEN', { index: 500 }],
      ]),
      answers('n2', statusOf('n2'), [
        ['SNAPSHOT_FETCHING', 'BEGUN', { peer: 'n1', index: 500, bytes: 3_000_000 }],
      ]),
      third,
    ),
    cause: 'NEEDS_SNAPSHOT',
    certainty: 'CERTAIN',
    because: [/n2: gets the snapshot of everything up to entry 500 from n1/, /SNAPSHOT/],
  },
  {
    name: 'there is no snapshot to be sent',
    evidence: evidenceOf(
      leader({ ...trailing, behind: 'SNAPSHOT', state: 'SNAPSHOT' }, [
        ['SNAPSHOT_FAILED', 'FAILED', { reason: 'the app takes none' }],
      ]),
      answers('n2', statusOf('n2')),
      third,
    ),
    cause: 'NEEDS_SNAPSHOT',
    certainty: 'CERTAIN',
    because: [/n1: has no snapshot: the app takes none/, /SNAPSHOT/],
  },
  {
    name: 'snapshots are outrun',
    evidence: evidenceOf(
      leader({ ...trailing, behind: 'SNAPSHOT', state: 'SNAPSHOT' }, [
        ['SNAPSHOT_OUTRUN', 'GAP', { peer: 'n2', index: 500, through: 700 }],
      ]),
      answers('n2', statusOf('n2'), [['SNAPSHOT_INSTALLED', 'FETCHED', { index: 500, bytes: 3_000_000 }]]),
      third,
    ),
    cause: 'NEEDS_SNAPSHOT',
    certainty: 'CERTAIN',
    because: [
      /n1: n2 took a snapshot of everything up to entry 500, and by then the log begins at 700/,
      /SNAPSHOT/,
    ],
  },
  {
    name: 'catching up from the disk of the leader',
    evidence: evidenceOf(leader({ ...trailing, behind: 'FETCHING' }), answers('n2', statusOf('n2')), third),
    cause: 'CATCHING_UP',
    certainty: 'CERTAIN',
    because: [/FETCHING/],
  },
  {
    name: 'not behind: what is on its way is always on its way',
    evidence: evidenceOf(
      leader({ lagEntries: 30, lagMs: 4, behind: 'CATCHING_UP' }),
      answers('n2', statusOf('n2')),
      third,
    ),
    cause: 'NOT_BEHIND',
    certainty: 'CERTAIN',
    because: [/knows of 30 entries/],
    member: 'HEALTHY',
  },
  {
    name: 'not behind, as it alone can tell',
    evidence: evidenceOf(answers('n2', statusOf('n2'))),
    cause: 'NOT_BEHIND',
    certainty: 'LIKELY',
    because: [/n2 has committed 100 and applied 100/],
    member: 'HEALTHY',
  },
  {
    name: 'log unproven',
    evidence: evidenceOf(
      leader(),
      answers('n2', statusOf('n2', { store: { whole: false, reason: 'the guard is ahead' } })),
      third,
    ),
    cause: 'NOT_BEHIND',
    certainty: 'CERTAIN',
    because: [],
    member: 'LOG_UNPROVEN',
  },
];

describe('explain: why is a node behind', () => {
  for (const { name, evidence, cause, certainty, because, member } of cases) {
    it(name, () => {
      const answer = explain({ about: 'lag', id: 'n2' }, evidence);
      assert.equal(answer.cause, cause, answer.answer);
      assert.equal(answer.certainty, certainty, answer.answer);
      const words = answer.evidence.map(({ text }) => text).join('\n');
      for (const word of because) assert.match(words, word);
      assert.equal(explain({ about: 'member', id: 'n2' }, evidence).cause, member ?? cause);
    });
  }

  it('does not take an answer from before the leader lost it for a sign of life', () => {
    const asked = (answeredMsAgo: number) =>
      explain(
        { about: 'lag', id: 'n2' },
        evidenceOf(
          { ...leader({ ...unheard, lastContactMs: 500 }, [lost]), statusAt: NOW },
          { ...answers('n2', statusOf('n2')), statusAt: NOW - answeredMsAgo },
          third,
        ),
      );
    assert.equal(asked(480).cause, 'UNKNOWN');
    assert.ok(asked(480).evidence.length > 0);
    assert.equal(asked(100).cause, 'FOLLOWER_CUT_OFF');
  });

  it('does not take a campaign of an older term for a sign that it hears no leader now', () => {
    const campaign: Told = ['ROLE', 'ELECTION_TIMEOUT', { role: 'CANDIDATE', was: 'FOLLOWER', term: 4 }];
    const evidence = evidenceOf(leader(unheard, [lost]), answers('n2', statusOf('n2'), [campaign]), third);
    assert.equal(explain({ about: 'lag', id: 'n2' }, evidence).certainty, 'LIKELY');
  });

  it('says that a stalled app is no replication lag', () => {
    const stalled = cases.find(({ cause }) => cause === 'APP_STALLED');
    assert.ok(stalled);
    const { answer } = explain({ about: 'lag', id: 'n2' }, stalled.evidence);
    assert.match(answer, /860 entries \/ 12 s behind.*This is applied lag, not replication lag/);
  });

  it('finds whoever trails most by itself', () => {
    for (const { evidence, cause } of cases) {
      if (cause === 'NOT_BEHIND') continue;
      assert.equal(explain({ about: 'lag', id: '' }, evidence).cause, cause);
    }
  });

  it('says what is missing where nothing is known', () => {
    assert.equal(explain({ about: 'lag', id: 'n2' }, evidenceOf()).cause, 'UNKNOWN');
    assert.match(explain({ about: 'lag', id: 'n9' }, evidenceOf(leader())).answer, /No node named n9/);
    assert.equal(explain({ about: 'lag', id: '' }, evidenceOf()).cause, 'UNKNOWN');
    assert.match(explain({ about: 'member', id: 'n9' }, evidenceOf(leader())).answer, /No member named n9/);
  });
});
