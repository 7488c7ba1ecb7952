/** The log matrix of a synthetic log, painted for the first time in fresh pages of a headless Chromium. */
import assert from 'node:assert/strict';
import { median } from '../bench/watched.ts';
import { launch, openPanel, serveBundle, until } from '../page/browser.ts';
import { longLog } from '../page/cluster.ts';
import { type Figure, INSPECTOR_LIMITS, milliseconds, unmeasured } from './figures.ts';

const ENTRIES = 10_000_000;
const TERMS = 200;
const NODES = 5;
const PAGES = 5;
const FIRST_PAINT = "performance.getEntriesByName('outrigger-first-paint')";
const NAME = `log matrix, ${ENTRIES.toLocaleString('en-US')} entries, ${TERMS} terms, ${NODES} nodes: first paint`;

/** `data`: from the arrival of the data to the frame that shows it. `page`: from the beginning of the page to that frame. */
interface Paint {
  readonly data: number;
  readonly page: number;
}

export async function measureMatrix(): Promise<Figure[]> {
  const limit = INSPECTOR_LIMITS.paintMs;
  const browser = await launch().catch((error: Error) => error);
  if (browser === undefined) return [unmeasured(NAME, 'ms', limit, 'OUTRIGGER_SKIP_PAGE is set')];
  if (browser instanceof Error) return [unmeasured(NAME, 'ms', limit, browser.message)];
  const site = await serveBundle();
  try {
    const paints: Paint[] = [];
    for (let turn = 0; turn < PAGES; turn++) {
      const kept = { tab: 'log', mode: 'WHOLE' };
      const { page, end } = await openPanel(browser, site, {
        snapshot: longLog(ENTRIES, TERMS, NODES),
        kept,
      });
      await until(page, `${FIRST_PAINT}.length > 0`);
      // The whole log must be on the picture, not a part that is quick to draw.
      const range = (await page.textContent('[data-range]')) ?? '';
      assert.match(range, /Indexes 1 to 10,000,000 of 1 to 10,000,000/);
      paints.push(
        await page.evaluate<Paint>(
          `(({ startTime, duration }) => ({ data: duration, page: startTime + duration }))(${FIRST_PAINT}[0])`,
        ),
      );
      await end();
    }
    const data = paints.map((paint) => paint.data);
    const detail = `${PAGES} fresh pages: ${milliseconds(data)} ms`;
    const page = median(paints.map((paint) => paint.page));
    return [
      { name: `${NAME}, median`, measured: median(data), unit: 'ms', limit, detail },
      { name: `${NAME}, worst`, measured: Math.max(...data), unit: 'ms', limit, detail: '' },
      {
        name: '  from the beginning of the page, median',
        measured: page,
        unit: 'ms',
        limit: undefined,
        detail: '',
      },
    ];
  } finally {
    await browser.close();
    await site.close();
  }
}
