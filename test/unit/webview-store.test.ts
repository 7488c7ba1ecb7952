import assert from 'node:assert/strict';
import { CONNECTION_LIMITS, Connection } from '../../extension/webview/connection.ts';
import { MemoryHost } from '../../extension/webview/host/memory.ts';
import { readMessage } from '../../extension/webview/incoming.ts';
import { ANNOUNCE_MS, Announcer } from '../../extension/webview/model/announcer.ts';
import { advance } from '../../extension/webview/store.ts';
import { setStrings, text } from '../../extension/webview/strings.ts';
import { FIRST_UI, keptOf, uiFrom } from '../../extension/webview/ui.ts';
import type { NodeEvent } from '../../shared/events.ts';
import { PANEL_LIMITS, type PanelDelta, type SeriesPoint } from '../../shared/panel-protocol.ts';
import { ENTRY, EVENTS, NOW, POINTS, snapshot } from '../page/cluster.ts';

const delta = (sequence: number, more: Partial<PanelDelta> = {}): PanelDelta => ({
  type: 'delta',
  generation: 1,
  sequence,
  ...more,
});

function eventAt(seq: number): NodeEvent {
  return { node: 'n1', generation: 'g', seq, at: NOW + seq, kind: 'COMMIT', term: 7, cause: 'QUORUM' };
}

describe('webview: the store', () => {
  it('takes a snapshot, then the deltas that continue it', () => {
    const first = advance(undefined, snapshot());
    assert.equal(first.resync, false);
    const changed = { ...snapshot().cluster, leader: 'n2', term: 8 };
    const { state, resync } = advance(first.state, delta(2, { cluster: changed, events: [eventAt(900)] }));
    assert.equal(resync, false);
    assert.equal(state?.cluster.leader, 'n2');
    assert.equal(state?.events.length, EVENTS.length + 1);
    assert.equal(state?.events.at(-1)?.seq, 900);
    assert.equal(state?.terms, first.state?.terms, 'what did not change stays the same object');
  });

  it('asks for a snapshot on a gap, a repetition, another generation, and before the first', () => {
    const { state } = advance(undefined, snapshot());
    for (const wrong of [delta(3), delta(1), { ...delta(2), generation: 2 }]) {
      const step = advance(state, wrong);
      assert.equal(step.resync, true, JSON.stringify(wrong));
      assert.equal(step.state, state, 'what is held stays');
    }
    assert.deepEqual(advance(undefined, delta(1)), { state: undefined, resync: true });
  });

  it('keeps the newest events and points, and counts what it forgot', () => {
    let { state } = advance(undefined, snapshot({ events: [], forgotten: 5 }));
    const events = Array.from({ length: PANEL_LIMITS.events + 7 }, (_none, at) => eventAt(at + 1));
    const points: SeriesPoint[] = Array.from({ length: PANEL_LIMITS.points }, (_none, at) => ({
      ...(POINTS[0] as SeriesPoint),
      at: NOW + at,
    }));
    ({ state } = advance(state, delta(2, { events, points })));
    assert.equal(state?.events.length, PANEL_LIMITS.events);
    assert.equal(state?.events[0]?.seq, 8);
    assert.equal(state?.forgotten, 12);
    assert.equal(state?.series.points.length, PANEL_LIMITS.points);
  });
});

describe('webview: what may come in', () => {
  it('lets in what hosts send', () => {
    assert.deepEqual(readMessage(snapshot()), snapshot());
    assert.deepEqual(readMessage(delta(2, { points: POINTS })), delta(2, { points: POINTS }));
  });

  it('skips events of kinds it does not know', () => {
    const read = readMessage({
      ...snapshot(),
      events: [eventAt(1), { ...eventAt(2), kind: 'FROM_THE_FUTURE' }],
    });
    assert.ok(read?.type === 'snapshot');
    assert.deepEqual(read.events, [eventAt(1)]);
  });

  it('refuses everything else', () => {
    const whole = snapshot();
    const terms = whole.terms[0];
    const runs = (list: unknown) => ({
      ...whole,
      terms: [{ ...terms, terms: { ...terms?.terms, runs: list } }],
    });
    for (const wrong of [
      null,
      'snapshot',
      {},
      { type: 'snapshot' },
      { ...whole, sequence: -1 },
      { ...whole, cluster: { ...whole.cluster, health: 'FINE' } },
      { ...whole, cluster: { ...whole.cluster, nodes: [{ id: 'n1' }] } },
      { ...whole, events: 'many' },
      runs([{ term: 2, first: 5, last: 4 }]),
      runs([
        { term: 2, first: 1, last: 4 },
        { term: 2, first: 5, last: 6 },
      ]),
      runs([
        { term: 2, first: 1, last: 4 },
        { term: 3, first: 6, last: 7 },
      ]),
      runs([{ term: 2, first: 1, last: 2 ** 53 }]),
      { type: 'reply', id: 1 },
      { type: 'reply', id: 1, ok: false, message: 7 },
    ]) {
      assert.equal(readMessage(wrong), undefined, JSON.stringify(wrong)?.slice(0, 200));
    }
  });
});

