/** The log as text: equal lines for equal entries, nothing hostile in any of them, fast. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { LIBRARY_LIMITS, Library, textOf } from '../../extension/aggregator/documents/library.ts';
import {
  type FullReading,
  PAYLOAD_LIMITS,
  PLAIN_DECODERS,
  payloadBytes,
} from '../../extension/aggregator/documents/payload.ts';
import { entryLine, lineOf, wordsOf } from '../../extension/aggregator/documents/render.ts';
import {
  diffUris,
  type LogName,
  parseUri,
  type WindowName,
} from '../../extension/aggregator/documents/uris.ts';
import { diffLogs } from '../../shared/log-diff.ts';
import { FakeCluster } from '../lsp/fake-cluster.ts';
import { tellTime } from '../support/patience.ts';

const never = new AbortController().signal;

function windowOf(node: string, from: number, to: number): WindowName {
  return { kind: 'WINDOW', cluster: 'orders', node, from, to };
}

const tail: LogName = { kind: 'TAIL', cluster: 'orders', node: 'n1' };

function fill(cluster: FakeCluster, nodes: readonly string[], term: number, count: number, size = 8): void {
  for (const id of nodes) {
    const node = cluster.node(id);
    for (let i = 0; i < count; i++)
      node.append(term, 'COMMAND', Buffer.alloc(size, `v${node.lastIndex + 1} `));
  }
}

function library(cluster: FakeCluster): Library {
  return new Library(cluster, PLAIN_DECODERS);
}

describe('documents: comparing two logs', () => {
  it('the first line that differs is the first entry that differs', async () => {
    const runs = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 150 })), {
      maxLength: 4,
    });
    const property = fc.asyncProperty(runs, runs, runs, async (common, onLeft, onRight) => {
      const cluster = new FakeCluster('orders', ['n1', 'n2']);
      let term = 0;
      for (const [step, count] of common) {
        term += step;
        fill(cluster, ['n1', 'n2'], term, count);
      }
      for (const [id, parity, own] of [
        ['n1', 0, onLeft],
        ['n2', 1, onRight],
      ] as const) {
        // A term has one leader, so the two sides never share a new one.
        let ownTerm = 2 * term + parity;
        for (const [step, count] of own) {
          ownTerm += 2 * step;
          fill(cluster, [id], ownTerm, count);
        }
      }
      cluster.node('n1').commitIndex = 1;
      const left = { node: 'n1', terms: cluster.node('n1').terms() };
      const right = { node: 'n2', terms: cluster.node('n2').terms() };
      const diff = diffLogs(left.terms, right.terms);
      const uris = diffUris('orders', left, right, diff);
      if (diff.firstDifference === null) return assert.equal(uris.left, '');
      const texts = await Promise.all(
        [uris.left, uris.right].map((uri) => library(cluster).fresh(parseUri(uri) as WindowName, never)),
      );
      const [a, b] = texts.map(({ lines }) => lines);
      const first = a?.findIndex((line, i) => line !== b?.[i]) ?? -1;
      const line = first === -1 ? Math.min(a?.length ?? 0, b?.length ?? 0) : first;
      const there = [a?.[line], b?.[line]].map((text) => wordsOf(text ?? '')[0]?.text);
      assert.ok(there.includes(String(diff.firstDifference)), `line ${line}: ${a?.[line]} | ${b?.[line]}`);
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it('lines tell nothing of the node: what it has committed, when it got the entry, its log before and after', async () => {
    const cluster = new FakeCluster('orders', ['n1', 'n2']);
    fill(cluster, ['n1', 'n2'], 1, 40);
    cluster.node('n1').commitIndex = 40;
    cluster.node('n1').setStages(7, { appended: 1, committed: 5 });
    cluster.leader = 'n1';
    const one = await library(cluster).fresh(windowOf('n1', 1, 30), never);
    const other = await library(cluster).fresh(windowOf('n2', 1, 30), never);
    assert.equal(textOf(one), textOf(other));
    fill(cluster, ['n2'], 3, 100);
    assert.equal(textOf(await library(cluster).fresh(windowOf('n2', 1, 30), never)), textOf(one));
  });
});

describe('documents: windows', () => {
  it('pages that a sidecar clips by bytes are read on until the window is whole', async () => {
    const cluster = new FakeCluster('orders', ['n1']);
    fill(cluster, ['n1'], 1, 100, 100);
    cluster.node('n1').pageBytes = 1_000;
    const text = await library(cluster).fresh(windowOf('n1', 1, 5_000), never);
    assert.deepEqual(
      text.entries.map(({ index }) => index),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    assert.equal(cluster.asked.length, 10);
    assert.equal(text.lines.at(-1), '# end of the log');
  });

  it('a window of too many bytes is cut, says so, and leads to the rest', async () => {
    const cluster = new FakeCluster('orders', ['n1']);
    fill(cluster, ['n1'], 1, 30, 1024 * 1024);
    const text = await library(cluster).fresh(windowOf('n1', 1, 5_000), never);
    assert.equal(text.cutAt, 13);
    assert.match(text.lines.at(-1) ?? '', /^# entries 13 to 5000 are not shown: too large together/);
    assert.ok(textOf(text).length < 20_000, `${textOf(text).length} characters`);
  });

  it('the line of an entry can be told without the text, also where the log begins late', async () => {
    for (const compacted of [0, 3, 10]) {
      const cluster = new FakeCluster('orders', ['n1']);
      fill(cluster, ['n1'], 1, 20);
      const node = cluster.node('n1');
      node.snapshotIndex = compacted;
      node.entries = node.entries.filter(({ index }) => index > compacted);
      const text = await library(cluster).fresh(windowOf('n1', 5, 5_004), never);
      const at = lineOf({ from: 5, to: 5_004 }, compacted + 1, 12);
      assert.equal(wordsOf(text.lines[at] ?? '')[0]?.text, '12');
      assert.equal(text.entries[at - text.firstLine]?.index, 12);
    }
  });

  it('a node that answers what was not asked for is not believed', async () => {
    const cluster = new FakeCluster('orders', ['n1']);
    fill(cluster, ['n1'], 1, 5);
    cluster.node('n1').entries.reverse();
    await assert.rejects(
      library(cluster).fresh(windowOf('n1', 1, 10), never),
      /n1 answered entry \d out of its order/,
    );
  });

  it('only the last few are remembered, the others are read again', async () => {
    const cluster = new FakeCluster('orders', ['n1']);
    fill(cluster, ['n1'], 1, 100);
    const books = library(cluster);
    for (let i = 1; i <= LIBRARY_LIMITS.windows + 3; i++) await books.fresh(windowOf('n1', i, 50), never);
    assert.equal(books.size, LIBRARY_LIMITS.windows);
    const asked = cluster.asked.length;
    await books.known(windowOf('n1', LIBRARY_LIMITS.windows + 3, 50), never);
    assert.equal(cluster.asked.length, asked, 'the newest is remembered');
    await books.known(windowOf('n1', 1, 50), never);
    assert.equal(cluster.asked.length, asked + 1, 'the oldest was forgotten');
  });

  it('is read once for all who ask at the same time; the reading ends when the last of them gave up', async () => {
    const cluster = new FakeCluster('orders', ['n1']);
    fill(cluster, ['n1'], 1, 10);
    const books = library(cluster);
    let resolve = (): void => assert.fail('nobody waits yet');
    cluster.hold = new Promise<void>((held) => {
      resolve = held;
    });
    const [one, other, third] = [new AbortController(), new AbortController(), new AbortController()];
    const first = books.fresh(windowOf('n1', 1, 10), one.signal);
    const second = books.fresh(windowOf('n1', 1, 10), other.signal);
    one.abort(new Error('gave up'));
    await assert.rejects(first, /gave up/);
    resolve();
    assert.equal((await second).entries.length, 10);
    assert.deepEqual(cluster.asked, ['n1 1-10']);
    cluster.hold = new Promise(() => undefined);
    const last = books.fresh(windowOf('n1', 1, 10), third.signal);
    third.abort(new Error('gave up'));
    await assert.rejects(last, /gave up/);
    assert.deepEqual(cluster.asked, ['n1 1-10', 'n1 1-10', 'aborted']);
  });
});

describe('documents: the live tail', () => {
  it('shows the newest entries and reads only those that are new or were not committed', async () => {
    const cluster = new FakeCluster('orders', ['n1']);
    fill(cluster, ['n1'], 1, 3_000);
    cluster.node('n1').commitIndex = 2_990;
    const books = library(cluster);
    const first = await books.fresh(tail, never);
    assert.deepEqual([first.entries[0]?.index, first.entries.at(-1)?.index], [2_001, 3_000]);
    fill(cluster, ['n1'], 1, 5);
    cluster.node('n1').commitIndex = 3_000;
    const second = await books.fresh(tail, never);
    assert.deepEqual(cluster.asked, ['n1 2001-3000', 'n1 2991-3005']);
    assert.deepEqual([second.entries[0]?.index, second.entries.at(-1)?.index], [2_006, 3_005]);
    assert.equal(textOf(second), textOf(await library(cluster).fresh(tail, never)));
  });

  it('forgets what the node dropped, and an empty log is text as well', async () => {
    const cluster = new FakeCluster('orders', ['n1']);
    const books = library(cluster);
    assert.match(textOf(await books.fresh(tail, never)), /^# log of cluster orders/);
    fill(cluster, ['n1'], 1, 10);
    await books.fresh(tail, never);
    const node = cluster.node('n1');
    node.entries = node.entries.slice(0, 6);
    fill(cluster, ['n1'], 2, 8);
    const text = await books.fresh(tail, never);
    assert.equal(textOf(text), textOf(await library(cluster).fresh(tail, never)));
    assert.deepEqual(text.entries.map(({ term }) => term).join(''), '11111122222222');
  });
});

/** What must never be in a document as it is. */
const HOSTILE_TEXT =
  '<script>alert(1)</script> \u001b[2J\u0007\u202egnp.exe\u2066 \u200b\r\n# end of the log\n[x](javascript:alert(1)) ```';
