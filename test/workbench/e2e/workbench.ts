/**
 * A VS Code window with the extension installed, in the hands of a test: what a user sees and does.
 *
 * MUST: wait for what shall appear, with a deadline, and never for time to pass; show in its errors what was there instead.
 * Needs the packaged workbench: `Workbench.missing()` says why it cannot be.
 */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Browser, chromium, errors, type FrameLocator, type Locator, type Page } from 'playwright-core';
import { workbenchState } from '../../../scripts/workbench/recipe.mjs';
import { PATIENCE_MS } from '../../support/patience.ts';
import { installExtension, type ServerOptions, WorkbenchServer } from '../server.ts';
import { BUILD_FOLDER } from './packed.ts';
import { Palette } from './palette.ts';
import { Scene } from './scene.ts';
import { readTree, type TreeLine } from './tree.ts';
import { Waiting } from './waiting.ts';

/** A menu that has just opened takes no click yet: it is clicked again after so long. */
const MENU_MS = 200;
const CLICK_MS = 2_000;
/** The editor's own last phase: extensions are loaded, and nothing of its start goes on that a measurement would include. */
const SETTLED = "performance.getEntriesByName('code/LifecyclePhase/Eventually').length > 0";
/** In the log of the extension host, when it has activated what wants to be active from the start. */
const HOST_READY = 'Eager extensions activated';
/** Files of a webview, by the editor's own name for them: its service worker answers, and nothing leaves the machine. */
const WEBVIEW_HOST = '.vscode-resource.vscode-cdn.net';
const SIZE = { width: 1280, height: 800 };
/** Screenshots for the README are made by naming its folder here. */
const SCREENSHOTS = process.env['OUTRIGGER_SCREENSHOTS'] ?? join(BUILD_FOLDER, 'screenshots');

export interface WorkbenchOptions {
  readonly vsix: string;
  /** The folder that is open. */
  readonly workspace: string;
  /** `XDG_RUNTIME_DIR` of the extension: the sidecars whose endpoint files are there are found. Must be there. */
  readonly runtimeDir: string;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: NodeJS.ProcessEnv;
  readonly workspaceTrust?: boolean;
}

export class Workbench {
  readonly page: Page;
  readonly palette: Palette;
  readonly #server: WorkbenchServer;
  readonly #browser: Browser;
  readonly #runDir: string;
  readonly #scene: Scene;
  readonly #waiting: Waiting;
  /** What no text of a stranger may make the window do; see `escapes`. */
  readonly #escapes: string[] = [];

