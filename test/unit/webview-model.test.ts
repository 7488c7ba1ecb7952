import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BrowserFeed } from '../../extension/webview/host/browser-feed.ts';
import { decodePayload, SHOWN_BYTES } from '../../extension/webview/host/entry-text.ts';
import * as geometry from '../../extension/webview/model/geometry.ts';
import {
  cellOf,
  extentOf,
  matrixRows,
  nextTermStart,
  unsettledView,
} from '../../extension/webview/model/matrix.ts';
import { filterEvents, nearestPoint, timeAt, timeWindow, timeX } from '../../extension/webview/model/time.ts';
import { advance, type PanelState } from '../../extension/webview/store.ts';
import {
  EVENTS,
  LEADER_STATUS,
  LEADER_TERMS,
  NOW,
  POINTS,
  snapshot,
  statusOf,
  TERMS,
} from '../page/cluster.ts';

const LARGEST = Number.MAX_SAFE_INTEGER;
const anyExtent = fc
  .tuple(fc.maxSafeNat(), fc.maxSafeNat())
  .map(([a, b]) => ({ first: Math.max(1, Math.min(a, b)), last: Math.max(1, a, b) }));

describe('webview: geometry', () => {
  it('keeps every view inside the log, whatever is asked', () => {
    fc.assert(
      fc.property(
        anyExtent,
        fc.maxSafeInteger(),
        fc.maxSafeNat(),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        (extent, from, span, factor) => {
          const start = geometry.clampView({ from, span }, extent);
          for (const view of [
            start,
            geometry.zoomView(start, extent, factor, from),
            geometry.panView(start, extent, from),
            geometry.revealIndex(start, extent, extent.last),
            geometry.viewAtPosition(start, extent, 0.5),
            geometry.wholeView(extent),
          ]) {
            assert.ok(
              Number.isSafeInteger(view.from) && Number.isSafeInteger(view.span),
              JSON.stringify(view),
            );
            assert.ok(view.from >= extent.first, 'begins in the log');
            assert.ok(view.span >= 1 && view.span - 1 <= extent.last - view.from, 'ends in the log');
          }
        },
      ),
    );
  });

  it('finds the index under its own cell, up to 2^53', () => {
    fc.assert(
      fc.property(
        fc.nat(LARGEST - 1_000),
        fc.integer({ min: 8, max: 1_000 }),
        fc.nat(),
        (base, span, pick) => {
          const view = { from: base + 1, span };
          const index = view.from + (pick % span);
          const middle = (geometry.xOf(view, 1_000, index) + geometry.xOf(view, 1_000, index + 1)) / 2;
          assert.equal(geometry.indexAt(view, 1_000, middle), index);
        },
      ),
    );
  });

  it('zooms around the anchor, and reaches single entries and the whole log again', () => {
    const extent = { first: 1, last: 10_000_000 };
    let view = geometry.wholeView(extent);
    for (let turns = 0; turns < 40; turns += 1) {
      const before = geometry.xOf(view, 1_000, 7_654_321);
      view = geometry.zoomView(view, extent, 0.5, 7_654_321);
      const after = geometry.xOf(view, 1_000, 7_654_321);
      assert.ok(Math.abs(after - before) <= 1_000 / view.span + 1, `${before} → ${after}`);
    }
    assert.equal(view.span, geometry.MIN_SPAN);
    for (let turns = 0; turns < 40; turns += 1) view = geometry.zoomView(view, extent, 2, 7_654_321);
    assert.deepEqual(view, { from: 1, span: 10_000_000 });
  });

  it('puts round indexes on the axis, apart from each other', () => {
    assert.deepEqual(
      geometry.ticks({ from: 330, span: 671 }, 950, 90),
      [400, 500, 600, 700, 800, 900, 1_000],
    );
    const near = geometry.ticks({ from: LARGEST - 7, span: 8 }, 900, 90);
    assert.deepEqual(
      near,
      [7, 6, 5, 4, 3, 2, 1, 0].map((back) => LARGEST - back),
    );
  });
});

