import assert from 'node:assert/strict';
import { ROUTES, type Route } from '../../sidecar/http/routes.ts';
import { mintTokens, SCOPES } from '../../sidecar/http/tokens.ts';
import { type Ask, ask, type Fixture, startFixture, TOKENS } from './http-support.ts';

const BODIES: Readonly<Record<string, string>> = {
  '/v1/members': '{"id":"n4","peer":"127.0.0.1:7004"}',
  '/v1/faults': '{"kind":"ISOLATE","ttlMs":1000}',
  '/v1/skip': '{"index":7,"reason":"it divides by zero"}',
  '/v1/app-version': '{"version":2,"reason":"amounts are in cents"}',
};

/** A good request for a route: the right token, the right body. */
function good(route: Route): Ask {
  const query = route.path === '/v1/explain' ? '?about=leader' : '';
  const target = `${route.path.replace(':id', idFor(route.path))}${query}`;
  const base = { method: route.method, target };
  const token = route.scope === 'open' ? {} : { token: TOKENS[route.scope] };
  if (route.body === 'none') return { ...base, ...token };
  const body = route.body === 'json' ? (BODIES[route.path] ?? '{}') : 'command';
  return { ...base, ...token, body, headers: [['Content-Type', 'application/json']] };
}

/** Sessions are numbered, members are named. */
const idFor = (path: string): string => (path.startsWith('/v1/sessions') ? '12' : 'n2');

