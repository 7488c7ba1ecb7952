import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import {
  axe,
  type Fixture,
  launch,
  openPanel,
  type Site,
  serveBundle,
  until,
  type Watch,
} from './browser.ts';
import { ENTRY, EVENTS, EXPLANATION, NOW, snapshot } from './cluster.ts';

interface Manifest {
  readonly contributes: {
    readonly colors: readonly { readonly defaults: Readonly<Record<'light' | 'dark', string>> }[];
  };
}

const ANSWERS = { explain: EXPLANATION, entry: ENTRY, openLog: null, compare: null };

/** What the page said to its host so far. */
const said = (page: Page) =>
  page.evaluate<{ type: string; method?: string; params?: object }[]>('harness.said');
const say = (page: Page, message: object) => page.evaluate(`harness.say(${JSON.stringify(message)})`);
/** The text of the cell that a screen reader would read. */
const cell = (page: Page) =>
  page.evaluate<string>(
    `document.getElementById(document.querySelector('[role=grid]').getAttribute('aria-activedescendant')).textContent.trim()`,
  );
const focused = (page: Page) =>
  page.evaluate<string>(
    `((at) => at.id || at.dataset.act || at.getAttribute('role') || at.getAttribute('name') || at.tagName)(document.activeElement)`,
  );

/** Presses Tab until the element with this name has the focus: nothing is reached in another way. */
async function tabTo(page: Page, name: string, key = 'Tab'): Promise<void> {
  const passed: string[] = [];
  for (let presses = 0; presses < 60; presses += 1) {
    const now = await focused(page);
    if (now === name) return;
    passed.push(now);
    await page.keyboard.press(key);
  }
  assert.fail(`${name} is not reached by ${key}: ${passed.join(', ')}`);
}

