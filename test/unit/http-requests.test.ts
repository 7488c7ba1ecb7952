import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type ErrorCode, refusal } from '../../shared/codes.ts';
import { LIMITS } from '../../shared/limits.ts';
import { type Ask, ask, exchange, type Fixture, requestBytes, startFixture, TOKENS } from './http-support.ts';

const JSON_TYPE: readonly (readonly [string, string])[] = [['Content-Type', 'application/json']];
const propose = (more: Ask = {}): Ask => ({
  method: 'POST',
  target: '/v1/propose',
  token: TOKENS.write,
  body: 'set a 1',
  ...more,
});
const json = (target: string, body: string, more: Ask = {}): Ask => ({
  method: 'POST',
  target,
  token: TOKENS.admin,
  headers: JSON_TYPE,
  body,
  ...more,
});

describe('http: requests and answers', () => {
  let fixture: Fixture;
  beforeEach(async () => {
    fixture = await startFixture();
  });
  afterEach(() => fixture.server.close());

  it('proposes the body as it is and answers with the result', async () => {
    const command = Buffer.from([0, 1, 2, 254, 255, 13, 10]);
    const answer = await ask(
      fixture.port,
      propose({ body: command, headers: [['Content-Type', 'text/plain']] }),
    );
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['outrigger-index'], '8');
    assert.equal(answer.headers['outrigger-term'], '3');
    assert.equal(answer.headers['content-type'], 'application/octet-stream');
    assert.equal(answer.body, '\x00\xff\n');
    const expected = {
      session: 0,
      sequence: 0,
      ackBelow: 0,
      timeoutMs: LIMITS.requestMs,
      command: command.toString('latin1'),
    };
    assert.deepEqual(fixture.calls, [['propose', expected]]);
  });

  it('passes session, sequence and a clipped timeout on', async () => {
    const headers = [
      ['Outrigger-Session', '12'],
      ['Outrigger-Sequence', '9007199254740991'],
      ['Outrigger-Ack-Below', '7'],
      ['Outrigger-Timeout-Ms', '99999999'],
    ] as const;
    assert.equal((await ask(fixture.port, propose({ headers }))).status, 200);
    const expected = {
      session: 12,
      sequence: 2 ** 53 - 1,
      ackBelow: 7,
      timeoutMs: LIMITS.requestMsMax,
      command: 'set a 1',
    };
    assert.deepEqual(fixture.calls, [['propose', expected]]);
  });

  it('refuses half a session and numbers that are none', async () => {
    for (const headers of [
      [['Outrigger-Session', '1']],
      [['Outrigger-Sequence', '1']],
      [
        ['Outrigger-Session', '0'],
        ['Outrigger-Sequence', '1'],
      ],
      [
        ['Outrigger-Session', '1'],
        ['Outrigger-Sequence', '-1'],
      ],
      [
        ['Outrigger-Session', '1.5'],
        ['Outrigger-Sequence', '1'],
      ],
      [
        ['Outrigger-Session', '9007199254740992'],
        ['Outrigger-Sequence', '1'],
      ],
      [
        ['Outrigger-Session', '1'],
        ['Outrigger-Session', '2'],
        ['Outrigger-Sequence', '1'],
      ],
      [
        ['Outrigger-Session', '0x1'],
        ['Outrigger-Sequence', '1'],
      ],
      [
        ['Outrigger-Session', '1'],
        ['Outrigger-Sequence', '2'],
        ['Outrigger-Ack-Below', '3'],
      ],
      [['Outrigger-Timeout-Ms', 'soon']],
      [['Outrigger-Timeout-Ms', '0']],
    ] as (readonly [string, string])[][]) {
      const answer = await ask(fixture.port, propose({ headers }));
      assert.equal(answer.status, 400, headers.join(' '));
      assert.equal(answer.json['code'], 'BAD_REQUEST');
    }
    assert.deepEqual(fixture.calls, []);
  });

  it('takes a command of exactly the limit, and none over it', async () => {
    assert.equal((await ask(fixture.port, propose({ body: Buffer.alloc(LIMITS.commandBytes) }))).status, 200);
    assert.equal(fixture.calls.length, 1);
    const over = await ask(fixture.port, propose({ body: Buffer.alloc(LIMITS.commandBytes + 1) }));
    assert.equal(over.status, 413);
    assert.equal(over.json['code'], 'TOO_LARGE');
    assert.equal(over.json['definite'], true);
    // Announced only: it is refused before a byte of it is sent.
    const announced = requestBytes(fixture.port, propose({ headers: [['Content-Length', '99999999999']] }));
    const text = announced.toString('latin1').replace('Content-Length: 7\r\n', '').replace('set a 1', '');
    assert.equal((await exchange(fixture.port, Buffer.from(text, 'latin1'))).status, 413);
    assert.equal(fixture.calls.length, 1);
  });

  it('counts chunked bodies too', async () => {
    const chunk = (size: number) =>
      Buffer.concat([Buffer.from(`${size.toString(16)}\r\n`), Buffer.alloc(size), Buffer.from('\r\n')]);
    const { body: _none, ...request } = propose({ headers: [['Transfer-Encoding', 'chunked']] });
    const head = requestBytes(fixture.port, request);
    const end = Buffer.from('0\r\n\r\n');
    const half = LIMITS.commandBytes / 2;
    const whole = await exchange(fixture.port, Buffer.concat([head, chunk(half), chunk(half), end]));
    assert.equal(whole.status, 200);
    const over = await exchange(fixture.port, Buffer.concat([head, chunk(half), chunk(half), chunk(1), end]));
    assert.equal(over.status, 413);
    assert.equal(over.json['code'], 'TOO_LARGE');
    assert.equal(fixture.calls.length, 1);
  });

  it('takes JSON bodies up to their own, smaller limit', async () => {
    const body = `{"consistency":"STALE"${' '.repeat(LIMITS.httpBodyBytes)}}`;
    const answer = await ask(fixture.port, json('/v1/read', body));
    assert.equal(answer.status, 413);
    assert.deepEqual(fixture.calls, []);
  });

  it('refuses JSON routes another content type, and compressed bodies', async () => {
    for (const headers of [
      [],
      [['Content-Type', 'text/plain']],
      [['Content-Type', 'application/jsonp']],
    ] as Ask['headers'][]) {
      const answer = await ask(fixture.port, json('/v1/read', '{}', { headers: headers ?? [] }));
      assert.equal(answer.status, 415);
      assert.equal(answer.json['code'], 'BAD_REQUEST');
    }
    const zipped = [...JSON_TYPE, ['Content-Encoding', 'gzip'] as const];
    assert.equal((await ask(fixture.port, json('/v1/read', '{}', { headers: zipped }))).status, 415);
    const odd = [['Content-Type', 'application/json; charset=klingon'] as const];
    assert.equal((await ask(fixture.port, json('/v1/read', '{}', { headers: odd }))).status, 415);
    const fine = [['Content-Type', 'Application/JSON; charset=utf-8'] as const];
    assert.equal((await ask(fixture.port, json('/v1/read', '{}', { headers: fine }))).status, 200);
  });

  it('refuses malformed JSON and bodies of another shape, in one sentence', async () => {
    for (const [target, body, said] of [
      ['/v1/read', '{', /not valid JSON/],
      ['/v1/read', '"x"', /not valid JSON/],
      ['/v1/read', '[]', /the body is refused/],
      ['/v1/read', '{"consistency":"strong"}', /consistency in the body is refused: give LINEARIZABLE/],
      ['/v1/read', '{"consistency":"AT_LEAST"}', /index in the body is refused: AT_LEAST needs it/],
      ['/v1/read', '{"consistency":"AT_LEAST","index":-1}', /index in the body/],
      ['/v1/read', '{"consistency":"AT_LEAST","index":1.5}', /index in the body/],
      ['/v1/read', '{"consistency":"AT_LEAST","index":9007199254740993}', /index in the body/],
      ['/v1/read', '{"consistancy":"STALE"}', /has "consistancy", which this route does not know/],
      ['/v1/leader/transfer', '{"target":"n2"}', /has "target"/],
      ['/v1/leader/transfer', '{"to":"../n2"}', /to in the body is refused/],
      ['/v1/leader/transfer', '{"to":""}', /to in the body is refused/],
    ] as const) {
      const answer = await ask(fixture.port, json(target, body));
      assert.equal(answer.status, 400, body);
      assert.equal(answer.json['code'], 'BAD_REQUEST');
      assert.match(String(answer.json['message']), said);
      assert.doesNotMatch(answer.body, / at |node_modules|Error:/);
    }
    assert.deepEqual(fixture.calls, []);
    assert.deepEqual(fixture.errors, [], "a user's mistake is not our error");
  });

  it('reads and transfers', async () => {
    const read = await ask(fixture.port, json('/v1/read', '{"consistency":"AT_LEAST","index":5}'));
    assert.deepEqual(read.json, { index: 7 });
    await ask(
      fixture.port,
      json('/v1/read', '{}', { headers: [...JSON_TYPE, ['Outrigger-Timeout-Ms', '50']] }),
    );
    assert.deepEqual((await ask(fixture.port, json('/v1/leader/transfer', '{"to":"n3"}'))).json, {
      leader: 'n3',
      term: 4,
    });
    assert.deepEqual((await ask(fixture.port, json('/v1/leader/transfer', '{}'))).json, {
      leader: 'n2',
      term: 4,
    });
    assert.deepEqual(fixture.calls, [
      ['read', { consistency: 'AT_LEAST', index: 5, timeoutMs: LIMITS.requestMs }],
      ['read', { consistency: 'LINEARIZABLE', index: undefined, timeoutMs: 50 }],
      ['transfer', 'n3'],
      ['transfer', ''],
    ]);
  });

  it('pages the log by a checked query', async () => {
    const log = (query: string) => ask(fixture.port, { target: `/v1/log${query}`, token: TOKENS.view });
    assert.equal((await log('')).status, 200);
    assert.equal((await log('?from=2&to=5&limit=999999')).status, 200);
    assert.deepEqual(fixture.calls, [
      ['log', 0, Number.MAX_SAFE_INTEGER, LIMITS.logPageEntries, false],
      ['log', 2, 5, LIMITS.logPageEntries, false],
    ]);
    for (const query of [
      '?from=',
      '?from=-1',
      '?from=1e3',
      '?from=1.0',
      '?from=0x10',
      '?from=9007199254740992',
      '?to=9007199254740992',
      '?from=1&from=2',
      '?from[]=1',
      '?limit=0',
      '?from=5&to=4',
      '?form=1',
      '?__proto__=1',
      `?token=${TOKENS.view}`,
    ]) {
      const answer = await log(query);
      assert.equal(answer.status, 400, query);
      assert.equal(answer.json['code'], 'BAD_REQUEST');
    }
    assert.equal(fixture.calls.length, 2);
  });

  it('gives every code its status, and says when to try again and who leads', async () => {
    const table: Record<ErrorCode, number> = {
      BAD_REQUEST: 400,
      UNAUTHORIZED: 401,
      FORBIDDEN: 403,
      NOT_FOUND: 404,
      NOT_LEADER: 409,
      TERM_CHANGED: 409,
      SESSION_UNKNOWN: 409,
      SEQUENCE_GAP: 409,
      SKIPPED: 409,
      TOO_LARGE: 413,
      INTERNAL: 500,
      UNSUPPORTED: 501,
      OVERLOADED: 503,
      APP_ABSENT: 503,
      APP_AHEAD: 503,
      APP_DIVERGED: 503,
      NOT_READY: 503,
      LEADER_LOST: 503,
      SHUTTING_DOWN: 503,
      TIMEOUT: 504,
      NO_SPACE: 507,
    };
    for (const [code, status] of Object.entries(table) as [ErrorCode, number][]) {
      const refused = refusal(code, 'because', { leader: 'n2', retryAfterMs: 1200 });
      fixture.host.propose = async () => refused;
      const answer = await ask(fixture.port, propose());
      assert.equal(answer.status, status, code);
      assert.deepEqual(answer.json, refused);
      assert.equal(answer.headers['retry-after'], '2');
      assert.equal(answer.headers['x-outrigger-leader'], 'n2');
    }
  });

  it('tells a load balancer where the leader is', async () => {
    const leads = await ask(fixture.port, { target: '/leader' });
    assert.equal(leads.status, 200);
    assert.equal(leads.json['isLeader'], true);
    assert.equal(leads.headers['x-outrigger-leader'], 'n1');
    fixture.host.leader = () => ({ leader: 'n2', http: 'http://127.0.0.1:8002', term: 4, isLeader: false });
    const follows = await ask(fixture.port, { target: '/leader' });
    assert.equal(follows.status, 503);
    assert.equal(follows.headers['x-outrigger-leader'], 'n2');
    assert.equal(follows.headers['x-outrigger-leader-http'], 'http://127.0.0.1:8002');
    assert.deepEqual(
      [follows.json['code'], follows.json['leader'], follows.json['term']],
      ['NOT_LEADER', 'n2', 4],
    );
    fixture.host.leader = () => ({ leader: null, http: null, term: 4, isLeader: false });
    const lost = await ask(fixture.port, { target: '/leader' });
    assert.equal(lost.status, 503);
    assert.equal(lost.headers['x-outrigger-leader'], undefined);
    // What another node told us is never trusted to be a header.
    fixture.host.leader = () => ({
      leader: 'n2',
      http: 'http://x\r\nSet-Cookie: a=b',
      term: 4,
      isLeader: false,
    });
    const injected = await ask(fixture.port, { target: '/leader' });
    assert.equal(injected.status, 503);
    assert.equal(injected.headers['set-cookie'], undefined);
  });

  it('names the failing checks of readyz', async () => {
    fixture.host.readiness = () => [
      { name: 'leader', ok: true, reason: '' },
      { name: 'app', ok: false, reason: 'no app is connected' },
    ];
    const answer = await ask(fixture.port, { target: '/readyz' });
    assert.equal(answer.status, 503);
    assert.equal(answer.json['ready'], false);
    assert.equal(answer.json['message'], 'app: no app is connected');
    assert.equal((answer.json['checks'] as unknown[]).length, 2);
  });

  it('answers an unexpected fault without showing it, and logs it', async () => {
    fixture.host.propose = () => Promise.reject(new Error('secret detail'));
    const answer = await ask(fixture.port, propose());
    assert.equal(answer.status, 500);
    assert.equal(answer.json['code'], 'INTERNAL');
    assert.equal(answer.json['definite'], false);
    assert.doesNotMatch(answer.body, /secret detail| at /);
    assert.equal(fixture.errors.length, 1);
    fixture.host.status = () => {
      throw new TypeError('another');
    };
    assert.equal((await ask(fixture.port, { target: '/v1/status' })).status, 500);
  });

  it('serves others while a body is slow to come', async () => {
    const slow = connect(fixture.port, '127.0.0.1');
    const begun = new Promise((resolve) =>
      slow.write(requestBytes(fixture.port, propose()).subarray(0, -3), resolve),
    );
    await begun;
    assert.equal((await ask(fixture.port)).status, 200);
    assert.equal((await ask(fixture.port, propose())).status, 200);
    assert.equal(fixture.calls.length, 1);
    const answered = new Promise((resolve) => slow.once('data', resolve));
    slow.write('a 1');
    assert.match(String(await answered), /^HTTP\/1.1 200/);
    assert.equal(fixture.calls.length, 2);
    slow.destroy();
  });

  it('refuses requests past its bound at once, and serves again when some were answered', async () => {
    const finish: (() => void)[] = [];
    let reached: () => void = () => undefined;
    const full = new Promise<void>((resolve) => {
      reached = resolve;
    });
    fixture.host.read = () =>
      new Promise((resolve) => {
        finish.push(() => resolve({ index: 1 }));
        if (finish.length === LIMITS.httpRequests) reached();
      });
    // Pipelined on one connection, which is the cheapest way for a client to ask for very much.
    const one = requestBytes(fixture.port, json('/v1/read', '{}'))
      .toString('latin1')
      .replace('Connection: close\r\n', '');
    const flood = connect(fixture.port, '127.0.0.1');
    flood.on('error', () => undefined);
    flood.write(one.repeat(LIMITS.httpRequests));
    await full;
    const over = await ask(fixture.port, propose());
    assert.equal(over.status, 503);
    assert.equal(over.json['code'], 'OVERLOADED');
    assert.equal(over.headers['retry-after'], '1');
    assert.equal((await ask(fixture.port)).status, 200, 'health is always answered');
    assert.deepEqual(fixture.calls, []);
    const drained = new Promise((resolve) => flood.once('close', resolve));
    flood.destroy();
    await drained;
    for (const one of finish) one();
    let again = await ask(fixture.port, propose());
    // The server learns of the closed connection on its own time.
    for (let tries = 0; again.status === 503 && tries < 100; tries++)
      again = await ask(fixture.port, propose());
    assert.equal(again.status, 200);
  });
});
