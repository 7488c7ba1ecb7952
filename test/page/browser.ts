/**
 * A headless Chromium for the tests of the page, and the page opened in it under a strict policy.
 *
 * MUST: fail with one line when there is no Chromium, unless OUTRIGGER_SKIP_PAGE says to skip.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { PanelSnapshot } from '../../shared/panel-protocol.ts';
import { PATIENCE_MS, until as wait } from '../support/patience.ts';

/** The built page: named by the environment, or in the same build as this test. */
export const WEBVIEW =
  process.env['OUTRIGGER_WEBVIEW'] ?? fileURLToPath(new URL('../../webview', import.meta.url));

const CHROMIUMS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
];

/** Undefined only where skipping was asked for. */
export async function launch(): Promise<Browser | undefined> {
  if (process.env['OUTRIGGER_SKIP_PAGE']) return undefined;
  const executablePath = process.env['CHROMIUM'] ?? CHROMIUMS.find((path) => existsSync(path));
  if (executablePath === undefined || !existsSync(executablePath)) {
    throw new Error(
      'no Chromium found: install it (apt-get install chromium), name one in CHROMIUM, or set OUTRIGGER_SKIP_PAGE=1',
    );
  }
  assert.ok(existsSync(join(WEBVIEW, 'panel.js')), `the page is not built in ${WEBVIEW}: run npm run build`);
  return await chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

export interface Site {
  readonly url: string;
  close(): Promise<void>;
}

const NONCE = 'dGVzdC1ub25jZQ';
/** As strict as the editor's: a nonce for the one script, nothing inline, nothing else. */
const POLICY = `default-src 'none'; script-src 'nonce-${NONCE}'; style-src 'self'; require-trusted-types-for 'script'; trusted-types lit-html`;
const HTML = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Outrigger</title>
<link rel="stylesheet" href="/panel.css"><script nonce="${NONCE}" src="/panel.js" defer></script></head><body></body></html>`;

/** Serves the built bundle as the editor would: an HTML of its own around panel.js and panel.css. */
export async function serveBundle(): Promise<Site> {
  const files: Readonly<Record<string, readonly [type: string, body: string | Buffer]>> = {
    '/': ['text/html', HTML],
    '/panel.js': ['text/javascript', readFileSync(join(WEBVIEW, 'panel.js'))],
    '/panel.css': ['text/css', readFileSync(join(WEBVIEW, 'panel.css'))],
  };
  const server = createServer((request, response) => {
    const [type, body] = files[request.url ?? ''] ?? ['text/plain', ''];
    response.writeHead(body === '' ? 404 : 200, {
      'Content-Type': `${type}; charset=utf-8`,
      'Content-Security-Policy': POLICY,
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** What a page must not have done. */
export interface Watch {
  readonly page: Page;
  /** Fails when a policy was violated, a dialog opened, the page navigated (more often than said), or a script failed. Closes the page. */
  end(navigations?: number): Promise<void>;
}

export interface Fixture {
  readonly snapshot?: PanelSnapshot;
  readonly answers?: Readonly<Record<string, unknown>>;
  readonly kept?: object;
}

/** Opens the panel with a scripted host (harness.js). */
export async function openPanel(
  browser: Browser,
  site: Site,
  fixture: Fixture,
  options: BrowserContextOptions = {},
): Promise<Watch> {
  const script = `globalThis.fixture = ${JSON.stringify({ answers: {}, ...fixture })};\n${readFileSync('test/page/harness.js', 'utf8')}`;
  return await openPage(browser, site.url, script, options);
}

/** Opens any address with this script before the page's own, and watches. */
export async function openPage(
  browser: Browser,
  url: string,
  script: string,
  options: BrowserContextOptions = {},
): Promise<Watch> {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const wrong: string[] = [];
  let navigations = 0;
  page.on('dialog', (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch((error: unknown) => wrong.push(String(error)));
  });
  page.on('pageerror', (error) => wrong.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // A refused or failed request is told by the page itself.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      wrong.push(`console: ${message.text()}`);
    }
  });
  page.on('popup', () => wrong.push('popup'));
  page.on('request', (request) => {
    if (request.isNavigationRequest()) navigations += 1;
  });
  if (script !== '') await page.addInitScript({ content: script });
  await page.goto(url);
  return {
    page,
    async end(expected = 1) {
      const violations = await page.evaluate<string[]>('globalThis.harness?.violations ?? []');
      await context.close();
      assert.deepEqual(violations, []);
      assert.deepEqual(wrong, []);
      assert.equal(navigations, expected, 'the page navigated');
    },
  };
}

/** Waits until this holds in the page. (Playwright's own way evaluates text, which the page's policy refuses.) */
export async function until(page: Page, expression: string): Promise<void> {
  await wait(`it comes true: ${expression}`, () => page.evaluate<boolean>(`Boolean(${expression})`));
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds that is serious or critical, as readable lines. */
export async function axe(page: Page): Promise<string[]> {
  // Evaluated by the debugger, so that the page's policy needs no hole.
  await page.evaluate(`${AXE};0`);
  return await page.evaluate<
    string[]
  >(`axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ': ' + html + ' ' + failureSummary)))`);
}