  private constructor(server: WorkbenchServer, browser: Browser, page: Page, runDir: string) {
    this.#server = server;
    this.#browser = browser;
    this.page = page;
    this.palette = new Palette(page, (holds, otherwise) => this.until(holds, otherwise));
    this.#runDir = runDir;
    this.#scene = new Scene(page, this.palette, runDir);
    this.#waiting = new Waiting(page, async () => {
      return `${await this.screenshot(`failed-${Date.now()}`)}\n${await this.#scene.describe()}`;
    });
    page.on('dialog', (dialog) => {
      this.#escapes.push(`dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => undefined);
    });
    page.context().on('page', (other) => this.#escapes.push(`another page: ${other.url()}`));
    page.on('request', (request) => {
      const url = new URL(request.url());
      const local = ['data:', 'blob:'].includes(url.protocol) || url.host === server.authority;
      if (!local && !url.host.endsWith(WEBVIEW_HOST)) this.#escapes.push(`asked ${url}`);
    });
  }

  /** Dialogs of the browser, other pages, and requests to anybody but the server, from the beginning on: none is right. */
  get escapes(): readonly string[] {
    return this.#escapes;
  }

  /** Why there is no workbench on this machine, '' when there is. Throws where there should be one. */
  static missing(): string {
    const found = workbenchState();
    assert.ok(found.state !== 'UNPREPARED', found.state === 'UNPREPARED' ? found.reason : '');
    return found.state === 'READY' ? '' : found.reason;
  }

  /** Resolves when the window has settled; no view of ours is open. */
  static async start(options: WorkbenchOptions): Promise<Workbench> {
    const workbench = workbenchState();
    if (workbench.state !== 'READY') throw new Error(workbench.reason);
    // Sockets are made in it, whose path may have 107 bytes.
    const runDir = await mkdtemp('/tmp/outrigger-wb-');
    const serverOptions: ServerOptions = {
      workbench,
      runDir,
      env: { ...options.env, XDG_RUNTIME_DIR: options.runtimeDir },
      settings: options.settings ?? {},
      workspaceTrust: options.workspaceTrust ?? false,
    };
    installExtension(serverOptions, options.vsix);
    const server = await WorkbenchServer.start(serverOptions);
    const browser = await chromium.launch({ executablePath: workbench.chromium });
    const page = await browser.newPage({ viewport: SIZE });
    page.setDefaultTimeout(PATIENCE_MS);
    const started = new Workbench(server, browser, page, runDir);
    try {
      await page.goto(server.url(options.workspace, [['skipWelcome', 'true']]));
      await page.waitForFunction(SETTLED);
      const ready = async (): Promise<boolean> => (await started.#scene.logs()).includes(HOST_READY);
      await started.until(ready, () => 'the extension host is not ready');
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  /** Closes the window and ends the server. */
  async stop(): Promise<void> {
    await this.#browser.close();
    await this.kill();
    await rm(this.#runDir, { recursive: true, force: true });
  }

  /** `kill -9` of the server, the extension host and all they started; the window stays, and is dead. */
  async kill(): Promise<void> {
    await this.#server.kill();
  }

  async closeEditors(): Promise<void> {
    await this.palette.run('View: Close All Editors');
    await this.page.locator('.editor-group-container.empty').first().waitFor();
  }

  /** After a test that failed: what it left open must not be in the way of the next one. */
  async tidy(): Promise<void> {
    await this.page.keyboard.press('Escape');
    await this.palette.run('Notifications: Clear All Notifications');
    await this.closeEditors();
  }

  /** Chooses from the menu of a line of a tree. */
  async treeMenu(view: string, line: RegExp, item: string): Promise<void> {
    const menu = this.page.locator('.monaco-menu');
    await this.treeRow(view, line).click({ button: 'right' });
    const chosen = async (): Promise<boolean> => {
      const clicked = await inTime(async () => {
        await menu.getByRole('menuitem', { name: item }).click({ timeout: CLICK_MS });
        await menu.waitFor({ state: 'hidden', timeout: MENU_MS });
      });
      return clicked || !(await menu.isVisible());
    };
    await this.until(chosen, () => `the menu of ${line} has no ${item}`);
  }

  /** Chooses from that menu what asks for a text, and gives it. Asks again when the closing menu took the box with it. */
  async treeAsks(view: string, line: RegExp, item: string, prompt: RegExp, text: string): Promise<void> {
    let patience = CLICK_MS;
    const answered = async (): Promise<boolean> => {
      await this.treeMenu(view, line, item);
      patience *= 2;
      return inTime(() => this.palette.type(prompt, text, patience));
    };
    await this.until(answered, () => `${item} of ${line} does not ask ${prompt}`);
  }

  /**
   * Runs a command that shows a page, and waits for its text. The editor's own preview stays blank now and then in a headless
   * window (its script is served late, or not at all): then it is closed and asked for again.
   */
  async preview(title: string, wanted: RegExp): Promise<string> {
    let [asked, text] = [0, ''];
    let texts: readonly string[] = [];
    await this.again(
      async () => {
        if (asked++ > 0) await this.closeEditors();
        await this.palette.run(title);
      },
      async () => {
        texts = await this.#scene.webviews();
        text = texts.find((one) => wanted.test(one)) ?? '';
        return text !== '';
      },
      () => `${title} shows no ${wanted}, but:\n${texts.join('\n---\n')}`,
    );
    return text;
  }

  /** Opens a view container by its name in the activity bar. */
  async openView(container: string): Promise<void> {
    const tab = this.page.locator('.activitybar').getByRole('tab', { name: container });
    await tab.waitFor();
    if ((await tab.getAttribute('aria-selected')) !== 'true') await tab.click();
    // So that no tooltip of the tab hides what is asked for.
    await this.page.mouse.move(SIZE.width - 1, SIZE.height / 2);
  }

  /** Makes the side bar that wide, in pixels, so that its lines are not cut off. */
  async widenSideBar(width: number): Promise<void> {
    const box = await this.page.locator('.part.sidebar').boundingBox();
    assert.ok(box, 'there is no side bar');
    const [edge, middle] = [box.x + box.width, SIZE.height / 2];
    await this.page.mouse.move(edge, middle);
    await this.page.mouse.down();
    await this.page.mouse.move(box.x + width, middle, { steps: 4 });
    await this.page.mouse.up();
  }

  /** The tree whose name contains `view`. */
  tree(view: string): Locator {
    return this.page.getByRole('tree', { name: new RegExp(view) });
  }

  /** The lines of a tree from top to bottom, as far as they are drawn. */
  treeItems(view: string): Promise<TreeLine[]> {
    return readTree(this.tree(view));
  }

  /** Waits until the lines of a tree fit `what`, and returns them. */
  async treeShows(
    view: string,
    what: string,
    fits: (lines: readonly TreeLine[]) => boolean,
  ): Promise<readonly TreeLine[]> {
    let lines: readonly TreeLine[] = [];
    await this.until(
      async () => {
        lines = await this.treeItems(view);
        return fits(lines);
      },
      () => `no ${what} in ${view}, but:\n${lines.map((l) => '  '.repeat(l.level) + l.text).join('\n')}`,
    );
    return lines;
  }

  /** Waits for a line of a tree. */
  async treeLine(view: string, wanted: RegExp): Promise<void> {
    const fits = (lines: readonly TreeLine[]): boolean => lines.some(({ text }) => wanted.test(text));
    await this.treeShows(view, `line ${wanted}`, fits);
  }

  /** The row of a tree, to click or hover. */
  treeRow(view: string, wanted: RegExp): Locator {
    return this.tree(view).locator('.monaco-list-row').filter({ hasText: wanted }).first();
  }

  /** The label of the line that is selected; undefined: none is. */
  async selectedLine(view: string): Promise<string | undefined> {
    const labels = this.tree(view).locator('.monaco-list-row.selected .label-name');
    return (await labels.allInnerTexts())[0];
  }

  /** The texts of the status bar, left to right. */
  async statusBar(): Promise<string[]> {
    const texts = await this.page.locator('.statusbar-item').allInnerTexts();
    return texts.map((text) => text.replaceAll('\u00a0', ' ').trim());
  }

  /** Waits for a text in the status bar. */
  async statusItem(wanted: RegExp): Promise<void> {
    let texts: readonly string[] = [];
    await this.until(
      async () => {
        texts = await this.statusBar();
        return texts.some((text) => wanted.test(text));
      },
      () => `no ${wanted} in the status bar, but: ${texts.join(' | ')}`,
    );
  }

  /** The text of the active editor, as far as it is drawn. `which` counts from 0 where there are several (a diff has two). */
  async openDocumentText(which = 0): Promise<string> {
    const lines = await this.page
      .locator('.editor-instance .monaco-editor .view-lines')
      .nth(which)
      .locator('.view-line')
      .evaluateAll((all) =>
        all
          .map((line) => ({ at: line.getBoundingClientRect().top, text: line.textContent }))
          .sort((a, b) => a.at - b.at)
          .map(({ text }) => text.replaceAll('\u00a0', ' ')),
      );
    return lines.join('\n');
  }

  /** Waits until the active editor shows that text, and returns what it shows. */
  async documentWith(wanted: RegExp): Promise<string> {
    let text = '';
    await this.until(
      async () => {
        text = await this.openDocumentText();
        return wanted.test(text);
      },
      () => `no ${wanted} in the editor, but:\n${text}`,
    );
    return text;
  }

  /** Points at `place` until a hover with that text comes (others may still be fading), and returns what it says. */
  async hover(place: Locator, wanted: RegExp): Promise<string> {
    const shown = this.page.locator('.monaco-hover:visible').filter({ hasText: wanted }).first();
    await this.again(
      async () => {
        await this.page.mouse.move(SIZE.width - 1, SIZE.height / 2);
        await place.hover();
      },
      () => shown.isVisible(),
      () => `no hover says ${wanted}`,
    );
    return (await shown.innerText()).replaceAll('\u00a0', ' ');
  }

  /** Waits for a message: a toast, or what is left of it in the list of messages when we come late. */
  async toast(wanted: RegExp): Promise<void> {
    const message = this.page.locator('.notification-list-item').filter({ hasText: wanted }).first();
    let looks = 0;
    await this.again(
      async () => {
        if (looks++ > 0) await this.palette.run('Notifications: Show Notifications');
      },
      () => message.isVisible(),
      () => `no message says ${wanted}`,
    );
  }

  /** The page in the active webview. */
  webviewFrame(): FrameLocator {
    return this.page.frameLocator('iframe.webview.ready').frameLocator('#active-frame');
  }

  /** Waits until some webview shows that text, and returns all that it shows. */
  async webviewWith(wanted: RegExp): Promise<string> {
    let texts: readonly string[] = [];
    await this.until(
      async () => {
        texts = await this.#scene.webviews();
        return texts.some((text) => wanted.test(text));
      },
      () => `no ${wanted} in a webview, but:\n${texts.join('\n---\n')}`,
    );
    return texts.find((text) => wanted.test(text)) ?? '';
  }

  /** Every text that is in the window now: of the workbench and of each webview, shown or not. */
  allText(): Promise<string> {
    return this.#scene.allText();
  }

  /** Keeps a picture of the window; returns its path. */
  async screenshot(name: string): Promise<string> {
    await mkdir(SCREENSHOTS, { recursive: true });
    const path = join(SCREENSHOTS, `${name}.png`);
    await this.page.screenshot({ path });
    return path;
  }

  /** Waits for what no other method knows. `otherwise` says what was there instead. */
  until(holds: () => Promise<boolean>, otherwise: () => string = () => 'it did not come'): Promise<void> {
    return this.#waiting.until(holds, otherwise);
  }

  /** Acts, and acts again after longer and longer waits when nothing came of it, as a user would: only for what may happen twice. */
  again(act: () => Promise<void>, holds: () => Promise<boolean>, otherwise: () => string): Promise<void> {
    return this.#waiting.again(act, holds, otherwise);
  }
}

/** False when Playwright gave up waiting. */
async function inTime(act: () => Promise<void>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (error instanceof errors.TimeoutError) return false;
    throw error;
  }
}
