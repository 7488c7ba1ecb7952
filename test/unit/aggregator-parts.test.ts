/** The aggregator's pure parts: addresses, histories, members, terms, paces, and the checks of what sidecars answer. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { EventHistory } from '../../extension/aggregator/clusters/history.ts';
import { placesOf } from '../../extension/aggregator/clusters/members.ts';
import { nodeTerms } from '../../extension/aggregator/clusters/node-terms.ts';
import { InspectError } from '../../extension/aggregator/contract.ts';
import { sidecarUrl } from '../../extension/aggregator/links/address.ts';
import { Pacer } from '../../extension/aggregator/pacer.ts';
import { Wakeable } from '../../extension/aggregator/wakeable.ts';
import type { NodeEvent } from '../../shared/events.ts';
import type { EndpointFile, MemberStatus } from '../../shared/inspect.ts';
import { logPageSchema, nodeStatusSchema, parseEvent, termsViewSchema } from '../../shared/inspect-schema.ts';
import { statusOf } from '../aggregator/scripted-node.ts';

function event(node: string, generation: string, seq: number, at = seq): NodeEvent {
  return { node, generation, seq, at, kind: 'COMMIT', cause: 'QUORUM', term: 1 };
}

describe('aggregator: addresses', () => {
  for (const [given, url] of [
    ['127.0.0.1:9001', 'http://127.0.0.1:9001'],
    [' http://localhost:9001/ ', 'http://127.0.0.1:9001'],
    ['http://127.9.9.9:1', 'http://127.9.9.9:1'],
    ['[::1]:8080', 'http://[::1]:8080'],
    ['https://127.0.0.1:1', 'https://127.0.0.1:1'],
    ['https://n1.example.org:8443/', 'https://n1.example.org:8443'],
  ] as const) {
    it(`takes ${given}`, () => assert.equal(sidecarUrl(given), url));
  }
  for (const given of [
    '',
    'example.org:80',
    '10.0.0.1:80',
    'https://127.0.0.1:1/path',
    'https://a:b@127.0.0.1:1',
    'file:///etc/passwd',
    'http://127.0.0.1:1/path',
    'http://127.0.0.1:1?x',
    'http://a:b@127.0.0.1:1',
    'http://127.0.0.1.example.org:1',
    'http://localhost.example.org:1',
    'http://[::2]:1',
    'http://0.0.0.0:1',
    '127.0.0.1:99999',
    'x'.repeat(1_000),
  ]) {
    it(`refuses ${given.slice(0, 40) || 'nothing'}`, () =>
      assert.throws(
        () => sidecarUrl(given),
        (error) => error instanceof InspectError && error.message.length < 400,
      ));
  }
});

describe('aggregator: event history', () => {
  it('whatever comes again or not at all: each event once, in order, and what is missing is counted', () => {
    const step = fc.record({ from: fc.nat(40), count: fc.nat(12) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 30 }), (steps, perNode) => {
        const history = new EventHistory(perNode);
        const seen: number[] = [];
        let last = 0;
        for (const { from, count } of steps) {
          for (let seq = from + 1; seq <= from + count; seq += 1) {
            const isNew = seq > last;
            assert.equal(history.add('n1', 'g', seq, event('n1', 'g', seq)), isNew);
            if (isNew) seen.push(seq);
            last = Math.max(last, seq);
          }
        }
        const { events, forgotten } = history.all();
        assert.deepEqual(
          events.map(({ seq }) => seq),
          seen.slice(-perNode),
        );
        assert.equal(events.length + forgotten, last);
      }),
    );
  });

  it('a cursor gets each event once, in the order of arrival, or is told that it missed some', () => {
    const arrival = fc.record({
      node: fc.constantFrom('n1', 'n2', 'n3'),
      read: fc.boolean(),
      limit: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(
        fc.array(arrival, { maxLength: 60 }),
        fc.integer({ min: 2, max: 20 }),
        (arrivals, perNode) => {
          const history = new EventHistory(perNode);
          const seqs = new Map<string, number>();
          const sent: string[] = [];
          const got: string[] = [];
          let cursor = 0;
          let missed = false;
          const read = (limit: number) => {
            const since = history.since(cursor, limit);
            got.push(...since.events.map(({ node, seq }) => `${node}-${seq}`));
            cursor = since.cursor;
            missed ||= since.missed;
          };
          for (const { node, read: now, limit } of arrivals) {
            const seq = (seqs.get(node) ?? 0) + 1;
            seqs.set(node, seq);
            history.add(node, 'g', seq, event(node, 'g', seq, 100 - seq));
            sent.push(`${node}-${seq}`);
            if (now) read(limit);
          }
          read(1_000);
          if (!missed) assert.deepEqual(got, sent);
          assert.equal(new Set(got).size, got.length);
          assert.deepEqual(
            got,
            sent.filter((one) => got.includes(one)),
          );
        },
      ),
    );
  });

  it('counts a new generation from one, and orders by clock, node, number', () => {
    const history = new EventHistory(10);
    history.add('n2', 'a', 5, event('n2', 'a', 5, 30));
    history.add('n1', 'a', 1, event('n1', 'a', 1, 30));
    history.add('n2', 'b', 2, event('n2', 'b', 2, 10));
    const { events, forgotten } = history.all();
    assert.deepEqual(
      events.map(({ node, generation, seq }) => `${node}${generation}${seq}`),
      ['n2b2', 'n1a1', 'n2a5'],
    );
    assert.equal(forgotten, 5);
  });
});

describe('aggregator: members', () => {
  const member = (id: string, http: string, self = false): MemberStatus => ({
    id,
    peer: '',
    http,
    kind: 'VOTER',
    self,
    connected: true,
    reason: '',
  });
  const file = (node: string, http: string): EndpointFile => ({
    pid: 1,
    cluster: 'c',
    node,
    http,
    appSocket: '',
    tokenFile: `/run/${node}`,
    control: false,
    version: '',
  });
  const none = { endpoints: [], typed: new Map<string, string>(), statuses: [], known: [] };

  it('an endpoint file counts more than hearsay, and a word about oneself more than one about another', () => {
    const statuses = [
      statusOf('c', 'n1', {
        members: [member('n1', 'http://127.0.0.1:1', true), member('n2', 'http://127.0.0.1:66')],
      }),
      statusOf('c', 'n2', { members: [member('n1', ''), member('n2', 'http://127.0.0.1:2', true)] }),
    ];
    const places = placesOf({ ...none, statuses, endpoints: [file('n1', 'http://127.0.0.1:9')] });
    assert.deepEqual(
      [...places].map(([id, { http, source, tokenFile }]) => [id, http, source, tokenFile]),
      [
        ['n1', 'http://127.0.0.1:9', 'ENDPOINT_FILE', '/run/n1'],
        ['n2', 'http://127.0.0.1:2', 'MEMBER', ''],
      ],
    );
  });

  it('names no address that is not loopback', () => {
    const statuses = [statusOf('c', 'n1', { members: [member('n2', 'http://10.1.2.3:1')] })];
    const place = placesOf({ ...none, statuses }).get('n2');
    assert.equal(place?.http, '');
    assert.match(place?.reason ?? '', /not on this machine/);
  });

  it('forgets nobody while nobody answers; then the leader of the highest term says who belongs', () => {
    assert.deepEqual([...placesOf({ ...none, known: ['n2', 'n1'] }).keys()], ['n1', 'n2']);
    const old = statusOf('c', 'n1', { role: 'LEADER', term: 1, members: [member('n9', '')] });
    const now = statusOf('c', 'n2', { role: 'LEADER', term: 2, members: [member('n2', '')] });
    assert.deepEqual([...placesOf({ ...none, known: ['n9'], statuses: [old, now] }).keys()], ['n2']);
  });
});

describe('aggregator: term runs of nodes', () => {
  const terms = {
    runs: [
      { term: 1, first: 1, last: 3 },
      { term: 2, first: 4, last: 9 },
    ],
    snapshotIndex: 0,
    snapshotTerm: 0,
    commitIndex: 5,
    appliedIndex: 4,
  };
  it('a silent follower of which the leader knows nothing keeps its own last account', () => {
    const progress = {
      id: 'n2',
      matchIndex: 0,
      nextIndex: 1,
      state: 'PROBE',
      inflightBytes: 0,
      lagEntries: 9,
      lagMs: 0,
      lastContactMs: null,
      appliedIndex: 0,
      commitIndex: 0,
      behind: 'NO_CONTACT',
    } as const;
    const leader = {
      node: 'n1',
      link: 'CONNECTED',
      terms,
      status: statusOf('c', 'n1', { role: 'LEADER', progress: [progress] }),
    } as const;
    const silent = {
      node: 'n2',
      link: 'SILENT',
      status: undefined,
      terms: { ...terms, commitIndex: 2 },
    } as const;
    assert.deepEqual(nodeTerms([leader, silent])[1], { node: 'n2', source: 'NODE', terms: silent.terms });
    const known = {
      ...leader,
      status: statusOf('c', 'n1', { role: 'LEADER', progress: [{ ...progress, matchIndex: 3 }] }),
    };
    assert.deepEqual(nodeTerms([known, silent])[1]?.terms.runs, [{ term: 1, first: 1, last: 3 }]);
    assert.deepEqual(nodeTerms([{ ...silent, terms: undefined }]), []);
  });
  it('marks of a newer status count', () => {
    const status = statusOf('c', 'n1', { commitIndex: 9, appliedIndex: 8 });
    const [own] = nodeTerms([{ node: 'n1', link: 'CONNECTED', status, terms }]);
    assert.deepEqual([own?.terms.commitIndex, own?.terms.appliedIndex], [9, 8]);
  });
});

describe('aggregator: paces', () => {
  it('tells the last change, not each, and an urgent one before its turn', async () => {
    const paced = (intervalMs: number) => {
      const ran: number[] = [];
      let done = () => undefined as unknown;
      const pacer = new Pacer(intervalMs, 10, () => {
        ran.push(performance.now());
        done();
      });
      const next = () => new Promise((resolve) => (done = () => resolve(undefined)));
      return { ran, pacer, next };
    };
    // Nobody lives to see the second turn of this one, unless it is urgent.
    const slow = paced(24 * 3_600_000);
    for (let turn = 0; turn < 5; turn += 1) slow.pacer.poke();
    assert.equal(slow.ran.length, 0);
    await slow.next();
    slow.pacer.poke();
    slow.pacer.poke(true);
    await slow.next();
    assert.equal(slow.ran.length, 2);
    const { ran, pacer, next } = paced(200);
    pacer.poke();
    await next();
    pacer.poke();
    pacer.poke();
    await next();
    assert.equal(ran.length, 2);
    assert.ok((ran[1] ?? 0) - (ran[0] ?? 0) > 180);
    for (const one of [slow.pacer, pacer]) one.dispose();
    pacer.poke(true);
  });

  it('a wake before or during a pause ends it early, and once', async () => {
    const wakeable = new Wakeable();
    const never = new AbortController();
    wakeable.wake();
    await wakeable.pause(60_000, 0, never.signal);
    const second = wakeable.pause(60_000, 5, never.signal);
    wakeable.wake();
    await second;
    const began = performance.now();
    await wakeable.pause(30, 0, never.signal);
    assert.ok(performance.now() - began > 25, 'an old wake counted twice');
    const aborted = wakeable.pause(60_000, 0, never.signal);
    never.abort();
    await aborted;
  });
});

describe('what sidecars answer is checked', () => {
  const status = statusOf('c', 'n1');
  it('takes a status, and skips what it does not know', () => {
    assert.deepEqual(nodeStatusSchema.parse({ ...status, novelty: { deep: true } }), status);
  });
  it('cuts long reasons, refuses long names and strange values', () => {
    const long = 'x'.repeat(100_000);
    assert.equal(
      nodeStatusSchema.parse({ ...status, app: { ...status.app, reason: long } }).app.reason.length,
      2_000,
    );
    const wrong = [
      { cluster: long },
      { node: '' },
      { role: 'KING' },
      { term: -1 },
      { term: 1.5 },
      { commitIndex: 2 ** 53 },
      { commitIndex: '5' },
      { leader: undefined },
      { generation: 'a b' },
      { generation: 'a\r\nX: y' },
      { members: Array.from({ length: 300 }, () => ({})) },
      { progress: [{}] },
      { protocol: 0 },
      { protocol: '1' },
    ];
    for (const more of wrong) {
      assert.equal(
        nodeStatusSchema.safeParse({ ...status, ...more }).success,
        false,
        JSON.stringify(more).slice(0, 80),
      );
    }
    for (const key of Object.keys(status)) {
      // The one that older sidecars do not have.
      const optional = key === 'protocol';
      assert.equal(nodeStatusSchema.safeParse({ ...status, [key]: undefined }).success, optional, key);
    }
  });
  it('takes term runs of a log only', () => {
    const view = (runs: unknown) => ({
      runs,
      snapshotIndex: 0,
      snapshotTerm: 0,
      commitIndex: 0,
      appliedIndex: 0,
    });
    const good = [
      { term: 1, first: 1, last: 2 },
      { term: 3, first: 3, last: 3 },
    ];
    assert.ok(termsViewSchema.safeParse(view(good)).success);
    assert.ok(termsViewSchema.safeParse(view([])).success);
    for (const [term, first, last] of [
      [1, 3, 3],
      [3, 4, 5],
      [3, 2, 5],
      [3, 3, 2],
    ] as const) {
      const runs = [good[0], { term, first, last }];
      assert.equal(termsViewSchema.safeParse(view(runs)).success, false, JSON.stringify(runs));
    }
  });
  it('takes log pages whose entries follow each other', () => {
    const entry = (index: number) => ({
      index,
      term: 1,
      kind: 'COMMAND',
      time: 1,
      session: null,
      sequence: null,
      size: 0,
      hash: '',
      command: '',
      stages: { appended: 1.5 },
    });
    const page = (entries: unknown[]) => ({
      from: 1,
      to: 2,
      firstIndex: 1,
      lastIndex: 2,
      commitIndex: 0,
      entries,
    });
    assert.ok(logPageSchema.safeParse(page([entry(1), entry(2)])).success);
    assert.equal(logPageSchema.safeParse(page([entry(1), entry(3)])).success, false);
    assert.equal(logPageSchema.safeParse(page([{ ...entry(1), hash: '<b>' }])).success, false);
  });
  it('passes over events of later versions, and refuses what is no event', () => {
    const good = { seq: 3, at: 1, kind: 'ROLE', term: 2, cause: 'VOTE_WON', role: 'LEADER', extra: 1 };
    const { extra: _extra, ...kept } = good;
    assert.deepEqual(parseEvent(good), { seq: 3, event: kept });
    assert.deepEqual(parseEvent({ ...good, kind: 'TELEPORTED' }), { seq: 3 });
    assert.deepEqual(parseEvent({ ...good, cause: 'MAGIC' }), { seq: 3 });
    for (const wrong of [
      undefined,
      null,
      7,
      {},
      { ...good, seq: 0 },
      { ...good, term: 'x' },
      { ...good, role: 'KING' },
    ]) {
      assert.ok('problem' in parseEvent(wrong), JSON.stringify(wrong));
    }
  });
});
