import assert from 'node:assert/strict';
import { EVENT_LIMITS, EventList, filterText, NO_FILTER, passes } from '../../extension/views/event-list.ts';
import { eventFields } from '../../extension/views/event-text.ts';
import { eventItem, eventsModel } from '../../extension/views/events-model.ts';
import type { Explanation } from '../../shared/explain/types.ts';
import { event, isHarmless } from './extension-support.ts';

describe('an event in words', () => {
  it('what peers wrote is made harmless', () => {
    const nasty = event('n1', 1, { kind: 'PEER_DOWN', reason: '\u001b[2J\n\u202egone', cause: 'LOST' });
    assert.ok(isHarmless(eventItem({ cluster: 'orders', event: nasty }, true).label));
    for (const [, value] of eventFields(nasty)) assert.ok(isHarmless(value));
  });
});

describe('the list of events', () => {
  it('takes each event once, newest first, whatever order they came in', () => {
    const list = new EventList();
    list.add('orders', [event('n1', 2), event('n2', 1)]);
    list.add('orders', [event('n1', 2), event('n1', 3)]);
    assert.deepEqual(
      list.shown().map(({ event }) => `${event.node}-${event.seq}`),
      ['n1-3', 'n1-2', 'n2-1'],
    );
  });

  it('keeps 1,000 and counts what it forgot', () => {
    const list = new EventList();
    list.add(
      'orders',
      Array.from({ length: 1_500 }, (_, at) => event('n1', at + 1)),
    );
    assert.equal(list.shown().length, EVENT_LIMITS.kept);
    assert.equal(list.forgotten, 500);
    assert.equal(list.shown().at(-1)?.event.seq, 501);
    // A forgotten one may come again (a restarted aggregator): then it is new.
    list.add('orders', [event('n1', 1)]);
    assert.equal(list.shown().length, EVENT_LIMITS.kept);
  });

  it('held still it shows the same, counts the new ones, and shows them when it follows again', () => {
    const list = new EventList();
    list.add('orders', [event('n1', 1)]);
    list.following = false;
    list.add('orders', [event('n1', 2), event('n1', 3)]);
    assert.equal(list.shown().length, 1);
    assert.equal(list.held, 2);
    list.following = true;
    assert.equal(list.shown().length, 3);
    assert.equal(list.held, 0);
  });

  it('filters by node, kind and text', () => {
    const role = event('n2', 1, { kind: 'ROLE', role: 'LEADER', cause: 'VOTE_WON' });
    assert.ok(passes(NO_FILTER, role));
    assert.ok(passes({ kinds: ['ROLE'], nodes: ['n2'], text: 'VOTE won' }, role));
    assert.ok(!passes({ kinds: ['COMMIT'], nodes: [], text: '' }, role));
    assert.ok(!passes({ kinds: [], nodes: ['n1'], text: '' }, role));
    assert.ok(!passes({ kinds: [], nodes: [], text: 'transfer' }, role));
    assert.equal(filterText({ kinds: ['ROLE'], nodes: ['n2'], text: 'won' }), 'n2, role, "won"');
  });

  it('forgets a cluster that is detached', () => {
    const list = new EventList();
    list.add('orders', [event('n1', 1)]);
    list.add('billing', [event('n1', 1)]);
    list.removeCluster('orders');
    assert.deepEqual(
      list.shown().map(({ cluster }) => cluster),
      ['billing'],
    );
    list.add('orders', [event('n1', 1)]);
    assert.equal(list.shown().length, 2);
  });
});

describe('the events view', () => {
  it('draws the newest, and keeps the rest under one item', () => {
    const list = new EventList();
    list.add(
      'orders',
      Array.from({ length: 1_200 }, (_, at) => event('n1', at + 1)),
    );
    const model = eventsModel(list, undefined, false);
    assert.equal(model.length, EVENT_LIMITS.drawn + 1);
    const older = model.at(-1);
    assert.equal(older?.label, '800 older events');
    assert.equal(older?.description, '200 events before them forgotten');
    assert.equal(older?.children().length, 800);
    assert.equal(new Set([...model, ...(older?.children() ?? [])].map(({ id }) => id)).size, 1_001);
  });

  it('evidence points at its event by the same id', () => {
    const list = new EventList();
    list.add('orders', [event('n2', 5, { kind: 'ROLE', role: 'LEADER', cause: 'VOTE_WON' })]);
    const explanation: Explanation = {
      about: 'leader',
      id: '',
      cause: 'LEADER_PAUSED',
      certainty: 'CERTAIN',
      answer: 'n1 was paused.',
      evidence: [
        { node: 'n2', seq: 5, generation: 'g1', at: 50, text: 'won the vote' },
        { node: 'n1', text: 'is silent' },
      ],
      next: '',
    };
    const [evidence, shown] = eventsModel(list, { cluster: 'orders', explanation }, false);
    assert.equal(evidence?.description, 'LEADER_PAUSED · certain');
    const [proof, number] = evidence?.children() ?? [];
    assert.equal(proof?.pointsAt, shown?.id);
    assert.equal(number?.pointsAt, '');
  });

  it('names the cluster when there are several', () => {
    const list = new EventList();
    list.add('orders', [event('n1', 1)]);
    assert.match(eventsModel(list, undefined, true)[0]?.label ?? '', /^orders\/n1 {2}/);
    assert.match(eventsModel(list, undefined, false)[0]?.label ?? '', /^n1 {2}/);
  });
});
