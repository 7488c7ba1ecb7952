/** What the views show of a cluster, from what its nodes said last. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type ClusterView,
  LINK_STATES,
  type NodeSample,
  type NodeView,
  viewCluster,
} from '../../shared/cluster-view.ts';
import type { FaultStatus } from '../../shared/faults.ts';
import { FRESH_MS } from '../../shared/view/leadership.ts';
import { isHarmless } from './extension-support.ts';
import { IDS, NOW, progressOf, sampleOf, statusOf } from './model-support.ts';

const healthy = IDS.map((id) => sampleOf(id));

function view(samples: readonly NodeSample[], now = NOW): ClusterView {
  return viewCluster('orders', samples, now);
}

function node(cluster: ClusterView, id: string): NodeView {
  const found = cluster.nodes.find((one) => one.id === id);
  assert.ok(found, `${id} is shown`);
  return found;
}

function codes(problems: NodeView['problems']): string[] {
  return problems.map(({ code }) => code);
}

function leaderSaying(...progress: ReturnType<typeof progressOf>[]): NodeSample {
  return sampleOf('n1', {
    status: statusOf('n1', { role: 'LEADER', commitIndex: 100, lastIndex: 100, progress }),
  });
}

const silent = { state: 'SILENT', reason: 'nothing was answered', since: NOW - 3_000 } as const;
const down = { state: 'RETRYING', reason: 'nothing listens there', since: NOW - 3_000 } as const;

describe('cluster view', () => {
  it('shows a healthy cluster without a problem', () => {
    const cluster = view(healthy);
    assert.equal(cluster.health, 'HEALTHY');
    assert.deepEqual([cluster.leader, cluster.term, cluster.commitIndex], ['n1', 5, 100]);
    assert.deepEqual(cluster.problems, []);
    assert.deepEqual(
      cluster.nodes.flatMap(({ problems }) => problems),
      [],
    );
    assert.deepEqual(
      cluster.nodes.map(({ id, isLeader }) => [id, isLeader]),
      [
        ['n1', true],
        ['n2', false],
        ['n3', false],
      ],
    );
  });

  it('believes the claim of the highest term, and tells of the older one', () => {
    const n2 = sampleOf('n2', { status: statusOf('n2', { role: 'LEADER', term: 6 }) });
    const n3 = sampleOf('n3', { status: statusOf('n3', { term: 6, leader: 'n2' }) });
    const cluster = view([sampleOf('n1'), n2, n3]);
    assert.deepEqual([cluster.leader, cluster.term, cluster.health], ['n2', 6, 'DEGRADED']);
    assert.equal(node(cluster, 'n1').isLeader, false);
    assert.ok(codes(node(cluster, 'n1').problems).includes('STALE_LEADER'));
  });

  it('does not take a node that does not answer for the leader', () => {
    const followers = ['n2', 'n3'].map((id) =>
      sampleOf(id, { status: statusOf(id, { leader: null, leaderContactMs: null }) }),
    );
    const cluster = view([sampleOf('n1', { link: down }), ...followers]);
    assert.deepEqual([cluster.leader, cluster.health], ['', 'NO_LEADER']);
    assert.deepEqual(codes(cluster.problems), ['NO_LEADER']);
    assert.equal(node(cluster, 'n1').role, 'LEADER', 'as last known');
    assert.deepEqual(codes(node(cluster, 'n1').problems), ['LINK_RETRYING']);
  });

  it('takes the word of followers for a leader that it cannot ask', () => {
    const cluster = view([sampleOf('n2')]);
    assert.deepEqual([cluster.leader, cluster.health], ['n1', 'HEALTHY']);
    assert.equal(node(cluster, 'n1').link.state, 'UNKNOWN');
    assert.equal(node(cluster, 'n1').http, 'http://127.0.0.1:801');
    assert.deepEqual(codes(node(cluster, 'n1').problems), ['LINK_UNKNOWN']);
    assert.equal(view([sampleOf('n2')], NOW + FRESH_MS + 1).leader, '', 'but not for long');
  });

  it('believes followers of a later term more than a claim of an older one', () => {
    const n2 = sampleOf('n2', { status: statusOf('n2', { term: 6, leader: 'n3' }) });
    const cluster = view([sampleOf('n1'), n2]);
    assert.equal(cluster.leader, 'n3');
    assert.ok(codes(node(cluster, 'n1').problems).includes('STALE_LEADER'));
  });

  it('says when two nodes lead one term', () => {
    const n2 = sampleOf('n2', { status: statusOf('n2', { role: 'LEADER' }) });
    const cluster = view([sampleOf('n1'), n2, sampleOf('n3')]);
    assert.deepEqual(codes(cluster.problems), ['TWO_LEADERS']);
    assert.ok(codes(node(cluster, 'n2').problems).includes('RIVAL_LEADER'));
  });

  it('says who is missing for a quorum', () => {
    const n3 = sampleOf('n3', {
      status: statusOf('n3', { role: 'CANDIDATE', leader: null, leaderContactMs: null }),
    });
    const cluster = view([sampleOf('n1', { link: down }), sampleOf('n2', { link: down }), n3]);
    assert.deepEqual(codes(cluster.problems), ['NO_QUORUM']);
    assert.match(
      cluster.problems[0]?.text ?? '',
      /only 1 of 3 voters answer where 2 are needed: n1 and n2 do not/,
    );
  });

  it('is unreachable when nothing answers', () => {
    const cluster = view(healthy.map((sample) => ({ ...sample, link: down })));
    assert.equal(cluster.health, 'UNREACHABLE');
    assert.equal(cluster.leader, '');
    assert.deepEqual(codes(cluster.problems), ['UNREACHABLE']);
    assert.equal(view([]).health, 'UNREACHABLE');
  });
});

describe('cluster view: lags', () => {
  it('measures three lags at one moment each', () => {
    // n2 was asked before the leader: the difference of their commit indexes is no lag.
    const n2 = sampleOf('n2', {
      status: statusOf('n2', { commitIndex: 40, appliedIndex: 35, applyLag: { entries: 5, ms: 70 } }),
    });
    const leader = leaderSaying(
      progressOf('n2', { lagEntries: 12, lagMs: 30, commitIndex: 98, behind: 'CATCHING_UP' }),
      progressOf('n3'),
    );
    assert.deepEqual(node(view([leader, n2, sampleOf('n3')]), 'n2').lag, {
      replicated: { entries: 12, ms: 30 },
      committed: { entries: 2, ms: 30 },
      applied: { entries: 7, ms: 70 },
    });
    assert.deepEqual(
      codes(node(view([leader, n2, sampleOf('n3')]), 'n2').problems),
      [],
      'a moment is no problem',
    );
  });

  it('does not take the ignorance of a new leader for a lag', () => {
    const unheard = { matchIndex: 0, lagEntries: 100, lagMs: 60_000, commitIndex: 0, lastContactMs: null };
    const leader = leaderSaying(progressOf('n2', unheard), progressOf('n3', unheard));
    const n2 = sampleOf('n2', {
      status: statusOf('n2', { lastIndex: 97, commitIndex: 96, appliedIndex: 96 }),
    });
    const { status: _, statusAt: __, ...n3 } = sampleOf('n3', { link: down });
    const cluster = view([leader, n2, n3]);
    assert.equal(node(cluster, 'n2').lag?.replicated.entries, 3);
    assert.equal(node(cluster, 'n2').lag?.committed.entries, 4);
    assert.equal(node(cluster, 'n3').lag, undefined);
  });

  it('lets the lag of a silent node grow, and says why', () => {
    const behind = {
      lagEntries: 812,
      lagMs: 3_000,
      lastContactMs: 3_000,
      behind: 'NO_CONTACT',
      commitIndex: 60,
    } as const;
    const samples = [
      leaderSaying(progressOf('n2'), progressOf('n3', behind)),
      sampleOf('n2'),
      sampleOf('n3', { link: silent, statusAt: NOW - 3_100 }),
    ];
    const before = node(view(samples), 'n3');
    const after = node(view(samples, NOW + 1_500), 'n3');
    assert.deepEqual(before.lag?.replicated, { entries: 812, ms: 3_000 });
    assert.deepEqual(after.lag?.replicated, { entries: 812, ms: 4_500 });
    assert.deepEqual(after.lag?.committed, { entries: 40, ms: 4_500 });
    assert.deepEqual(codes(before.problems), ['LINK_SILENT', 'TRAILS']);
    assert.match(before.problems[1]?.text ?? '', /by 812 entries \/ 3 s \(replicated\): .* is it paused\?/);
    assert.deepEqual(codes(node(view(samples), 'n2').problems), []);
  });

  it('shows a silent node that missed nothing, too', () => {
    const quiet = progressOf('n3', { lastContactMs: 3_000, behind: 'NO_CONTACT' });
    const cluster = view([
      leaderSaying(progressOf('n2'), quiet),
      sampleOf('n2'),
      sampleOf('n3', { link: silent }),
    ]);
    assert.deepEqual(codes(node(cluster, 'n3').problems), ['LINK_SILENT', 'NO_CONTACT']);
    assert.equal(cluster.health, 'DEGRADED');
  });

  it('tells a cut link from a node that is down', () => {
    const quiet = progressOf('n3', { lagEntries: 9, lagMs: 900, lastContactMs: 900, behind: 'NO_CONTACT' });
    const text = (sample: NodeSample): string =>
      node(view([leaderSaying(progressOf('n2'), quiet), sampleOf('n2'), sample]), 'n3')
        .problems.map((problem) => problem.text)
        .join('\n');
    assert.match(text(sampleOf('n3')), /is the link between the two cut\?/);
    assert.match(text(sampleOf('n3', { link: down })), /is it down\?/);
  });

  it('blames the app for what only the app has not done', () => {
    const n2 = sampleOf('n2', { status: statusOf('n2', { applyLag: { entries: 50, ms: 2_000 } }) });
    const cluster = view([sampleOf('n1'), n2, sampleOf('n3')]);
    assert.deepEqual(codes(node(cluster, 'n2').problems), ['APPLY_TRAILS']);
    const stalled = sampleOf('n2', {
      status: statusOf('n2', {
        applyLag: { entries: 50, ms: 2_000 },
        app: { state: 'STALLED', reason: 'no answer' },
      }),
    });
    assert.deepEqual(codes(node(view([sampleOf('n1'), stalled, sampleOf('n3')]), 'n2').problems), [
      'APP_STALLED',
    ]);
  });
});

describe('cluster view: problems', () => {
  const cases: readonly [code: string, sample: NodeSample][] = [
    [
      'APP_ABSENT',
      sampleOf('n2', { status: statusOf('n2', { app: { state: 'ABSENT', reason: 'it left' } }) }),
    ],
    ['APP_LAGGING', sampleOf('n2', { status: statusOf('n2', { app: { state: 'LAGGING' } }) })],
    ['DISK_FULL', sampleOf('n2', { status: statusOf('n2', { store: { state: 'NO_SPACE' } }) })],
    ['DISK_FAULT', sampleOf('n2', { status: statusOf('n2', { store: { state: 'FAULT' } }) })],
    ['DISK_SLOW', sampleOf('n2', { status: statusOf('n2', { store: { oldestWriteMs: 900 } }) })],
    ['LOG_UNPROVEN', sampleOf('n2', { status: statusOf('n2', { store: { whole: false } }) })],
    ['LEADER_NOT_HEARD', sampleOf('n2', { status: statusOf('n2', { leader: null, leaderContactMs: null }) })],
    ['LEADER_NOT_HEARD', sampleOf('n2', { status: statusOf('n2', { leaderContactMs: 5_000 }) })],
    ['LINK_WRONG_CLUSTER', sampleOf('n2', { status: statusOf('n2', { cluster: 'other' }) })],
    ['LINK_UNAUTHORIZED', sampleOf('n2', { link: { state: 'UNAUTHORIZED', reason: '401', since: NOW } })],
    ['LINK_INCOMPATIBLE', sampleOf('n2', { link: { state: 'INCOMPATIBLE', reason: 'no JSON', since: NOW } })],
  ];
  for (const [code, sample] of cases) {
    it(`names ${code}`, () => {
      const cluster = view([sampleOf('n1'), sample, sampleOf('n3')]);
      assert.deepEqual(codes(node(cluster, 'n2').problems), [code]);
      assert.equal(cluster.health, 'DEGRADED');
    });
  }

  it('compares memberships', () => {
    const membership = { voters: ['n1', 'n2'], outgoing: [], learners: ['n3'] };
    const cluster = view([
      sampleOf('n1'),
      sampleOf('n2', { status: statusOf('n2', { membership }) }),
      sampleOf('n3'),
    ]);
    assert.deepEqual(codes(cluster.problems), ['MEMBERSHIP_DIFFERS']);
  });

  it('lets nothing of another cluster count', () => {
    const foreign = sampleOf('n2', {
      status: statusOf('n2', { cluster: 'other', role: 'LEADER', term: 99, commitIndex: 1e6 }),
    });
    const cluster = view([sampleOf('n1'), foreign, sampleOf('n3')]);
    assert.deepEqual([cluster.leader, cluster.term, cluster.commitIndex], ['n1', 5, 100]);
  });

  it('escapes what nodes wrote', () => {
    const n2 = sampleOf('n2', {
      status: statusOf('n2', { app: { state: 'STALLED', reason: '\u001b[2J\u202e' } }),
    });
    assert.match(node(view([sampleOf('n1'), n2]), 'n2').problems[0]?.text ?? '', /\\u\{1b\}\[2J\\u\{202e\}$/);
  });
});

describe('cluster view: whatever comes', () => {
  const arbitrary = fc.record({
    id: fc.constantFrom('n1', 'n2', 'n3', 'n4'),
    http: fc.constant(''),
    link: fc.record({ state: fc.constantFrom(...LINK_STATES), reason: fc.string(), since: fc.integer() }),
    role: fc.constantFrom('LEADER', 'FOLLOWER', 'CANDIDATE', 'LEARNER'),
    term: fc.nat(9),
    leader: fc.constantFrom(null, 'n1', 'n2', 'n9'),
    lagEntries: fc.integer({ min: -5, max: 50 }),
    age: fc.integer({ min: -100, max: 10_000 }),
    known: fc.boolean(),
  });
  const samples = fc.uniqueArray(arbitrary, { maxLength: 4, selector: ({ id }) => id }).map((made) =>
    made.map(({ id, http, link, role, term, leader, lagEntries, age, known }): NodeSample => {
      const progress = role === 'LEADER' ? IDS.map((other) => progressOf(other, { lagEntries })) : [];
      const status = statusOf(id, { role, term, leader, progress });
      return known ? { id, http, link, status, statusAt: NOW - age } : { id, http, link };
    }),
  );

  it('never throws, gives the same for any order, and unique codes', () => {
    fc.assert(
      fc.property(samples, (made) => {
        const cluster = view(made);
        assert.deepEqual(cluster, view([...made].reverse()));
        for (const { problems, lag } of cluster.nodes) {
          assert.equal(new Set(codes(problems)).size, problems.length);
          for (const one of Object.values(lag ?? {})) assert.ok(one.entries >= 0 && one.ms >= 0);
        }
        assert.ok(cluster.nodes.filter(({ isLeader }) => isLeader).length <= 1);
        assert.deepEqual(
          cluster.nodes.map(({ id }) => id),
          cluster.nodes.map(({ id }) => id).sort(),
        );
      }),
      { numRuns: 500 },
    );
  });

  describe('planted faults', () => {
    const fault = (over: Partial<FaultStatus> = {}): FaultStatus => ({
      ...{ id: 'f1', kind: 'CUT', peer: 'n2', direction: 'BOTH', delayMs: 0, jitterMs: 0, share: 0 },
      ...{ ttlMs: 30_000, since: 5_000, until: 35_000, messages: 7, ...over },
    });
    /** Its clock says 10 s. */
    const having = (faults: readonly FaultStatus[], over: Partial<NodeSample> = {}): NodeSample =>
      sampleOf('n3', { status: statusOf('n3', { faults, now: 10_000 }), statusAt: NOW, ...over });

    it('are told of with what they do and the time left by the clock of the node, and are no illness', () => {
      const cluster = view([...healthy.slice(0, 2), having([fault()])], NOW + 1_000);
      const { planted, problems } = node(cluster, 'n3');
      const what = 'loses all messages to and from n2';
      assert.deepEqual(planted, [{ id: 'f1', what, leftMs: 24_000, messages: 7 }]);
      assert.deepEqual(problems, [
        { code: 'FAULT_PLANTED', severity: 'INFO', text: `a fault is planted in it: it ${what}` },
      ]);
      assert.equal(cluster.health, 'HEALTHY');
      assert.equal('planted' in node(cluster, 'n1'), false);
    });

    it('stay those of a node that stands still until their time is over, and end with a process', () => {
      const pause = [fault({ kind: 'PAUSE', peer: '' })];
      const at = (link: NodeSample['link'], now: number) =>
        node(view([...healthy.slice(0, 2), having(pause, { link })], now), 'n3').planted?.length;
      assert.equal(at(silent, NOW + 24_000), 1);
      assert.equal(at(silent, NOW + 25_000), undefined);
      assert.equal(at(down, NOW), undefined);
    });

    it('are one harmless problem, however many there are and whatever they say', () => {
      const many = Array.from({ length: 200 }, () => fault({ peer: 'n2\n\u001b[31m\u202e', id: 'f\n1' }));
      const { planted, problems } = node(view([...healthy.slice(0, 2), having(many)]), 'n3');
      assert.ok(planted !== undefined && planted.length === 16);
      assert.deepEqual(codes(problems), ['FAULT_PLANTED']);
      assert.match(problems[0]?.text ?? '', /^16 faults are planted in it: .*; 13 more$/);
      const texts = [...planted.flatMap(({ id, what }) => [id, what]), problems[0]?.text ?? ''];
      assert.ok(texts.every(isHarmless), texts.join(' '));
    });
  });
});