describe('http: every route of the table', () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await startFixture();
  });
  after(() => fixture.server.close());
  beforeEach(() => {
    fixture.calls.length = 0;
  });

  it('holds the whole public surface', () => {
    const names = ROUTES.map(({ method, path, scope }) => `${method} ${path} ${scope}`);
    assert.deepEqual(names.sort(), [
      'DELETE /v1/faults/:id admin',
      'DELETE /v1/members/:id admin',
      'DELETE /v1/sessions/:id write',
      'GET / open',
      'GET /leader open',
      'GET /livez open',
      'GET /metrics open',
      'GET /page/panel.css open',
      'GET /page/panel.js open',
      'GET /readyz open',
      'GET /v1/events view',
      'GET /v1/explain view',
      'GET /v1/faults admin',
      'GET /v1/log view',
      'GET /v1/log/terms view',
      'GET /v1/members view',
      'GET /v1/snapshot admin',
      'GET /v1/status open',
      'POST /v1/app-version admin',
      'POST /v1/faults admin',
      'POST /v1/leader/transfer admin',
      'POST /v1/members admin',
      'POST /v1/members/:id/promote admin',
      'POST /v1/propose write',
      'POST /v1/read write',
      'POST /v1/sessions write',
      'POST /v1/sessions/:id/keep write',
      'POST /v1/skip admin',
      'POST /v1/snapshot admin',
    ]);
  });

  for (const route of ROUTES) {
    const name = `${route.method} ${route.path}`;
    const { scope: wanted } = route;
    if (wanted === 'open') {
      it(`${name} needs no token`, async () => {
        const answer = await ask(fixture.port, good(route));
        // No page lies beside the bundle of this test: that is said, and nothing else breaks.
        const isPage = route.path === '/' || route.path.startsWith('/page/');
        assert.equal(answer.status, isPage ? 503 : 200);
        if (isPage) assert.match(String(answer.json['message']), /page is not part of this build/);
        checkHeaders(answer.headers);
      });
      continue;
    }
    it(`${name} opens for ${wanted} and above only`, async () => {
      const { token: _right, ...request } = good(route);
      const strange = mintTokens().admin;
      const right = TOKENS[wanted];
      const twice = (first: string, second: string): Ask => ({
        ...request,
        token: first,
        headers: [...(request.headers ?? []), ['Authorization', `Bearer ${second}`]],
      });
      const refused: Ask[] = [
        request,
        { ...request, token: strange },
        { ...request, token: right.slice(0, -1) },
        { ...request, token: `${right}A` },
        { ...request, token: '' },
        { ...request, target: `${request.target}?token=${right}` },
        { ...request, target: `${request.target}?access_token=${right}` },
        { ...request, headers: [...(request.headers ?? []), ['Authorization', `Basic ${right}`]] },
        { ...request, headers: [...(request.headers ?? []), ['Cookie', `token=${right}`]] },
        // Two of them: whoever added one must not decide which counts.
        twice(strange, right),
        twice(right, strange),
      ];
      for (const one of refused) {
        const answer = await ask(fixture.port, one);
        assert.equal(answer.status, 401, JSON.stringify(one));
        assert.equal(answer.json['code'], 'UNAUTHORIZED');
        assert.equal(answer.json['definite'], true);
        assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer/);
        checkHeaders(answer.headers);
      }
      for (const scope of SCOPES.filter((held) => SCOPES.indexOf(held) < SCOPES.indexOf(wanted))) {
        const answer = await ask(fixture.port, { ...request, token: TOKENS[scope] });
        assert.equal(answer.status, 403, `${scope} must not open ${name}`);
        assert.equal(answer.json['code'], 'FORBIDDEN');
      }
      assert.deepEqual(fixture.calls, [], 'a refused request reached the node');

      for (const scope of SCOPES.filter((held) => SCOPES.indexOf(held) >= SCOPES.indexOf(wanted))) {
        // A stream would not end by itself.
        const method = route.path === '/v1/events' ? 'HEAD' : route.method;
        const answer = await ask(fixture.port, { ...request, method, token: TOKENS[scope] });
        if (answer.status === 501) assert.equal(answer.json['code'], 'UNSUPPORTED');
        else assert.equal(answer.status, 200, `${scope} must open ${name}: ${answer.body}`);
        checkHeaders(answer.headers);
      }
    });
  }

  it('answers other methods with 405 and what it takes', async () => {
    for (const path of new Set(ROUTES.map((route) => route.path))) {
      const routes = ROUTES.filter((route) => route.path === path);
      const here = routes.map((route) => route.method as string);
      const taken = here.includes('GET') ? [...here, 'HEAD'] : here;
      if (routes.some(({ probe }) => probe)) taken.push('OPTIONS');
      for (const method of [
        'GET',
        'HEAD',
        'POST',
        'PUT',
        'PATCH',
        'DELETE',
        'OPTIONS',
        'TRACE',
        'PROPFIND',
      ]) {
        if (taken.includes(method)) continue;
        const answer = await ask(fixture.port, {
          method,
          target: path.replace(':id', idFor(path)),
          token: TOKENS.admin,
          headers: [['X-HTTP-Method-Override', here[0] ?? '']],
        });
        assert.equal(answer.status, 405, `${method} ${path}`);
        assert.deepEqual(new Set((answer.headers['allow'] ?? '').split(', ')), new Set(taken));
        if (method !== 'HEAD') assert.equal(answer.json['code'], 'BAD_REQUEST');
        checkHeaders(answer.headers);
      }
    }
    assert.deepEqual(fixture.calls, []);
  });

  it('answers probes as balancers send them: GET, HEAD and OPTIONS, HTTP/1.0 and 1.1', async () => {
    const { host, port } = fixture;
    const before = { leader: host.leader, readiness: host.readiness };
    const probes = ['GET', 'HEAD', 'OPTIONS'].flatMap((method) =>
      ['1.0', '1.1'].flatMap((version) =>
        ['/leader', '/readyz', '/livez'].map((target) => ({ method, version, target })),
      ),
    );
    for (const well of [true, false]) {
      host.leader = () => ({ leader: 'n2', http: 'http://127.0.0.1:8002', term: 3, isLeader: well });
      host.readiness = () => [{ name: 'app', ok: well, reason: well ? '' : 'the app is ABSENT' }];
      for (const probe of probes) {
        const { method, target } = probe;
        const answer = await ask(port, probe);
        const what = `${method} ${target} HTTP/${probe.version}`;
        assert.equal(answer.status, well || target === '/livez' ? 200 : 503, what);
        assert.equal(answer.headers['x-outrigger-leader'], target === '/leader' ? 'n2' : undefined, what);
        if (method === 'OPTIONS') assert.equal(answer.headers['allow'], 'GET, HEAD, OPTIONS');
        checkHeaders(answer.headers);
        // What HAProxy sends unless it is told a Host.
        assert.equal((await ask(port, { ...probe, hosts: [] })).status, 400, what);
      }
    }
    Object.assign(host, before);
  });

  it('answers HEAD without a body, with the same status and token rules', async () => {
    for (const target of ['/livez', '/readyz', '/leader']) {
      const answer = await ask(fixture.port, { method: 'HEAD', target });
      assert.equal(answer.status, 200);
      assert.equal(answer.body, '');
    }
    assert.equal((await ask(fixture.port, { method: 'HEAD', target: '/v1/log' })).status, 401);
  });

  it('knows each path by its exact spelling only', async () => {
    for (const target of [
      '//v1/log',
      '/%76%31/log',
      '/v1/%6cog',
      '/v1/log/',
      '/V1/LOG',
      '/v1/../v1/log',
      '/v1/./log',
      '/v1/log%2fterms',
      '/v1/log\\terms',
      '/v1/log;x=1',
      '/livez/../v1/log',
      '/v1/members/n1/extra',
      '/nothing',
    ]) {
      const answer = await ask(fixture.port, { target, token: TOKENS.admin });
      assert.equal(answer.status, 404, target);
      assert.equal(answer.json['code'], 'NOT_FOUND');
    }
    const undecodable = await ask(fixture.port, {
      method: 'DELETE',
      target: '/v1/members/%ff',
      token: TOKENS.admin,
    });
    assert.equal(undecodable.status, 400);
    assert.match(String(undecodable.json['message']), /percent-encoding/);
    assert.deepEqual(fixture.calls, []);
    assert.deepEqual(fixture.errors, []);
  });
});

function checkHeaders(headers: Readonly<Record<string, string>>): void {
  assert.match(headers['content-security-policy'] ?? '', /default-src 'none'; frame-ancestors 'none'/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['cache-control'], 'no-store');
  for (const name of Object.keys(headers)) {
    assert.ok(!name.startsWith('access-control-'), `CORS header ${name}`);
    assert.ok(!['x-powered-by', 'etag', 'set-cookie'].includes(name), name);
  }
}