describe('webview: the conversation', () => {
  it('says ready, then asks for one snapshot per gap', () => {
    const host = new MemoryHost();
    let changes = 0;
    const connection = new Connection(host, () => {
      changes += 1;
    });
    connection.start();
    assert.deepEqual(host.posted, [{ type: 'ready' }]);
    host.send(snapshot());
    host.send(delta(5));
    host.send(delta(6));
    assert.deepEqual(host.posted.slice(1), [{ type: 'resync' }]);
    assert.equal(changes, 1);
    host.send(snapshot({ sequence: 9 }));
    host.send(delta(10));
    assert.equal(connection.state?.sequence, 10);
    host.send(delta(12));
    assert.equal(host.posted.length, 3, 'after a snapshot the next gap asks again');
    connection.stop();
  });

  it('answers requests by their id, checks the answer, and tells a refusal', async () => {
    const host = new MemoryHost();
    const connection = new Connection(host, () => undefined);
    connection.start();
    const asked = [1, 2, 3].map(() => connection.request('entry', { node: 'n1', index: 1_000 }));
    host.send({ type: 'reply', id: 2, ok: true, result: ENTRY });
    host.send({ type: 'reply', id: 1, ok: false, message: 'n1 is away' });
    host.send({ type: 'reply', id: 3, ok: true, result: { ...ENTRY, index: 'x' } });
    assert.deepEqual(await asked[1], ENTRY);
    await assert.rejects(asked[0] as Promise<unknown>, /n1 is away/);
    await assert.rejects(asked[2] as Promise<unknown>, /not one that this page can read/);
    host.send({ type: 'reply', id: 77, ok: true, result: null });
  });

  it('bounds the requests that wait', async () => {
    const connection = new Connection(new MemoryHost(), () => undefined);
    const waiting = Array.from({ length: CONNECTION_LIMITS.requests }, () =>
      connection.request('explain', { about: 'leader', id: '' }),
    );
    await assert.rejects(connection.request('explain', { about: 'leader', id: '' }), /Too many/);
    connection.stop();
    for (const one of waiting) await assert.rejects(one);
  });

  it('says that it cannot read a message, and recovers', () => {
    const host = new MemoryHost();
    const connection = new Connection(host, () => undefined);
    connection.start();
    host.send({ type: 'snapshot', generation: 'x' });
    assert.match(connection.fault, /cannot read/);
    host.send(snapshot());
    assert.equal(connection.fault, '');
  });
});

describe('webview: small models', () => {
  it('keeps zoom, cursor and tab between visits, and nothing it cannot read', () => {
    const ui = { ...FIRST_UI, tab: 'time', mode: 'CUSTOM', view: { from: 5, span: 9 } } as const;
    const full = {
      ...ui,
      entry: { node: 'n1', index: 1, asked: { state: 'ANSWERED', answer: ENTRY } },
    } as const;
    assert.deepEqual(Object.keys(keptOf(full)).sort(), ['mode', 'tab', 'view']);
    assert.deepEqual(uiFrom(keptOf(full)), ui);
    assert.deepEqual(uiFrom({ ...keptOf(full), view: { from: -1, span: 0.5 } }), FIRST_UI);
    assert.deepEqual(uiFrom('junk'), FIRST_UI);
  });

  it('speaks at most once in its time, newest word per topic', () => {
    const spoken: string[] = [];
    const later: { act: () => void; ms: number }[] = [];
    const announcer = new Announcer(
      (words) => spoken.push(words),
      (act, ms) => later.push({ act, ms }),
    );
    announcer.say('leader', 'n1 leads');
    announcer.say('leader', 'nobody leads');
    announcer.say('leader', 'n2 leads');
    announcer.say('notice', 'opened');
    assert.deepEqual(spoken, ['n1 leads']);
    assert.deepEqual(
      later.map(({ ms }) => ms),
      [ANNOUNCE_MS],
    );
    later[0]?.act();
    assert.deepEqual(spoken, ['n1 leads', 'n2 leads. opened']);
    later[1]?.act();
    assert.equal(spoken.length, 2);
    announcer.say('leader', 'n3 leads');
    assert.equal(spoken.length, 3);
  });

  it('takes words of another language, and keeps English for the rest', () => {
    setStrings({ leaderIs: 'Leiter {0}', nonsense: 'x', noLeader: 7 });
    assert.equal(text('leaderIs', 'n1'), 'Leiter n1');
    assert.equal(text('noLeader'), 'No leader');
    setStrings({});
    assert.equal(text('leaderIs', '$& {1}'), 'Leader $& {1}');
  });
});