describe('page: the panel', () => {
  let browser: Browser;
  let site: Site;
  let watch: Watch | undefined;
  before(async function () {
    const launched = await launch();
    if (launched === undefined) return this.skip();
    browser = launched;
    site = await serveBundle();
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });
  // Every test ends with: no policy violated, no dialog, no navigation, no error.
  afterEach(async () => {
    await watch?.end();
    watch = undefined;
  });

  async function open(fixture: Fixture = {}, options: BrowserContextOptions = {}): Promise<Page> {
    watch = await openPanel(browser, site, { snapshot: snapshot(), answers: ANSWERS, ...fixture }, options);
    await watch.page.waitForSelector(fixture.kept === undefined ? '[data-range]' : 'h1');
    return watch.page;
  }

  it('shows the cluster: leader, term, health, each lag by its name, problems with reasons', async () => {
    const page = await open();
    assert.deepEqual(await said(page), [{ type: 'ready' }]);
    const header = (await page.textContent('header')) ?? '';
    for (const words of ['orders', 'Degraded', 'Leader n1', 'Term 7', 'Committed 990']) {
      assert.ok(header.includes(words), `${words}: ${header}`);
    }
    const row = page.locator('tr[data-node=n3]');
    assert.match(
      (await row.textContent()) ?? '',
      /Follower.*Connected.*STALLED: it applied nothing for 12 s/s,
    );
    assert.match((await row.locator('[data-lag=replicated]').textContent()) ?? '', /^600 entries, 1.5 s$/);
    assert.match((await row.locator('[data-lag=applied]').textContent()) ?? '', /entries/);
    assert.match((await row.textContent()) ?? '', /Error: the app has stopped applying/);
  });

  it('shows what is planted in a node and for how long still, beside what is wrong, and once', async () => {
    const { cluster } = snapshot();
    const planted = [{ id: 'f1', what: 'loses all messages to and from n2', leftMs: 12_000, messages: 3 }];
    const note = { code: 'FAULT_PLANTED', severity: 'INFO', text: 'a fault is planted in it' } as const;
    const nodes = cluster.nodes.map((node) =>
      node.id === 'n3' ? { ...node, planted, problems: [note, ...node.problems] } : node,
    );
    const page = await open({ snapshot: snapshot({ cluster: { ...cluster, nodes } }) });
    const cell = (await page.locator('tr[data-node=n3] [data-problems]').innerText()).trim();
    assert.match(cell, /^◆ Planted fault: loses all messages to and from n2, for another 12 s\n/);
    assert.match(cell, /Error: the app has stopped applying/);
    assert.doesNotMatch(cell, /a fault is planted/);
    assert.equal(await page.locator('[data-planted]').count(), 1);
    assert.deepEqual(await axe(page), []);
  });

  it('shows every column of the nodes table at once, in a window of 1280 px with and without a side bar', async () => {
    const page = await open();
    const widths = () =>
      page.evaluate<[number, number]>(
        `(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])(document.querySelector('.scroll'))`,
      );
    for (const width of [1280, 960, 840]) {
      await page.setViewportSize({ width, height: 900 });
      const [needed, given] = await widths();
      assert.ok(needed <= given, `${width} px wide: the table needs ${needed} px and has ${given}`);
    }
  });

  it('follows deltas, asks for a snapshot after a gap, and shows it', async () => {
    const page = await open();
    const cluster = { ...snapshot().cluster, leader: 'n2', term: 8 };
    await say(page, { type: 'delta', generation: 1, sequence: 2, cluster });
    await until(page, `document.querySelector('[data-leader]').textContent === 'Leader n2'`);
    assert.equal(await page.textContent('[data-aloud]'), 'n2 is leader in term 8');

    await page.evaluate(`harness.snapshot.sequence = 9; harness.snapshot.cluster.leader = 'n3'`);
    await say(page, { type: 'delta', generation: 1, sequence: 5, cluster });
    await until(page, `document.querySelector('[data-leader]').textContent === 'Leader n3'`);
    assert.deepEqual(await said(page), [{ type: 'ready' }, { type: 'resync' }]);
  });

  it('says so when the host sends what it cannot read', async () => {
    const page = await open();
    await say(page, { type: 'snapshot', generation: 'x' });
    assert.match((await page.textContent('[role=alert]')) ?? '', /cannot read/);
    assert.match((await page.textContent('header')) ?? '', /Leader n1/, 'what was known stays');
  });

  it('moves through the log by keyboard alone', async () => {
    const page = await open();
    await tabTo(page, 'grid');
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    await press('End');
    assert.equal(await cell(page), 'n1, index 1,000, term 7, uncommitted');
    await press('ArrowDown');
    assert.equal(await cell(page), 'n2, index 1,000, missing');
    await press('ArrowUp', 'ArrowLeft');
    assert.equal(await cell(page), 'n1, index 999, term 7, uncommitted');
    await press('[');
    assert.equal(await cell(page), 'n1, index 401, term 7, committed, applied');
    await press('[');
    assert.equal(await cell(page), 'n1, index 101, term 3, committed, applied');
    await press(']', 'ArrowDown', 'ArrowDown');
    assert.equal(await cell(page), "n3, index 401, term 5, uncommitted, differs from the leader's");
    await press('Home');
    assert.match(await cell(page), /^n3, index 1, no longer in the log/);

    for (let turn = 0; turn < 10; turn += 1) await press('+');
    assert.match((await page.textContent('[data-range]')) ?? '', /^Indexes 1 to 8 of/);
    for (let turn = 0; turn < 10; turn += 1) await press('-');
    assert.match((await page.textContent('[data-range]')) ?? '', /^Indexes 1 to 1,000 of/);
    const grid = page.locator('[role=grid]');
    assert.equal(await grid.getAttribute('aria-rowcount'), '3');
    assert.equal(await grid.getAttribute('aria-colcount'), '1001');
  });

  it('compares with the leader, opens the entry and its log, by keyboard alone', async () => {
    const page = await open();
    await tabTo(page, 'grid');
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('c');
    await until(page, `document.querySelector('[data-notice]').textContent !== ''`);
    assert.equal(
      await page.textContent('[data-notice]'),
      'The logs of n1 and n3 agree through 400 and differ from 401 on.',
    );
    assert.match(await cell(page), /^n3, index 401,/);
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-entry=ANSWERED]');
    assert.equal(await focused(page), 'entry-title');
    assert.match((await page.textContent('[data-entry] pre')) ?? '', /"set": "x=1"/);
    await tabTo(page, 'open-log');
    await page.keyboard.press('Enter');
    const requests = (await said(page)).filter(({ type }) => type === 'request');
    assert.deepEqual(
      requests.map(({ method, params }) => ({ method, params })),
      [
        { method: 'compare', params: { left: 'n1', right: 'n3' } },
        { method: 'entry', params: { node: 'n3', index: 401 } },
        { method: 'openLog', params: { node: 'n3', index: 401 } },
      ],
    );
    await tabTo(page, 'close-entry');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-entry]', { state: 'detached' });
  });

  it('has the matrix as tables too, reached by keyboard', async () => {
    const page = await open();
    await tabTo(page, 'whole');
    await page.keyboard.press('Space');
    await tabTo(page, 'showTable');
    await page.keyboard.press('Space');
    const runs = await page.locator('[data-table=runs] tbody tr').allTextContents();
    const words = runs.map((row) => row.replace(/\s+/g, ' ').trim());
    assert.equal(words.length, 9);
    assert.equal(words[2], 'n1 7 401 1,000 600 committed through 990');
    assert.equal(words[8], 'n3 5 401 450 50 uncommitted');
    assert.equal(await page.locator('[data-table=marks] tbody tr').count(), 3);
  });

  it('explains, and its evidence moves the one time cursor, by keyboard alone', async () => {
    const page = await open();
    await tabTo(page, 'why-leader');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-explain=ANSWERED]');
    assert.equal(await focused(page), 'explain-title');
    const words = (await page.textContent('[data-explain]')) ?? '';
    for (const part of [
      'n3 was paused',
      'Likely',
      'LEADER_PAUSED',
      'Find out what stopped n3',
      'n2 committed: 6.5 ms',
    ]) {
      assert.ok(words.includes(part), part);
    }
    await tabTo(page, 'evidence');
    await page.keyboard.press('Enter');
    const slider = page.locator('[role=slider]');
    await slider.waitFor();
    assert.equal(Number(await slider.getAttribute('aria-valuenow')), NOW - 5_000);
    // The charts stand at the same moment.
    const charts = (await page.textContent('outrigger-charts')) ?? '';
    assert.match(charts, /At \d\d:\d\d:15\.000/);
    assert.match(charts, /n3: 499, at most 519/);
    const lines = await page.evaluate<string[]>(
      `[...document.querySelectorAll('.u-cursor-x')].map((one) => one.className + ' ' + one.style.transform)`,
    );
    assert.equal(lines.length, 2);
    assert.equal(lines[0], lines[1]);
    assert.match(lines[0] ?? '', /^u-cursor-x translate\([1-9]\d{2,}/, 'the line stands in the chart');
    assert.match((await page.textContent('[data-aloud]')) ?? '', /At .*15\.000/);

    await tabTo(page, 'why-behind', 'Shift+Tab');
    await page.keyboard.press('Enter');
    await until(page, `harness.said.filter(({method}) => method === 'explain').length === 2`);
    assert.deepEqual((await said(page)).at(-1)?.params, { about: 'lag', id: 'n3' });
    // The answer takes the reader to its heading; nobody presses a key before that.
    await until(page, `document.activeElement?.id === 'explain-title'`);
    await tabTo(page, 'close-explain');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-explain]', { state: 'detached' });
  });

  it('leaves closed what was closed before its answer came', async () => {
    const page = await open();
    await page.evaluate('harness.silent = true');
    await page.click('[data-act=why-leader]');
    await page.waitForSelector('[data-explain=ASKING]');
    await page.click('[data-act=close-explain]');
    await page.waitForSelector('[data-explain]', { state: 'detached' });
    await page.evaluate(`new Promise((done) => {
      const { id } = harness.said.at(-1);
      const drawn = () => requestAnimationFrame(() => requestAnimationFrame(done));
      addEventListener('message', drawn, { once: true });
      harness.say({ type: 'reply', id, ok: true, result: harness.answers.explain });
    })`);
    assert.equal(await page.locator('[data-explain]').count(), 0);
  });

  it('tells why there is no answer', async () => {
    const page = await open({ answers: {} });
    await page.click('[data-act=why-leader]');
    await page.waitForSelector('[data-explain=FAILED]');
    assert.match((await page.textContent('[data-explain]')) ?? '', /did not work: explain is not scripted/);
  });

  it('shows events and charts over time, by keyboard alone', async () => {
    const page = await open();
    await tabTo(page, 'tab-log');
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector('[role=slider]');
    assert.equal(await focused(page), 'tab-time');
    assert.match((await page.textContent('[data-forgotten]')) ?? '', /12 older events were forgotten/);
    assert.match((await page.textContent('outrigger-timeline')) ?? '', /1 to 100 of 250/);

    await tabTo(page, 'kind');
    await page.keyboard.press('ArrowDown');
    await until(page, `document.querySelectorAll('.events [role=option]').length === 1`);
    assert.match(
      (await page.textContent('.events')) ?? '',
      /◆ ROLE leads term 7: a quorum voted for it · VOTE_WON/,
    );
    await page.keyboard.press('ArrowUp');

    await tabTo(page, 'slider');
    const value = () => page.locator('[role=slider]').getAttribute('aria-valuenow').then(Number);
    await page.keyboard.press('ArrowLeft');
    assert.equal(await value(), NOW - 600);
    await page.keyboard.press('PageUp');
    assert.equal(await value(), NOW - 700);
    await page.keyboard.press('End');
    assert.equal(await value(), NOW);

    await tabTo(page, 'older');
    await page.keyboard.press('Enter');
    assert.match((await page.textContent('outrigger-timeline')) ?? '', /101 to 200 of 250/);
    await tabTo(page, 'listbox');
    await page.keyboard.press('Home');
    assert.equal(await value(), EVENTS.at(-1)?.at);
    await page.keyboard.press('ArrowDown');
    assert.equal(await value(), EVENTS.at(-2)?.at);

    await tabTo(page, 'now', 'Shift+Tab');
    await page.keyboard.press('Enter');
    assert.match((await page.textContent('outrigger-charts')) ?? '', /Now, \d\d:\d\d:20\.000/);
    await tabTo(page, 'chart-table');
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('[data-table=series] tbody tr').count(), 60);
    const newest = (await page.locator('[data-table=series] tbody tr').first().textContent()) ?? '';
    assert.match(newest.replace(/\s+/g, ' '), /:20\.000 ?0 ?0 ?519 ?219/);
  });

  it('keeps zoom, cursor and tab for the next visit, and no data', async () => {
    const first = await open();
    await tabTo(first, 'grid');
    await first.keyboard.press('End');
    await first.keyboard.press('+');
    const kept = await first.evaluate<object>('harness.kept');
    assert.deepEqual(Object.keys(kept).sort(), ['cursor', 'mode', 'tab', 'view']);
    const range = await first.textContent('[data-range]');
    await watch?.end();
    const page = await open({ kept });
    await page.waitForSelector('[data-range]');
    assert.equal(await page.textContent('[data-range]'), range);
    assert.match(await cell(page), /^n1, index 1,000/);
  });

  it('asks for a snapshot when it becomes visible: what came meanwhile may be lost', async () => {
    const page = await open();
    await page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`);
    assert.deepEqual(await said(page), [{ type: 'ready' }, { type: 'resync' }]);
  });

  it('serves the pointer too: click, drag, wheel', async () => {
    const page = await open();
    await page.click('[data-act=whole]');
    const range = () => page.textContent('[data-range]');
    const box = await page.locator('.matrix canvas').boundingBox();
    assert.ok(box);
    // The middle of the second lane (20 px of axis, 44 px a lane).
    await page.mouse.click(box.x + box.width * 0.5 + 0.25, box.y + 20 + 44 + 14);
    assert.match(await cell(page), /^n2, index 501, term 7/);
    await page.keyboard.down('Control');
    for (let turn = 0; turn < 8; turn += 1) await page.mouse.wheel(0, -100);
    await page.keyboard.up('Control');
    await until(page, `!document.querySelector('[data-range]').textContent.startsWith('Indexes 1 to')`);
    const before = await range();
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5 + 200, box.y + 80, { steps: 4 });
    await page.mouse.up();
    assert.notEqual(await range(), before);
    assert.match(await cell(page), /^n2, index 501/, 'dragging moves the view, not the cursor');
    const scroll = await page.evaluate<number>('scrollY');
    assert.equal(scroll, 0);
  });

  it('repaints when the theme changes', async () => {
    const page = await open();
    const picture = () => page.evaluate<string>(`document.querySelector('canvas').toDataURL()`);
    const before = await picture();
    await page.evaluate(`document.documentElement.style.setProperty('--vscode-raft-term7', '#123456')`);
    await until(page, `document.querySelector('canvas').toDataURL() !== ${JSON.stringify(before)}`);
    const coloured = await picture();
    await page.emulateMedia({ colorScheme: 'dark' });
    await until(page, `document.querySelector('canvas').toDataURL() !== ${JSON.stringify(coloured)}`);
  });

  it('names the terms in view beside their colours, which the editor may give', async () => {
    const page = await open();
    await page.click('[data-act=whole]');
    const legend = page.locator('[data-legend=terms] span');
    assert.deepEqual(await legend.allTextContents().then((all) => all.map((one) => one.trim())), [
      'Term 1',
      'Term 3',
      'Term 5',
      'Term 7',
    ]);
    const colours = () =>
      legend.locator('rect').evaluateAll((all) => all.map((one) => one.getAttribute('fill') ?? ''));
    const manifest: Manifest = JSON.parse(readFileSync('extension/package.json', 'utf8'));
    for (const theme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme: theme });
      const wanted = [1, 3, 5, 7].map((term) => manifest.contributes.colors[term - 1]?.defaults[theme] ?? '');
      const held = JSON.stringify(wanted[3]);
      await until(
        page,
        `document.querySelector('[data-legend=terms] span:nth-child(4) rect').getAttribute('fill') === ${held}`,
      );
      assert.deepEqual(await colours(), wanted);
    }
    await page.evaluate(`document.documentElement.style.setProperty('--vscode-raft-term5', '#123456')`);
    await until(page, `document.querySelector('[data-legend=terms]').innerHTML.includes('#123456')`);
    await page.emulateMedia({ contrast: 'more' });
    await page.waitForSelector('[data-legend=terms]', { state: 'detached' });
  });

  const THEMES = {
    light: { colorScheme: 'light', contrast: 'no-preference', forcedColors: 'none' },
    dark: { colorScheme: 'dark', contrast: 'no-preference', forcedColors: 'none' },
    'high contrast, light': { colorScheme: 'light', contrast: 'more', forcedColors: 'none' },
    'high contrast, dark': { colorScheme: 'dark', contrast: 'more', forcedColors: 'none' },
    'forced colours': { colorScheme: 'dark', contrast: 'more', forcedColors: 'active' },
  } as const;

  it('has nothing serious for axe, in light, dark and high contrast', async () => {
    const page = await open({ snapshot: snapshot({ events: EVENTS.slice(-12) }) });
    const each = async () => {
      for (const [theme, media] of Object.entries(THEMES)) {
        await page.emulateMedia({ ...media, reducedMotion: 'reduce' });
        assert.deepEqual(await axe(page), [], theme);
      }
    };
    await page.click('[data-act=showTable]');
    await page.click('[data-act=why-leader]');
    await page.waitForSelector('[data-explain=ANSWERED]');
    await page.locator('[role=grid]').press('Enter');
    await page.waitForSelector('[data-entry=ANSWERED]');
    await each();
    await page.click('[data-act=close-explain]');
    await page.click('#tab-time');
    await page.locator('[role=listbox]').press('ArrowDown');
    await each();
  });

  it("has nothing serious for axe in the editor's high contrast", async () => {
    const page = await open({ snapshot: snapshot({ events: EVENTS.slice(-12) }) });
    await page.evaluate(`
      for (const [name, value] of Object.entries({
        'editor-background': '#000000', foreground: '#ffffff', contrastBorder: '#6fc3df',
        contrastActiveBorder: '#f38518', 'button-background': '#000000', 'button-foreground': '#ffffff',
        'input-background': '#000000', 'input-foreground': '#ffffff', errorForeground: '#f48771',
        descriptionForeground: '#d4d4d4', 'charts-blue': '#3794ff', 'charts-green': '#89d185',
      })) document.documentElement.style.setProperty('--vscode-' + name, value);
      document.body.classList.add('vscode-high-contrast');`);
    assert.deepEqual(await axe(page), []);
  });
});
