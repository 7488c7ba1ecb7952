import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { addressToBind, createGate } from '../../sidecar/http/gate.ts';
import { type Ask, ask, exchange, type Fixture, requestBytes, startFixture, TOKENS } from './http-support.ts';

/** A request that would change state if the door let it through. */
const PROPOSE: Ask = { method: 'POST', target: '/v1/propose', token: TOKENS.write, body: 'x' };

describe('http: the door', () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await startFixture();
  });
  after(() => fixture.server.close());
  beforeEach(() => {
    fixture.calls.length = 0;
  });

  it('takes its own address under the three plain names', async () => {
    for (const name of ['127.0.0.1', '[::1]', 'localhost']) {
      const answer = await ask(fixture.port, { ...PROPOSE, hosts: [`${name}:${fixture.port}`] });
      assert.equal(answer.status, 200, name);
    }
    assert.equal(fixture.calls.length, 3);
  });

  it('refuses every other Host', async () => {
    const { port } = fixture;
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      `127.0.0.1.nip.io:${port}`,
      `localhost6:${port}`,
      `localhost.:${port}`,
      `localhost.evil.example:${port}`,
      `[::ffff:127.0.0.1]:${port}`,
      `127.1:${port}`,
      `2130706433:${port}`,
      `0.0.0.0:${port}`,
      `127.0.0.2:${port}`,
      `user@127.0.0.1:${port}`,
      `127.0.0.1:${port + 1}`,
      `127.0.0.1:0${port}`,
      '127.0.0.1',
      'localhost',
      '',
    ]) {
      for (const request of [PROPOSE, { target: '/livez' }]) {
        const answer = await ask(port, { ...request, hosts: [host] });
        assert.equal(answer.status, 403, `Host: ${host}`);
        assert.equal(answer.json['code'], 'FORBIDDEN');
      }
    }
    assert.deepEqual(fixture.calls, []);
  });

  it('refuses a missing and a second Host', async () => {
    const own = `127.0.0.1:${fixture.port}`;
    for (const hosts of [[], [own, own], [own, 'evil.example'], ['evil.example', own]]) {
      for (const version of ['1.1', '1.0']) {
        const answer = await ask(fixture.port, { ...PROPOSE, hosts, version });
        assert.equal(answer.status, 400, hosts.join());
        assert.equal(answer.json['code'], 'BAD_REQUEST');
      }
    }
    assert.deepEqual(fixture.calls, []);
  });

  it('refuses a target that is not a path', async () => {
    for (const target of [
      'http://evil.example/v1/propose',
      `http://127.0.0.1:${fixture.port}/v1/propose`,
      '*',
    ]) {
      const method = target === '*' ? 'OPTIONS' : 'POST';
      const answer = await ask(fixture.port, { ...PROPOSE, method, target });
      assert.equal(answer.status, 400, target);
    }
    assert.deepEqual(fixture.calls, []);
  });

  it('refuses every Origin but its own', async () => {
    const { port } = fixture;
    for (const origin of [
      'null',
      'http://evil.example',
      `http://evil.example:${port}`,
      `http://localhost:${port + 1}`,
      'http://localhost',
      `https://localhost:${port}`,
      `http://localhost:${port}/`,
      `http://localhost:${port}.evil.example`,
      'vscode-webview://abc',
      'file://',
      '',
    ]) {
      const answer = await ask(port, { ...PROPOSE, headers: [['Origin', origin]] });
      assert.equal(answer.status, 403, `Origin: ${origin}`);
    }
    const second = [
      ['Origin', `http://localhost:${port}`] as const,
      ['Origin', 'http://evil.example'] as const,
    ];
    assert.equal((await ask(port, { ...PROPOSE, headers: second })).status, 403);
    assert.deepEqual(fixture.calls, []);

    const own = await ask(port, { ...PROPOSE, headers: [['Origin', `http://localhost:${port}`]] });
    assert.equal(own.status, 200);
  });

  it('refuses cross-site requests of a browser, even to open routes', async () => {
    for (const target of ['/livez', '/v1/status', '/']) {
      const answer = await ask(fixture.port, { target, headers: [['Sec-Fetch-Site', 'cross-site']] });
      assert.equal(answer.status, 403);
    }
    assert.equal((await ask(fixture.port, { headers: [['Sec-Fetch-Site', 'same-origin']] })).status, 200);
  });

  it('does nothing for the simple requests a foreign page can send without asking', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=b',
    ]) {
      for (const target of ['/v1/propose', '/v1/leader/transfer', '/v1/members', '/v1/snapshot']) {
        const headers = [['Content-Type', type] as const];
        const foreign = [...headers, ['Origin', 'http://evil.example'] as const];
        const withOrigin = await ask(fixture.port, { method: 'POST', target, headers: foreign, body: '{}' });
        assert.equal(withOrigin.status, 403);
        // An old browser sends no Origin: then the token it cannot know stops it.
        const without = await ask(fixture.port, { method: 'POST', target, headers, body: '{}' });
        assert.equal(without.status, 401);
      }
    }
    const preflight = await ask(fixture.port, {
      method: 'OPTIONS',
      target: '/v1/propose',
      headers: [
        ['Origin', 'http://evil.example'],
        ['Access-Control-Request-Method', 'POST'],
      ],
    });
    assert.equal(preflight.status, 403);
    assert.ok(!Object.keys(preflight.headers).some((name) => name.startsWith('access-control-')));
    assert.deepEqual(fixture.calls, []);
  });

  it('answers what is not HTTP with JSON too', async () => {
    const garbage = await exchange(fixture.port, Buffer.from('\x16\x03\x01 hello\r\n\r\n', 'latin1'));
    assert.equal(garbage.status, 400);
    assert.equal(garbage.json['code'], 'BAD_REQUEST');
    assert.equal(garbage.headers['x-content-type-options'], 'nosniff');

    const long = await ask(fixture.port, { headers: [['X-Long', 'a'.repeat(20_000)]] });
    assert.equal(long.status, 431);

    const expects = await ask(fixture.port, { headers: [['Expect', 'the-moon']] });
    assert.equal(expects.status, 417);
    assert.equal(expects.json['definite'], true);
  });

  it('never lets garbage on a connection be taken for the answer of an open proposal', async () => {
    let started: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      started = resolve;
    });
    const usual = fixture.host.propose;
    let finish: () => void = () => undefined;
    fixture.host.propose = () => {
      started();
      return new Promise((resolve) => {
        finish = () => resolve({ index: 9, term: 3 });
      });
    };
    const socket = connect(fixture.port, '127.0.0.1');
    const head = `POST /v1/propose HTTP/1.1\r\nHost: 127.0.0.1:${fixture.port}\r\nAuthorization: Bearer ${TOKENS.write}\r\nContent-Length: 1\r\n\r\nx`;
    socket.write(head);
    await begun;
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    const gone = new Promise((resolve) => socket.on('close', resolve).on('error', () => undefined));
    socket.write('\x00garbage\r\n\r\n');
    await gone;
    assert.equal(Buffer.concat(received).toString(), '');
    finish();
    fixture.host.propose = usual;
  });
});