/** Control and format characters. */
const INVISIBLE = /[\p{Cc}\p{Cf}]/u;

describe('documents: hostile payloads', () => {
  it('stay on their line and show every character that could fool', async () => {
    const cluster = new FakeCluster('orders', ['n1']);
    const node = cluster.node('n1');
    node.append(1, HOSTILE_TEXT, Buffer.from(HOSTILE_TEXT), { time: Number.NaN });
    node.append(1, 'COMMAND', Buffer.from([0xff, 0xfe, 0x00, 0x1b]));
    const { lines } = await library(cluster).fresh(windowOf('n1', 1, 5_000), never);
    assert.equal(lines.length, 5);
    assert.doesNotMatch(lines.join(''), INVISIBLE);
    assert.equal(wordsOf(lines[2] ?? '').length, 8);
    assert.match(lines[3] ?? '', / hex +fffe001b$/);
  });

  it('of 10 MB are cut, and cost no more than their beginning', () => {
    const command = Buffer.alloc(10 * 1024 * 1024, 'é').toString('base64');
    const entry = {
      index: 1,
      term: 1,
      kind: 'COMMAND',
      time: 1,
      session: null,
      sequence: null,
      hash: '',
      size: 10 * 1024 * 1024,
      command,
    };
    const bytes = payloadBytes(entry, PAYLOAD_LIMITS.lineCutBytes);
    assert.ok(bytes.length <= PAYLOAD_LIMITS.lineCutBytes && bytes.length > PAYLOAD_LIMITS.lineCutBytes - 4);
    const reading = PLAIN_DECODERS.full('orders', bytes) as FullReading;
    assert.equal(reading.decoder, 'utf8', 'no character is cut in two');
    const line = entryLine(entry, 6, reading);
    assert.ok(line.length < PAYLOAD_LIMITS.lineChars + 150, `${line.length} characters`);
  });

  it('cut at any byte, text stays text', () => {
    const whole = Buffer.from('aé€😀'.repeat(9));
    for (let max = 1; max < whole.length; max++) {
      const bytes = payloadBytes({ command: whole.toString('base64') }, max);
      const reading = PLAIN_DECODERS.full('orders', bytes) as FullReading;
      assert.equal(reading.decoder, 'utf8', `cut at ${max}`);
    }
  });
});

describe('documents: speed', () => {
  it('5,000 entries become text, in well under 100 ms where nothing else runs', async () => {
    const cluster = new FakeCluster('orders', ['n1']);
    for (let i = 0; i < 5_000; i++)
      cluster
        .node('n1')
        .append(1, 'COMMAND', Buffer.from(`{"op":"put","key":"k${i}","value":"${'x'.repeat(120)}"}`));
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      const { entries } = await library(cluster).fresh(windowOf('n1', 1, 5_000), never);
      times.push(performance.now() - start);
      assert.equal(entries.length, 5_000);
    }
    tellTime('5,000 entries as text, best of five', Math.min(...times), 100);
  });
});
