/** Names of documents and windows of the log. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type DocumentName,
  diffUris,
  diffWindow,
  formatUri,
  logUri,
  parseUri,
  WINDOW_ENTRIES,
  windowAround,
} from '../../extension/aggregator/documents/uris.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { LogDiff } from '../../shared/log-diff.ts';

const NAMES: readonly DocumentName[] = [
  { kind: 'WINDOW', cluster: 'orders', node: 'n2', from: 5_001, to: 10_000 },
  { kind: 'TAIL', cluster: 'a.b-c_d', node: 'explain' },
  { kind: 'ENTRY', cluster: 'orders', node: 'explain', index: Number.MAX_SAFE_INTEGER },
  { kind: 'EXPLAIN', cluster: 'orders', about: 'leader', id: '' },
  { kind: 'EXPLAIN', cluster: 'orders', about: 'lag', id: 'n2' },
  { kind: 'EXPLAIN', cluster: 'orders', about: 'entry', id: '17' },
  { kind: 'DOCTOR' },
];

describe('documents: URIs', () => {
  for (const name of NAMES) {
    it(`${formatUri(name)} is read as it is written`, () => {
      assert.deepEqual(parseUri(formatUri(name)), name);
      assert.deepEqual(parseUri(`${formatUri(name)}#L17`), name);
    });
  }

  it('tell in their last segment alone, as a tab shows it, of which node and cluster they are', () => {
    const file = (name: DocumentName) => formatUri(name).replace(/.*\//, '');
    assert.deepEqual(NAMES.map(file), [
      'orders-n2-5001-10000.raftlog',
      'a.b-c_d-explain-tail.raftlog',
      'orders-explain-entry-9007199254740991.md',
      'orders-why-leader.md',
      'orders-why-lag-n2.md',
      'orders-why-entry-17.md',
      'doctor.md',
    ]);
    for (const wrong of [
      'orders/n2/tail.raftlog',
      'orders/n2/orders-n1-tail.raftlog',
      'orders/n2/stocks-n2-tail.raftlog',
      'orders/explain/stocks-why-leader.md',
    ]) {
      assert.throws(() => parseUri(`raft-log:/${wrong}`), /names no document/);
    }
  });

  it('no text makes anything but a document or one sentence', () => {
    const part = fc.constantFrom(
      'raft-log:',
      '/',
      'orders',
      'n1',
      '..',
      '1-5000',
      'tail',
      '.raftlog',
      'entry-1',
      '.md',
      '%2f',
      '?',
      '#',
      'explain',
      'orders-n1-',
      'orders-why-',
      'lag',
      '\n',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part).map((parts) => parts.join('')),
        ),
        (uri) => {
          let name: DocumentName;
          try {
            name = parseUri(uri);
          } catch (error) {
            assert.equal((error as Error).name, 'InspectError');
            assert.doesNotMatch((error as Error).message, /\n/);
            return;
          }
          // One document has one URI.
          assert.equal(formatUri(name), uri.replace(/#.*$/, ''));
        },
      ),
    );
  });

  it('a URI of megabytes is refused at once, in a short sentence', () => {
    assert.throws(
      () => parseUri(`raft-log:/${'a'.repeat(10_000_000)}`),
      (error: Error) => error.message.length < 300,
    );
  });

  it('windows are aligned, hold their index, and are no larger than a page of the sidecar', () => {
    assert.ok(WINDOW_ENTRIES <= LIMITS.logPageEntries);
    assert.deepEqual(windowAround(1), { from: 1, to: 2_500 });
    assert.deepEqual(windowAround(2_500), { from: 1, to: 2_500 });
    assert.deepEqual(windowAround(5_001), { from: 5_001, to: 7_500 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (index) => {
        const { from, to } = windowAround(index);
        assert.ok(from <= index && index <= to);
        assert.equal(to - from + 1, WINDOW_ENTRIES);
        assert.deepEqual(windowAround(to + 1).from, to + 1);
      }),
    );
  });

  it('an index outside the log is moved into it', () => {
    assert.deepEqual(windowAround(99_999, 1, 6_000), { from: 5_001, to: 7_500 });
    assert.deepEqual(windowAround(1, 5_500, 6_000), { from: 5_001, to: 7_500 });
    assert.deepEqual(windowAround(1, 1, 0), { from: 1, to: 2_500 });
  });

  it('index 0 is the live tail', () => {
    assert.equal(logUri('orders', 'n1', 0), 'raft-log:/orders/n1/orders-n1-tail.raftlog');
    assert.equal(logUri('orders', 'n1', 7), 'raft-log:/orders/n1/orders-n1-1-2500.raftlog');
  });
});

function terms(first: number, last: number, snapshotIndex = first - 1) {
  return {
    runs: [{ term: 1, first, last }],
    snapshotIndex,
    snapshotTerm: 1,
    commitIndex: 0,
    appliedIndex: 0,
  };
}

function diff(firstDifference: number | null): LogDiff {
  const relation = firstDifference === null ? 'EQUAL' : 'CONFLICT';
  return { relation, agreeThrough: 0, firstDifference, left: [], right: [] };
}

describe('documents: windows to compare', () => {
  it('are the same on both sides and begin with what both have', () => {
    const uris = diffUris(
      'orders',
      { node: 'n1', terms: terms(1, 9_000) },
      { node: 'n2', terms: terms(1, 9_000) },
      diff(8_000),
    );
    assert.deepEqual(uris, {
      left: 'raft-log:/orders/n1/orders-n1-7900-8899.raftlog',
      right: 'raft-log:/orders/n2/orders-n2-7900-8899.raftlog',
    });
  });

  it('begin no earlier than both logs do, and never after the difference', () => {
    assert.deepEqual(diffWindow(terms(1, 900), terms(380, 900), diff(400)), { from: 380, to: 1_299 });
    assert.deepEqual(diffWindow(terms(1, 900), terms(500, 900), diff(400)), { from: 400, to: 1_299 });
    assert.deepEqual(diffWindow(terms(1, 900), terms(1, 900), diff(1)), { from: 1, to: 900 });
  });

  it('do not exist where the logs agree', () => {
    const side = { node: 'n1', terms: terms(1, 9) };
    assert.deepEqual(diffUris('orders', side, side, diff(null)), { left: '', right: '' });
  });
});