describe('webview: the matrix', () => {
  const rows = matrixRows(snapshot().cluster, TERMS);
  const row = (node: string) => {
    const found = rows.find((one) => one.node === node);
    assert.ok(found);
    return found;
  };

  it('tells of each cell what it is', () => {
    const plain = { applied: false, differs: false };
    assert.deepEqual(cellOf(row('n1'), 5), { state: 'COMPACTED', term: 0, ...plain });
    assert.deepEqual(cellOf(row('n1'), 500), { state: 'COMMITTED', term: 7, applied: true, differs: false });
    assert.deepEqual(cellOf(row('n1'), 985), { state: 'COMMITTED', term: 7, ...plain });
    assert.deepEqual(cellOf(row('n1'), 991), { state: 'UNCOMMITTED', term: 7, ...plain });
    assert.deepEqual(cellOf(row('n2'), 996), { state: 'MISSING', term: 0, ...plain });
    assert.deepEqual(cellOf(row('n3'), 401), {
      state: 'UNCOMMITTED',
      term: 5,
      applied: false,
      differs: true,
    });
    assert.equal(cellOf({ node: 'n9', isLeader: false }, 1).state, 'UNKNOWN');
  });

  it('knows what the leader knows of the others', () => {
    assert.deepEqual(
      rows.map(({ match }) => match),
      [undefined, 995, 400],
    );
    assert.deepEqual(
      rows.map(({ isLeader }) => isLeader),
      [true, false, false],
    );
  });

  it('begins the unsettled part before the first index that somebody lacks', () => {
    const extent = extentOf(rows);
    assert.deepEqual(extent, { first: 1, last: 1_000 });
    const view = unsettledView(rows, extent ?? { first: 1, last: 1 });
    assert.equal(view.from + view.span - 1, 1_000);
    assert.ok(view.from <= 391 && view.from > 300, String(view.from));
    assert.equal(extentOf([]), undefined);
  });

  it('goes from term to term', () => {
    assert.equal(nextTermStart(row('n1'), 500, 1), 500);
    assert.equal(nextTermStart(row('n1'), 500, -1), 401);
    assert.equal(nextTermStart(row('n1'), 401, -1), 101);
    assert.equal(nextTermStart(row('n1'), 50, 1), 101);
  });
});

describe('webview: time', () => {
  it('filters events by group, kind and node, in order of time', () => {
    assert.equal(filterEvents(EVENTS, { kind: '', node: '' }).length, EVENTS.length);
    const roles = filterEvents([...EVENTS].reverse(), { kind: 'election', node: '' });
    assert.deepEqual(
      roles.map(({ kind }) => kind),
      ['ROLE'],
    );
    const links = filterEvents([...EVENTS].reverse(), { kind: 'PEER_DOWN', node: 'n1' });
    assert.ok(links.length > 5 && links.every(({ node, kind }) => node === 'n1' && kind === 'PEER_DOWN'));
    assert.ok(links.every((event, at) => at === 0 || event.at > (links[at - 1]?.at ?? 0)));
  });

  it('ends with the newest thing known', () => {
    const series = { nodes: [], points: POINTS };
    assert.deepEqual(timeWindow(EVENTS, series, 30_000), { from: NOW - 30_000, to: NOW });
    assert.equal(timeWindow(EVENTS, series, 0).from, NOW - 119 * 250);
    const window = { from: 1_000, to: 3_000 };
    assert.equal(timeX(window, 500, 2_000), 250);
    assert.equal(timeAt(window, 500, 250), 2_000);
    assert.equal(nearestPoint(POINTS, NOW - 260), 118);
    assert.equal(nearestPoint([], NOW), -1);
  });
});

