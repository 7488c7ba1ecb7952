import assert from 'node:assert/strict';
import type { Browser } from 'playwright-core';
import type { PanelSnapshot } from '../../shared/panel-protocol.ts';
import { launch, openPanel, type Site, serveBundle } from './browser.ts';
import { ENTRY, EXPLANATION, snapshot, statusOf } from './cluster.ts';

/** Markup, links, terminal escapes, bidirectional and invisible characters, and Lit's own markers. */
const HOSTILE = [
  '<script>alert(1)</script><img src=x onerror=alert(2)>',
  '<a href="javascript:alert(3)">x</a>"><svg onload=alert(4)>',
  '\u001b]8;;http://evil.test\u0007\u001b[31m\u202eabc\u2066\u200b\u0000',
  '<!--?lit$1$--> {{alert(5)}} </style><style>*{display:none}</style>',
].join(' ');

const INVISIBLE = ['\u0000', '\u0007', '\u001b', '\u202e', '\u2066', '\u200b'];

/** Every text of the picture that a node, a peer or a payload could have written. */
function hostile(): PanelSnapshot {
  const plain = snapshot();
  const node = plain.cluster.nodes[1];
  assert.ok(node);
  const bad = {
    ...node,
    id: HOSTILE,
    link: { state: 'RETRYING', reason: HOSTILE, since: 0 } as const,
    status: statusOf(HOSTILE, {
      app: { state: 'STALLED', name: HOSTILE, epoch: 1, reason: HOSTILE, since: 0 },
    }),
    problems: [{ code: 'X', severity: 'ERROR', text: HOSTILE }] as const,
    planted: [{ id: HOSTILE, what: HOSTILE, leftMs: 5_000, messages: 1 }],
  };
  const [leader, follower] = plain.terms;
  assert.ok(leader && follower);
  return {
    ...plain,
    cluster: {
      ...plain.cluster,
      name: HOSTILE,
      leader: HOSTILE,
      nodes: [bad, ...plain.cluster.nodes.slice(0, 1)],
      problems: bad.problems,
    },
    terms: [{ ...leader, node: HOSTILE }, follower],
    events: plain.events.map((event) => ({ ...event, node: HOSTILE, reason: HOSTILE, peer: HOSTILE })),
    series: { nodes: [HOSTILE, 'n1', 'n2'], points: plain.series.points },
  };
}

describe('page: hostile text', () => {
  let browser: Browser;
  let site: Site;
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

  it('stays text in every view', async () => {
    const answers = {
      explain: {
        ...EXPLANATION,
        answer: HOSTILE,
        next: HOSTILE,
        id: HOSTILE,
        evidence: [
          { node: HOSTILE, text: HOSTILE, at: 5 },
          { node: HOSTILE, text: HOSTILE },
        ],
        stages: [{ node: HOSTILE, name: HOSTILE, fromMs: 0, toMs: 1 }],
      },
      entry: { ...ENTRY, node: HOSTILE, kind: HOSTILE, decoded: { decoder: HOSTILE, text: HOSTILE } },
    };
    const { page, end } = await openPanel(browser, site, { snapshot: hostile(), answers });
    await page.waitForSelector('[data-range]');
    await page.click('[data-act=showTable]');
    await page.click('[data-act=why-leader]');
    await page.waitForSelector('[data-explain=ANSWERED]');
    await page.locator('[role=grid]').press('Enter');
    await page.waitForSelector('[data-entry=ANSWERED]');
    await page.locator('[role=grid]').press('c');
    await check('log');
    await page.click('#tab-time');
    await page.click('[data-act=chart-table]');
    await page.selectOption('select[name=node]', HOSTILE);
    await page.locator('[role=listbox]').press('ArrowDown');
    await check('time');
    await end();

    async function check(tab: string): Promise<void> {
      const made = await page.evaluate<string[]>(
        `[...document.body.querySelectorAll('script, img, a, style, iframe, svg[onload], [onerror], [onclick]')].map((one) => one.outerHTML)`,
      );
      assert.deepEqual(made, [], `${tab}: text became markup`);
      const words = await page.evaluate<string>('document.body.innerText');
      assert.ok(words.includes('<script>alert(1)</script>'), `${tab}: the text itself is shown`);
      const through = INVISIBLE.filter((sign) => words.includes(sign));
      assert.deepEqual(through, [], `${tab}: an invisible character came through`);
    }
  });

  it('does not hang on 10 MB in one payload', async () => {
    const huge = '<b>'.repeat(3_500_000);
    const { page, end } = await openPanel(browser, site, {
      snapshot: snapshot(),
      answers: { entry: { ...ENTRY, decoded: { decoder: 'UTF-8', text: huge } } },
    });
    await page.waitForSelector('[data-range]');
    await page.locator('[role=grid]').press('Enter');
    await page.waitForSelector('[data-entry=ANSWERED]');
    const shown = (await page.textContent('[data-entry] pre')) ?? '';
    assert.ok(shown.startsWith('<b><b>') && shown.length < 70_000, String(shown.length));
    await end();
  });
});
