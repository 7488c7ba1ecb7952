/** The condition of the app beside a node: what it is made of, what is told of it, what is counted. */
import assert from 'node:assert/strict';
import { APP_CONDITIONS, CONDITION_WORDS, conditionOf, stateOf } from '../../shared/app-conditions.ts';
import { refusal } from '../../shared/codes.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { AppPosition } from '../../sidecar/app/host.ts';
import { type AppChange, LocalApp } from '../../sidecar/node/local-app.ts';

const OK = { condition: 'HEALTHY', reason: 'the app said hello' } as const;

function at(appliedIndex: number, app = 'kv'): AppPosition {
  return { app, appliedIndex, appliedHash: undefined, snapshots: 'NONE', version: 0 };
}

describe('the local app', () => {
  let told: AppChange[];
  let app: LocalApp;
  const conditions = (): string[] => told.map(({ condition }) => condition);
  const count = (condition: string): number =>
    app.incidents.find((incident) => incident.condition === condition)?.count ?? 0;

  beforeEach(() => {
    told = [];
    app = new LocalApp((change) => told.push(change));
  });

  /** Lets an app in as a connection does. */
  function join(position: AppPosition, committed: number): void {
    app.attached(position, committed);
    app.news(OK);
  }

  it('is ABSENT before one came, and HEALTHY at once where there is nothing to catch up with', () => {
    assert.deepEqual([app.state, app.condition, app.connected], ['ABSENT', 'ABSENT', false]);
    join(at(0), 0);
    assert.deepEqual([app.state, app.condition, app.connected], ['CONNECTED', 'HEALTHY', true]);
    assert.deepEqual(conditions(), ['HEALTHY']);
    assert.deepEqual(app.incidents, []);
  });

  it('has RESTARTED_EMPTY until it has what was committed when it came', () => {
    join(at(0), 10);
    assert.match(app.reason, /without state: it is given the log from entry 1, 10 entries/);
    app.advanced(9);
    assert.equal(app.condition, 'RESTARTED_EMPTY');
    app.advanced(10);
    assert.deepEqual(conditions(), ['RESTARTED_EMPTY', 'HEALTHY']);
    assert.match(app.reason, /all that was committed when it came/);
  });

  it('has RESTARTED_WITH_STATE, which is told also where nothing is missing', () => {
    join(at(10), 10);
    assert.deepEqual(conditions(), ['RESTARTED_WITH_STATE', 'HEALTHY']);
    assert.match(told[0]?.reason ?? '', /its state as of entry 10/);
  });

  it('tells of trouble once, counts it, and remembers it after the app is well', () => {
    join(at(0), 0);
    app.news({ condition: 'FAILED', reason: 'no', index: 7 });
    assert.deepEqual([app.state, app.entry], ['STALLED', 7]);
    app.news(OK);
    assert.deepEqual(conditions(), ['HEALTHY', 'FAILED', 'HEALTHY']);
    const [incident] = app.incidents;
    assert.deepEqual([incident?.condition, incident?.count, incident?.entry], ['FAILED', 1, 7]);
    assert.ok((incident?.at ?? 0) > 0);
    assert.equal(app.entry, undefined);
  });

  it('is LAGGING when entries wait too long, seen twice in a row, and well again at half of that', () => {
    join(at(0), 0);
    app.trails({ entries: 9, ms: LIMITS.appBehindMs + 1 });
    assert.equal(app.condition, 'HEALTHY', 'after one look, which may be that after a pause of our own');
    app.trails({ entries: 9, ms: LIMITS.appBehindMs + 100 });
    assert.equal(app.condition, 'LAGGING');
    assert.match(app.reason, /it is 9 entries behind, for 5 s/);
    app.trails({ entries: 9, ms: LIMITS.appBehindMs - 1 });
    assert.equal(app.condition, 'LAGGING');
    app.trails({ entries: 1, ms: 3 });
    assert.equal(app.condition, 'HEALTHY');
    assert.match(app.reason, /keeps up again/);
  });

  it('tells SUPERSEDED when another one takes over, and then of the new one', () => {
    join(at(0), 0);
    join(at(0, 'other'), 0);
    assert.deepEqual(conditions(), ['HEALTHY', 'SUPERSEDED', 'HEALTHY']);
    assert.match(told[1]?.reason ?? '', /other said hello while kv \(epoch 1\) was connected/);
    assert.deepEqual([app.condition, app.epoch, app.name, count('SUPERSEDED')], ['HEALTHY', 2, 'other', 1]);
  });

  it('says which app was turned away while none is connected, and counts each time', () => {
    app.turnedAway(refusal('APP_AHEAD', 'the log ends at 3'), 9);
    app.turnedAway(refusal('APP_AHEAD', 'the log ends at 4'), 9);
    assert.deepEqual(
      [app.condition, app.state, app.entry, app.reason],
      ['AHEAD', 'ABSENT', 9, 'the log ends at 4'],
    );
    assert.deepEqual(conditions(), ['AHEAD'], 'an app that tries again and again is one event');
    assert.equal(count('AHEAD'), 2);
    app.turnedAway(refusal('UNSUPPORTED', 'protocol 2'), 0);
    assert.equal(app.condition, 'INCOMPATIBLE');
    app.turnedAway(refusal('UNAUTHORIZED', 'wrong token'), 0);
    assert.equal(app.condition, 'INCOMPATIBLE', 'whoever has no token says nothing of the app');
  });

  it('is not disturbed by one that is turned away while another is connected', () => {
    join(at(0), 0);
    app.turnedAway(refusal('APP_DIVERGED', 'another log'), 9);
    assert.deepEqual([app.condition, app.reason], ['HEALTHY', 'the app said hello']);
    assert.deepEqual([conditions().at(-1), count('DIVERGED')], ['DIVERGED', 1]);
  });

  it('knows every condition in words and as a state', () => {
    for (const condition of APP_CONDITIONS) {
      assert.ok(CONDITION_WORDS[condition].length > 10);
      assert.equal(conditionOf({ state: stateOf(condition), condition }), condition);
    }
    assert.equal(conditionOf({ state: 'STALLED' }), 'STALLED');
    assert.equal(conditionOf({ state: 'CONNECTED', condition: 'OF_A_NEWER_SIDECAR' }), 'HEALTHY');
  });
});
