import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import type { RaftEvent } from '../../shared/events.ts';
import { ask, type Fixture, startFixture, TOKENS } from '../unit/http-support.ts';
import { axe, launch, openPage, until, type Watch, WEBVIEW } from './browser.ts';
import { EXPLANATION, LEADER_STATUS, LEADER_TERMS, NOW } from './cluster.ts';

/** Counts what the page's policy refused. */
const WATCH = `globalThis.harness = { violations: [] };
document.addEventListener('securitypolicyviolation', (event) => harness.violations.push(event.violatedDirective + ' ' + event.blockedURI));`;

describe('page: served by the sidecar', () => {
  let browser: Browser;
  let sidecar: Fixture;
  let watch: Watch | undefined;
  const outside = process.env['OUTRIGGER_WEBVIEW'];
  let events: RaftEvent[];
  let wake: () => void;

  before(async function () {
    const launched = await launch();
    if (launched === undefined) return this.skip();
    browser = launched;
    process.env['OUTRIGGER_WEBVIEW'] = WEBVIEW;
    sidecar = await startFixture();
  });
  beforeEach(() => {
    events = [
      { seq: 1, at: NOW, kind: 'ROLE', term: 7, cause: 'VOTE_WON', role: 'LEADER', was: 'CANDIDATE' },
    ];
    wake = () => undefined;
    sidecar.host.status = () => LEADER_STATUS;
    sidecar.host.terms = () => LEADER_TERMS;
    sidecar.host.explain = async ({ about, id }) => ({ ...EXPLANATION, about, id });
    sidecar.host.log = async (from, to) => ({
      from,
      to,
      firstIndex: 11,
      lastIndex: 1_000,
      commitIndex: 990,
      entries: [
        {
          index: from,
          term: 7,
          kind: 'COMMAND',
          time: NOW,
          session: null,
          sequence: null,
          size: 27,
          hash: '00',
          command: Buffer.from('<script>alert(1)</script> \u202e').toString('base64'),
        },
      ],
    });
    sidecar.host.events = () => ({
      generation: 'f00d',
      first: 1,
      get last() {
        return events.length;
      },
      since: (seq, max) => events.filter((one) => one.seq > seq).slice(0, max),
      listen: (listener) => {
        wake = listener;
        return () => undefined;
      },
    });
  });
  afterEach(async () => {
    await watch?.end();
    watch = undefined;
  });
  after(async () => {
    if (outside === undefined) delete process.env['OUTRIGGER_WEBVIEW'];
    else process.env['OUTRIGGER_WEBVIEW'] = outside;
    await browser?.close();
    await sidecar?.server.close(0);
  });

  async function open(fragment: string): Promise<Page> {
    watch = await openPage(browser, `${sidecar.server.url}/${fragment}`, WATCH);
    await watch.page.waitForSelector('[data-leader]');
    return watch.page;
  }

  it('is three files under a policy of their own', async () => {
    for (const [target, type] of [
      ['/', 'text/html'],
      ['/page/panel.js', 'text/javascript'],
      ['/page/panel.css', 'text/css'],
    ] as const) {
      const { status, headers, body } = await ask(sidecar.port, { target });
      assert.equal(status, 200, target);
      assert.ok(headers['content-type']?.startsWith(type), target);
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(headers['x-content-type-options'], 'nosniff');
      const policy = headers['content-security-policy'] ?? '';
      assert.match(policy, /default-src 'none'.*script-src 'self'.*style-src 'self'.*connect-src 'self'/);
      assert.doesNotMatch(policy, /unsafe/);
      assert.ok(body.length > 100, target);
    }
    for (const target of ['/page/panel.js.map', '/page/', '/page/..%2fpackage.json', '/panel.js']) {
      assert.equal((await ask(sidecar.port, { target })).status, 404, target);
    }
    const foreign = await ask(sidecar.port, { target: '/', hosts: ['evil.test'] });
    assert.equal(foreign.status, 403);
  });

  it('shows the faults that are planted in it, as its status tells them', async () => {
    const plan = { kind: 'DELAY', peer: '', direction: 'IN', delayMs: 200, jitterMs: 0, share: 0 } as const;
    const times = { ttlMs: 60_000, since: NOW - 30_000, until: NOW + 30_000 };
    sidecar.host.status = () => ({
      ...LEADER_STATUS,
      faults: [{ id: 'f1', ...plan, ...times, messages: 5 }],
    });
    const page = await open(`#token=${TOKENS.view}`);
    const planted = await page.locator('tr[data-node=n1] [data-planted]').innerText();
    assert.match(
      planted,
      /Planted fault: delays messages from all peers by 200 ms, for another (30|29\.\d) s/,
    );
  });

  it('takes the token from the fragment, out of the address bar, and shows everything', async () => {
    const page = await open(`#token=${TOKENS.view}`);
    assert.equal(page.url(), `${sidecar.server.url}/`);
    assert.equal(await page.locator('[data-login]').count(), 0);
    await page.waitForSelector('[data-range]');
    assert.match((await page.textContent('outrigger-matrix')) ?? '', /n3\s+as its leader knows/);
    await page.click('[data-act=why-leader]');
    await page.waitForSelector('[data-explain=ANSWERED]');
    await page.locator('[role=grid]').press('Enter');
    await page.waitForSelector('[data-entry=ANSWERED]');
    const payload = (await page.textContent('[data-entry] pre')) ?? '';
    assert.match(payload, /^<script>alert\(1\)<\/script> /);
    assert.ok(!payload.includes('\u202e'));
    assert.equal(await page.locator('[data-act=open-log]').count(), 0, 'there is no editor');

    await page.click('#tab-time');
    await page.waitForSelector('.events');
    assert.match((await page.textContent('.events')) ?? '', /ROLE leads term 7/);
    events.push({ seq: 2, at: NOW + 5, kind: 'PEER_DOWN', term: 7, cause: 'LOST', peer: 'n2' });
    wake();
    await until(page, `document.querySelector('.events').textContent.includes('PEER_DOWN')`);
    assert.equal(await page.locator('.events [role=option]').count(), 2, 'each event once');
  });

  it('keeps the token for this tab only: a reload needs none, another tab does', async () => {
    const page = await open(`#token=${TOKENS.view}`);
    await page.waitForSelector('[data-range]');
    assert.deepEqual(await page.evaluate('[Object.keys(localStorage), document.cookie]'), [[], '']);
    const second = await page.context().newPage();
    await second.goto(sidecar.server.url);
    await second.waitForSelector('[data-login]');
    await second.close();
    await page.reload();
    await page.waitForSelector('[data-range]');
    assert.equal(await page.locator('[data-login]').count(), 0);
    await watch?.end(2);
    watch = undefined;
  });

  it('says how many events the sidecar had forgotten', async () => {
    events = [{ seq: 5, at: NOW, kind: 'COMMIT', term: 7, cause: 'QUORUM', index: 9, entries: 1 }];
    sidecar.host.events = () => ({
      generation: 'f00d',
      first: 5,
      last: 5,
      since: (seq) => (seq < 5 ? events : []),
      listen: () => () => undefined,
    });
    const page = await open(`#token=${TOKENS.view}`);
    await page.click('#tab-time');
    await page.waitForSelector('[data-forgotten]');
    assert.match((await page.textContent('[data-forgotten]')) ?? '', /^4 older events/);
  });

  it('shows the status without a token, asks for one, and says where it is', async () => {
    const page = await open('');
    assert.match((await page.textContent('header')) ?? '', /Leader n1/);
    assert.match((await page.textContent('[data-login]')) ?? '', /tokenFile.*#token=TOKEN/s);
    assert.deepEqual(await axe(page), []);
    const field = page.locator('[data-login] input');
    await field.fill('not a token!');
    await field.press('Enter');
    await until(page, `document.body.textContent.includes('letters, digits')`);
    await field.fill('A'.repeat(43));
    await field.press('Enter');
    await until(page, `document.body.textContent.includes('refused that token')`);
    await field.fill(TOKENS.view);
    await field.press('Enter');
    await page.waitForSelector('[data-range]');
    assert.equal(await page.locator('[data-login]').count(), 0);
  });

  it('shows a new leader and says it, and that a sidecar fell silent', async () => {
    const page = await open(`#token=${TOKENS.view}`);
    sidecar.host.status = () => ({ ...LEADER_STATUS, role: 'FOLLOWER', leader: 'n2', term: 8, progress: [] });
    await until(page, `document.querySelector('[data-term]').textContent === 'Term 8'`);
    await until(page, `document.querySelector('[data-aloud]').textContent !== ''`);
    sidecar.host.status = () => {
      throw new Error('scripted fault');
    };
    await until(page, `document.querySelector('tr[data-node=n1]').textContent.includes('Retrying')`);
  });
});
