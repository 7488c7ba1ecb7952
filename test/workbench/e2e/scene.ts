/**
 * What a window shows, and what it and its extension host complained of: for the errors of tests, which nobody can watch.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Frame, Page } from 'playwright-core';
import type { Palette } from './palette.ts';

/** Of each log, in an error. */
const LOG_LINES = 12;
/** In a page: all its text, without what is no text to a reader. */
const TEXT =
  "[...(document.body?.childNodes ?? [])].filter(({ nodeName }) => !['SCRIPT', 'STYLE'].includes(nodeName)).map((node) => node.textContent).join('\\n')";

export class Scene {
  readonly #page: Page;
  readonly #palette: Palette;
  readonly #runDir: string;
  /** The newest errors of the window and its webviews. */
  readonly #complaints: string[] = [];

  constructor(page: Page, palette: Palette, runDir: string) {
    this.#page = page;
    this.#palette = palette;
    this.#runDir = runDir;
    page.on('console', (message) => {
      if (message.type() === 'error' && this.#complaints.push(message.text()) > LOG_LINES)
        this.#complaints.shift();
    });
  }

  /** Everything that may tell why something is not there. */
  async describe(): Promise<string> {
    const [toasts, tab, asked, logs] = await Promise.all([
      this.#page.locator('.notification-toast').allInnerTexts(),
      this.#page.locator('.tab.active').allInnerTexts(),
      this.#palette.asked(),
      this.logs(),
    ]);
    const shown = [`toasts: ${toasts.join(' | ')}`, `editor: ${tab.join(' | ')}`, `asked: ${asked}`];
    return [...shown, ...this.#complaints, logs].join('\n');
  }

  /** What the extension and its host wrote into their logs last. */
  async logs(): Promise<string> {
    const files = await readdir(this.#runDir, { recursive: true });
    const logs = files.filter((file) => /\/(Outrigger|remoteexthost)\.log$/.test(file));
    const texts = logs.map(async (file) => {
      const lines = (await readFile(join(this.#runDir, file), 'utf8')).trim().split('\n');
      return `${file}:\n${lines.slice(-LOG_LINES).join('\n')}`;
    });
    return (await Promise.all(texts)).join('\n');
  }

  /** The texts of all webviews. */
  webviews(): Promise<string[]> {
    return this.#texts(this.#page.frames().filter((frame) => frame !== this.#page.mainFrame()));
  }

  /** Every text that is in the window now: of the workbench and of each webview, shown or not. */
  async allText(): Promise<string> {
    return (await this.#texts(this.#page.frames())).join('\n');
  }

  async #texts(frames: readonly Frame[]): Promise<string[]> {
    const read = async (frame: Frame): Promise<string> => {
      try {
        return await frame.evaluate<string>(TEXT);
      } catch (error) {
        // A frame that is being replaced has no text, or none yet.
        if (error instanceof Error && /detached|destroyed|navigat/i.test(error.message)) return '';
        throw error;
      }
    };
    return Promise.all(frames.map(read));
  }
}