describe('webview: the feed of the sidecar page', () => {
  it('makes a snapshot and deltas that the store accepts, and shows the others as the leader knows them', () => {
    const feed = new BrowserFeed('http://127.0.0.1:8001', NOW);
    feed.onStatus(LEADER_STATUS, NOW);
    feed.onTerms(LEADER_TERMS);
    let state: PanelState | undefined = advance(undefined, feed.snapshot(NOW)).state;
    assert.deepEqual(
      state?.terms.map(({ node, source }) => `${node} ${source}`),
      ['n1 NODE', 'n2 LEADER', 'n3 LEADER'],
    );
    assert.deepEqual(state?.terms[2]?.terms.runs.at(-1), { term: 3, first: 101, last: 400 });
    assert.deepEqual(
      state?.cluster.nodes.map(({ id, link }) => `${id} ${link.state}`),
      ['n1 CONNECTED', 'n2 UNKNOWN', 'n3 UNKNOWN'],
    );
    assert.equal(feed.news(NOW), undefined, 'nothing new, nothing said');

    feed.onStatus({ ...LEADER_STATUS, commitIndex: 1_490, lastIndex: 1_500 }, NOW + 500);
    feed.onEvents(EVENTS.slice(0, 3));
    const news = feed.news(NOW + 500);
    assert.ok(news);
    const step = advance(state, news);
    assert.equal(step.resync, false);
    state = step.state;
    assert.equal(state?.events.length, 3);
    assert.equal(state?.series.points.at(-1)?.throughput, 1_000);
  });

  it('shows other members by name while this node does not lead, and what stands in the way', () => {
    const feed = new BrowserFeed('http://127.0.0.1:8002', NOW);
    feed.onStatus(statusOf('n2'), NOW);
    feed.onTerms(LEADER_TERMS);
    feed.onFailure('SILENT', 'nothing is answered', NOW + 1_000);
    const { cluster, terms } = feed.snapshot(NOW + 1_000);
    assert.deepEqual(
      terms.map(({ node }) => node),
      ['n2'],
    );
    assert.deepEqual(
      cluster.nodes.map(({ id }) => id),
      ['n1', 'n2', 'n3'],
    );
    assert.equal(cluster.nodes[1]?.link.state, 'SILENT');
  });

  it('sends a snapshot where a delta cannot tell: forgotten events, other nodes', () => {
    const feed = new BrowserFeed('http://127.0.0.1:8001', NOW);
    feed.onStatus(LEADER_STATUS, NOW);
    const first = feed.snapshot(NOW);
    feed.onEvents([], 40);
    const second = feed.news(NOW);
    assert.ok(
      second?.type === 'snapshot' && second.forgotten === 40 && second.generation !== first.generation,
    );
    feed.onStatus({ ...LEADER_STATUS, members: [] }, NOW + 500);
    assert.equal(feed.news(NOW + 500)?.type, 'snapshot');
  });
});

describe('webview: payloads in the browser', () => {
  const decode = (bytes: Uint8Array | string) => decodePayload(Buffer.from(bytes).toString('base64'));

  it('shows JSON, UTF-8 or hex, harmless and cut', () => {
    assert.deepEqual(decode('{"a":1}'), { decoder: 'JSON', text: '{\n  "a": 1\n}', cut: false });
    assert.equal(decode('set x').decoder, 'UTF-8');
    assert.deepEqual(decode(new Uint8Array([0xff, 0, 10])), {
      decoder: 'hex',
      text: '000000  ff 00 0a',
      cut: false,
    });
    assert.equal(decodePayload('%%%').decoder, 'base64');
    const long = decode('é'.repeat(SHOWN_BYTES));
    assert.equal(long.decoder, 'UTF-8');
    assert.equal(long.cut, true);
    assert.ok(long.text.length <= SHOWN_BYTES + 100);
    for (const sign of ['\u001b', '\u202e', '\u200b']) {
      assert.ok(!decode(`a${sign}b`).text.includes(sign), 'an invisible sign came through');
    }
  });
});
