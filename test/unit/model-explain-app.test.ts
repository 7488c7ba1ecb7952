/** What is wrong with an app, named by explain and by the views: every condition has a cause and a problem of its own. */
import assert from 'node:assert/strict';
import { APP_CONDITIONS, type AppCondition, stateOf } from '../../shared/app-conditions.ts';
import { viewCluster } from '../../shared/cluster-view.ts';
import { explain } from '../../shared/explain/explain.ts';
import type { ExplainCause, Explanation } from '../../shared/explain/types.ts';
import type { AppIncident, AppStatus } from '../../shared/inspect.ts';
import { answers, evidenceOf, NOW, progressOf, sampleOf, statusOf } from './model-support.ts';

const CAUSES: Readonly<Record<AppCondition, ExplainCause>> = {
  ABSENT: 'APP_ABSENT',
  CRASHED: 'APP_CRASHED',
  LIED: 'APP_LIED',
  AHEAD: 'APP_AHEAD',
  DIVERGED: 'APP_DIVERGED',
  INCOMPATIBLE: 'APP_INCOMPATIBLE',
  RESTARTED_EMPTY: 'APP_CATCHING_UP',
  RESTARTED_WITH_STATE: 'APP_CATCHING_UP',
  HEALTHY: 'HEALTHY',
  LAGGING: 'APP_SLOW',
  STALLED: 'APP_STALLED',
  NOT_READING: 'APP_NOT_READING',
  FAILED: 'APP_FAILED',
  OUTDATED: 'APP_OUTDATED',
  SUPERSEDED: 'HEALTHY',
};

const leader = answers(
  'n1',
  statusOf('n1', { role: 'LEADER', progress: [progressOf('n2'), progressOf('n3')] }),
);

function incident(condition: string, over: Partial<AppIncident> = {}): AppIncident {
  return { condition, count: 1, at: NOW - 1_000, reason: 'because', entry: null, ...over };
}

function about(app: Partial<AppStatus>, question: 'member' | 'lag' = 'member'): Explanation {
  return explain({ about: question, id: 'n2' }, evidenceOf(leader, answers('n2', statusOf('n2', { app }))));
}

describe('explain: apps', () => {
  for (const condition of APP_CONDITIONS) {
    it(`names ${CAUSES[condition]} for ${condition}, and the view has the problem`, () => {
      const app = { state: stateOf(condition), condition, reason: 'entry 7 says no', entry: 7 };
      const answer = about(app);
      assert.equal(answer.cause, CAUSES[condition]);
      assert.equal(answer.certainty, 'CERTAIN');
      const sample = sampleOf('n2', { status: statusOf('n2', { app }) });
      const view = viewCluster('orders', [sampleOf('n1'), sample], NOW);
      const codes = view.nodes.find(({ id }) => id === 'n2')?.problems.map(({ code }) => code);
      const well = CAUSES[condition] === 'HEALTHY';
      assert.deepEqual(codes, well ? [] : [`APP_${condition}`]);
      if (well) return;
      assert.match(answer.answer, /entry 7 says no/);
      assert.ok(answer.next.length > 10);
      assert.equal(about(app, 'lag').cause, CAUSES[condition]);
    });
  }

  it('says what the leader found by comparing the states of apps', () => {
    const found = { nodes: ['n2'], after: 1_000, through: 2_000, reason: 'they differ' };
    const asked = (verdict: 'MINORITY' | 'UNDECIDED'): Explanation => {
      const divergence = [{ ...found, verdict, nodes: verdict === 'MINORITY' ? ['n2'] : ['n1', 'n2'] }];
      const knowing = answers(
        'n1',
        statusOf('n1', { role: 'LEADER', progress: [progressOf('n2')], divergence }),
      );
      return explain({ about: 'member', id: 'n2' }, evidenceOf(knowing, answers('n2', statusOf('n2'))));
    };
    const minority = asked('MINORITY');
    assert.deepEqual([minority.cause, minority.certainty], ['APP_DIVERGED', 'CERTAIN']);
    assert.match(minority.answer, /Something in entries 1001 to 2000 made it differ/);
    const undecided = asked('UNDECIDED');
    assert.deepEqual([undecided.cause, undecided.certainty], ['APP_DIVERGED', 'LIKELY']);
    assert.match(undecided.answer, /n1 and n2 have different states.*no majority says which is right/);
    const leads = sampleOf('n1', {
      status: statusOf('n1', { role: 'LEADER', divergence: [{ ...found, verdict: 'MINORITY' }] }),
    });
    const codes = viewCluster('orders', [leads, sampleOf('n2')], NOW).problems.map(({ code }) => code);
    assert.deepEqual(codes, ['APPS_DIFFER']);
  });

  it('goes by the state where the condition is not known', () => {
    assert.equal(about({ state: 'STALLED', condition: 'OF_A_NEWER_SIDECAR' }).cause, 'APP_STALLED');
    assert.equal(about({ state: 'ABSENT' }).cause, 'APP_ABSENT');
  });

  it('tells what was wrong before', () => {
    const incidents = [incident('FAILED', { count: 3, reason: 'poison' }), incident('CRASHED')];
    const { evidence } = about({ state: 'ABSENT', condition: 'CRASHED', incidents });
    assert.ok(evidence.some(({ text }) => text === 'before that it was FAILED (3 times): poison'));
    assert.ok(!evidence.some(({ text }) => text.startsWith('before that it was CRASHED')));
  });

  it('finds two apps that push each other out, and not one that restarted once or long ago', () => {
    const with2 = (over: Partial<AppIncident>): ExplainCause =>
      about({ incidents: [incident('SUPERSEDED', { count: 2, ...over })] }).cause;
    assert.equal(with2({}), 'APP_CONTENDED');
    assert.equal(with2({ count: 1 }), 'HEALTHY');
    assert.equal(with2({ at: NOW - 600_000 }), 'HEALTHY');
  });

  it('says of an entry that an app cannot apply it', () => {
    const app = {
      state: 'STALLED',
      condition: 'FAILED',
      entry: 90,
      reason: 'the app failed to apply entry 90',
    } as const;
    const node = answers('n2', statusOf('n2', { app, appliedIndex: 89, commitIndex: 100 }));
    const { evidence } = explain({ about: 'entry', id: '90' }, evidenceOf(leader, node));
    assert.ok(evidence.some(({ text }) => /the app of n2 cannot apply it: the app failed/.test(text)));
  });
});
