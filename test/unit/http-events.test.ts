/** The event stream and `/v1/explain` over HTTP, with a real ring of events behind them. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { EventKind } from '../../shared/events.ts';
import { LIMITS } from '../../shared/limits.ts';
import { EventLog } from '../../sidecar/record/events.ts';
import { EventReader, type ReaderOptions } from '../support/event-reader.ts';
import { ask, type Fixture, requestBytes, startFixture, TOKENS } from './http-support.ts';

const CAPACITY = 100;

describe('http: the event stream', () => {
  let fixture: Fixture;
  let log: EventLog;
  let readers: EventReader[];

  beforeEach(async () => {
    fixture = await startFixture({ streamTimes: { keepAliveMs: 20, stallMs: 60 } });
    log = new EventLog(CAPACITY);
    fixture.host.events = () => log;
    readers = [];
  });

  afterEach(async () => {
    await Promise.all(readers.map((reader) => reader.cut()));
    await fixture.server.close();
  });

  function record(count: number, reason = '', kind: EventKind = 'COMMIT'): void {
    for (let i = 0; i < count; i++) log.record({ at: 0, kind, term: 1, cause: 'QUORUM', reason });
  }

  async function open(options: Omit<ReaderOptions, 'token'> = {}): Promise<EventReader> {
    const reader = await EventReader.open(fixture.server.url, { token: TOKENS.view, ...options });
    readers.push(reader);
    return reader;
  }

  it('gives what is there, then what comes, each with its id', async () => {
    record(3);
    const reader = await open();
    assert.equal(reader.response.statusCode, 200);
    assert.match(reader.header('content-type'), /^text\/event-stream/);
    assert.equal(reader.header('cache-control'), 'no-store');
    assert.equal(reader.header('outrigger-generation'), log.generation);
    assert.equal(reader.header('outrigger-events-first'), '1');
    assert.equal(reader.header('outrigger-events-last'), '3');
    await reader.until(() => reader.events.length === 3);
    assert.equal(reader.retryMs, LIMITS.eventStreamRetryMs);
    record(2);
    await reader.until(() => reader.events.length === 5);
    assert.deepEqual(reader.seqs, [1, 2, 3, 4, 5]);
    assert.equal(reader.lastId, `${log.generation}-5`);
    assert.deepEqual(reader.events[4], log.since(4)[0]);
  });

  it('resumes after an id, whichever way it is given, and begins at the oldest for an id of another run', async () => {
    record(5);
    const { generation } = log;
    const cases: [Omit<ReaderOptions, 'token'>, number][] = [
      [{}, 1],
      [{ since: '2' }, 3],
      [{ since: `${generation}-2` }, 3],
      [{ lastEventId: `${generation}-4` }, 5],
      [{ lastEventId: '3' }, 4],
      // What a browser sends when it comes back: its first URL, and where it was.
      [{ since: '1', lastEventId: `${generation}-4` }, 5],
      [{ lastEventId: 'beef-4' }, 1],
      [{ since: '6' }, 1],
    ];
    for (const [options, first] of cases) {
      const reader = await open(options);
      await reader.until(() => reader.events.length > 0);
      assert.equal(reader.seqs[0], first, JSON.stringify(options));
    }
  });

  it('waits for the next event when nothing is missing', async () => {
    record(5);
    const reader = await open({ since: '5' });
    await reader.until(() => reader.comments > 0);
    assert.deepEqual(reader.seqs, []);
    record(1);
    await reader.until(() => reader.events.length > 0);
    assert.deepEqual(reader.seqs, [6]);
  });

  it('shows a gap by its first event and by the headers', async () => {
    record(CAPACITY + 20);
    const reader = await open({ since: '5' });
    assert.equal(reader.header('outrigger-events-first'), '21');
    await reader.until(() => reader.events.length === CAPACITY);
    assert.equal(reader.seqs[0], 21);
  });

  it('says something now and then, so that a silent link is noticed', async () => {
    const reader = await open();
    await reader.until(() => reader.comments >= 3);
    assert.equal(reader.events.length, 0);
  });

  it('writes what was recorded in one turn at once', async () => {
    const reader = await open();
    await reader.until(() => reader.retryMs !== undefined);
    let chunks = 0;
    reader.response.on('data', (text: string) => {
      if (text.includes('data:')) chunks++;
    });
    record(50);
    await reader.until(() => reader.events.length === 50);
    assert.equal(chunks, 1);
  });

  it('answers HEAD without a stream', async () => {
    record(3);
    const answer = await ask(fixture.port, { method: 'HEAD', target: '/v1/events', token: TOKENS.view });
    assert.equal(answer.status, 200);
    assert.equal(answer.body, '');
    assert.equal(answer.headers['outrigger-events-last'], '3');
  });

  it('refuses ids and queries that are none', async () => {
    for (const query of ['?since=', '?since=x', '?since=-1', '?since=1&since=2', '?since=a-b-1', '?from=1']) {
      const answer = await ask(fixture.port, { target: `/v1/events${query}`, token: TOKENS.view });
      assert.equal(answer.status, 400, query);
    }
    const answer = await ask(fixture.port, {
      target: '/v1/events',
      token: TOKENS.view,
      headers: [['Last-Event-ID', 'not an id']],
    });
    assert.equal(answer.status, 400);
    assert.match(String(answer.json['message']), /Last-Event-ID/);
  });

  it('cuts a reader that takes nothing off, holding little for it, and lets it resume', async () => {
    const socket = connect(fixture.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (log.watched) socket.pause();
    });
    const cut = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined);
    socket.write(requestBytes(fixture.port, { target: '/v1/events', token: TOKENS.view }));
    while (!log.watched) await new Promise((done) => setImmediate(done));
    // Far more than the kernel takes for a reader that does not read.
    const reason = 'x'.repeat(LIMITS.eventStreamBytes);
    while (log.watched) {
      record(1, reason);
      await new Promise((done) => setImmediate(done));
    }
    socket.resume();
    await cut;
    const ids = [...text.matchAll(/^id: [0-9a-f]+-(\d+)$/gm)];
    const last = Number(ids.at(-1)?.[1] ?? 0);
    assert.ok(last < log.last, 'it was not behind');
    const again = await open({ since: `${last}` });
    await again.until(() => again.events.length > 0);
    assert.equal(again.seqs[0], Math.max(last + 1, log.first));
  });

  it('opens so many streams and no more', async () => {
    for (let i = 0; i < LIMITS.eventStreams; i++) await open();
    const answer = await ask(fixture.port, { target: '/v1/events', token: TOKENS.view });
    assert.equal(answer.status, 503);
    assert.equal(answer.json['code'], 'OVERLOADED');
    assert.equal(answer.json['definite'], true);
    await readers[0]?.cut();
    await until(async () => {
      const reader = await open();
      return reader.response.statusCode === 200;
    });
  });

  it('ends at a graceful stop, after its last event', async () => {
    const reader = await open();
    await reader.until(() => reader.retryMs !== undefined);
    record(1, 'bye', 'STOPPING');
    await fixture.server.close();
    await reader.closed;
    assert.equal(reader.events.at(-1)?.kind, 'STOPPING');
    // Over its time a stop cuts what is still open.
    assert.equal(reader.response.complete, true, 'it was cut, not ended');
    assert.equal(log.watched, false);
  });

  async function until(holds: () => Promise<boolean>): Promise<void> {
    while (!(await holds())) await new Promise((done) => setImmediate(done));
  }
});

describe('http: explain, stages and member names', () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await startFixture();
  });
  after(() => fixture.server.close());
  beforeEach(() => {
    fixture.calls.length = 0;
  });

  const get = (target: string) => ask(fixture.port, { target, token: TOKENS.view });

  it('asks the node what is asked, and answers with the explanation', async () => {
    for (const query of [
      'about=leader',
      'about=lag',
      'about=lag&id=n2',
      'about=entry&id=12',
      'about=member&id=n3',
    ]) {
      const answer = await get(`/v1/explain?${query}`);
      assert.equal(answer.status, 200, answer.body);
      assert.equal(answer.json['certainty'], 'CERTAIN');
    }
    assert.deepEqual(fixture.calls, [
      ['explain', 'leader', ''],
      ['explain', 'lag', ''],
      ['explain', 'lag', 'n2'],
      ['explain', 'entry', '12'],
      ['explain', 'member', 'n3'],
    ]);
  });

  it('refuses questions that are none, in one sentence', async () => {
    for (const query of [
      '',
      'about=weather',
      'about=leader&id=n1',
      'about=entry',
      'about=entry&id=0',
      'about=entry&id=n1',
      'about=entry&id=9007199254740993',
      'about=member',
      'about=member&id=../n1',
      `about=lag&id=${'n'.repeat(65)}`,
      'about=lag&about=leader',
      'about=lag&node=n1',
    ]) {
      const answer = await get(`/v1/explain?${query}`);
      assert.equal(answer.status, 400, query);
      assert.equal(answer.json['code'], 'BAD_REQUEST');
    }
    assert.deepEqual(fixture.calls, []);
  });

  it('asks for stage times where they are wanted', async () => {
    assert.equal((await get('/v1/log?from=3&to=3&stages=true')).status, 200);
    assert.equal((await get('/v1/log?from=3&to=3&stages=false')).status, 200);
    assert.equal((await get('/v1/log?stages=yes')).status, 400);
    assert.deepEqual(fixture.calls, [
      ['log', 3, 3, LIMITS.logPageEntries, true],
      ['log', 3, 3, LIMITS.logPageEntries, false],
    ]);
  });

  it('checks names in paths before it says what it cannot do', async () => {
    const remove = (id: string) =>
      ask(fixture.port, { method: 'DELETE', target: `/v1/members/${id}`, token: TOKENS.admin });
    assert.equal((await remove('n2')).status, 200);
    assert.equal((await remove('n%202')).status, 400);
    assert.equal((await remove(`${'n'.repeat(65)}`)).status, 400);
  });
});