describe('http: where it listens', () => {
  it('binds loopback literals only', async () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1']) assert.equal(addressToBind(host, false), host);
    assert.equal(addressToBind('localhost', false), '127.0.0.1');
    for (const host of [
      '0.0.0.0',
      '::',
      '',
      '10.0.0.1',
      '192.168.1.5',
      '127.1',
      '127.0.0.1.nip.io',
      'localhost6',
      '::ffff:127.0.0.1',
      'example.org',
      '128.0.0.1',
    ]) {
      await assert.rejects(startFixture({ listen: { host, port: 0 } }), (error: Error) => {
        assert.ok(error instanceof RangeError);
        assert.match(error.message, /^HTTP without TLS listens on loopback only/);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    }
  });

  it('says in one sentence that its port is taken', async () => {
    const first = await startFixture();
    await assert.rejects(startFixture({ listen: { host: '127.0.0.1', port: first.port } }), {
      message: `HTTP cannot listen on 127.0.0.1:${first.port}: another process has it`,
    });
    await first.server.close();
  });

  it('knows its own literal address, and the default port of HTTP', () => {
    const request = (host: string) => ({ url: '/', rawHeaders: ['Host', host] });
    const at = createGate('127.0.0.5', 80);
    const status = (host: string) => at(request(host) as Parameters<typeof at>[0])?.status;
    assert.equal(status('127.0.0.5:80'), undefined);
    assert.equal(status('127.0.0.5'), undefined);
    assert.equal(status('localhost'), undefined);
    assert.equal(status('[::1]:80'), undefined);
    assert.equal(status('127.0.0.6:80'), 403);
  });

  it('lets open requests finish when it closes, and takes no new ones', async () => {
    const fixture = await startFixture();
    let finish: () => void = () => undefined;
    const begun = new Promise<void>((started) => {
      fixture.host.propose = () => {
        started();
        return new Promise((resolve) => {
          finish = () => resolve({ index: 9, term: 3 });
        });
      };
    });
    const answer = ask(fixture.port, PROPOSE);
    await begun;
    const closed = fixture.server.close();
    await assert.rejects(ask(fixture.port), { code: 'ECONNREFUSED' });
    finish();
    assert.equal((await answer).headers['outrigger-index'], '9');
    await closed;
  });

  it('tells clients that keep their connection that it ends', async () => {
    const fixture = await startFixture();
    let finish: () => void = () => undefined;
    const begun = new Promise<void>((started) => {
      fixture.host.propose = () => {
        started();
        return new Promise((resolve) => {
          finish = () => resolve({ index: 9, term: 3 });
        });
      };
    });
    const keep = (request: Ask) =>
      requestBytes(fixture.port, request).toString('latin1').replace('Connection: close\r\n', '');
    const socket = connect(fixture.port, '127.0.0.1', () => socket.write(keep(PROPOSE)));
    const chunks: Buffer[] = [];
    const ended = new Promise((resolve) =>
      socket.on('data', (chunk) => chunks.push(chunk)).once('close', resolve),
    );
    await begun;
    const closed = fixture.server.close();
    const second = new Promise<void>((asked) => {
      fixture.host.readiness = () => {
        asked();
        return [];
      };
    });
    socket.write(keep({ target: '/readyz' }));
    await second;
    finish();
    await Promise.all([ended, closed]);
    const answers = Buffer.concat(chunks).toString().split('HTTP/1.1 ').slice(1);
    assert.equal(answers.length, 2);
    assert.match(answers[0] ?? '', /^200 .*outrigger-index: 9/is);
    assert.match(answers[1] ?? '', /^200 .*connection: close/is);
  });

  it('closes within its bound when a request never ends', async () => {
    const fixture = await startFixture();
    const begun = new Promise<void>((started) => {
      fixture.host.propose = () => {
        started();
        return new Promise(() => undefined);
      };
    });
    const answer = ask(fixture.port, PROPOSE);
    const cut = assert.rejects(answer);
    await begun;
    await fixture.server.close(20);
    await cut;
  });

  it('cuts connections that send nothing, half a header or half a body, and serves others meanwhile', async () => {
    const fixture = await startFixture({ arrival: { headersMs: 100, receiveMs: 200 } });
    const whole = requestBytes(fixture.port, PROPOSE);
    const cut = ['', whole.subarray(0, 30), whole.subarray(0, -1)].map(
      (bytes) =>
        new Promise<string>((resolve) => {
          const chunks: Buffer[] = [];
          const socket = connect(fixture.port, '127.0.0.1', () => socket.write(bytes));
          socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => undefined);
          socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
        }),
    );
    assert.equal((await ask(fixture.port)).status, 200);
    const [silent, half, slowBody] = await Promise.all(cut);
    assert.match(silent ?? '', /^HTTP\/1.1 408/);
    assert.match(half ?? '', /^HTTP\/1.1 408/);
    // That one was let in already: nothing that could be taken for the answer of its proposal is sent.
    assert.equal(slowBody, '');
    assert.deepEqual(fixture.calls, []);
    await fixture.server.close();
  });
});
