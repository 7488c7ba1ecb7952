import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { tellTime } from '../support/patience.ts';
import { launch, openPanel, type Site, serveBundle, until, WEBVIEW } from './browser.ts';
import { longLog } from './cluster.ts';

const KB = 1024;
const PAINT_MS = 200;

describe('page: budgets', () => {
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

  it('panel.js is at most 80 KB gzipped, and has no eval', () => {
    const script = readFileSync(join(WEBVIEW, 'panel.js'));
    const size = gzipSync(script, { level: 9 }).length / KB;
    console.log(`      panel.js ${size.toFixed(1)} KB gzipped`);
    assert.ok(size <= 80, `${size} KB`);
    assert.doesNotMatch(script.toString(), /new Function\(|\beval\(/);
  });

  it('a log of 10,000,000 entries and 200 terms on 5 nodes is painted as a whole, at once', async () => {
    const times: number[] = [];
    // Up to three times: the machine may be busy with something else. The bench judges the time.
    for (let turn = 0; turn < 3 && !times.some((ms) => ms <= PAINT_MS); turn += 1) {
      const kept = { tab: 'log', mode: 'WHOLE' };
      const { page, end } = await openPanel(browser, site, { snapshot: longLog(10_000_000, 200, 5), kept });
      await until(page, "performance.getEntriesByName('outrigger-first-paint').length > 0");
      times.push(
        await page.evaluate<number>("performance.getEntriesByName('outrigger-first-paint')[0].duration"),
      );
      const shown = (await page.textContent('[data-range]')) ?? '';
      assert.match(shown, /Indexes 1 to 10,000,000 of 1 to 10,000,000/);
      await end();
    }
    tellTime('first paint, best', Math.min(...times), PAINT_MS);
  });
});
