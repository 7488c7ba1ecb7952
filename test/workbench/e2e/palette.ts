/**
 * The command palette, and every quick pick and input box that opens in its place.
 *
 * MUST: wait for what shall appear, with a deadline; run what is chosen once, however slow the window is: a line is found and
 * clicked in one go, inside the page, so that nobody can doubt whether it was; ask again for a palette that was closed by the
 * one before it.
 */
import { errors, type Locator, type Page } from 'playwright-core';
import { PATIENCE_MS } from '../../support/patience.ts';

/** A palette that was asked for while another one closed is gone by then; each time it gets twice as long. */
const PALETTE_MS = 2_000;
const LOOK_MS = 20;

type Until = (holds: () => Promise<boolean>, otherwise: () => string) => Promise<void>;

/** In the page: clicks the first line with that label, if the box is open and says what was typed. */
const CHOOSE = `({ label, flags, typed }) => {
  const widget = document.querySelector('.quick-input-widget');
  if (widget === null || widget.offsetParent === null) return false;
  if (typed !== undefined && widget.querySelector('input')?.value !== typed) return false;
  const labels = [...widget.querySelectorAll('.quick-input-list .monaco-list-row .label-name')];
  const wanted = new RegExp(label, flags);
  const found = labels.find(({ textContent }) => wanted.test(textContent.replaceAll('\\u00a0', ' ').trim()));
  for (const type of ['mousedown', 'mouseup', 'click']) {
    found?.dispatchEvent(new MouseEvent(type, { bubbles: true, cancelable: true, view: window, detail: 1 }));
  }
  return found !== undefined;
}`;

export class Palette {
  readonly #page: Page;
  readonly #until: Until;

  constructor(page: Page, until: Until) {
    this.#page = page;
    this.#until = until;
  }

  /** Runs a command by its title, without the `…` at its end, as from the palette. */
  async run(title: string): Promise<void> {
    const typed = `>${title}`;
    const label = new RegExp(`^${title}(…|\\.\\.\\.)?$`);
    let patience = PALETTE_MS;
    const started = async (): Promise<boolean> => {
      const end = performance.now() + patience;
      patience *= 2;
      await this.#page.keyboard.press('F1');
      if (!(await this.#fill(typed, patience))) return false;
      while (performance.now() < end) {
        if (await this.#choose(label, typed)) return true;
        await this.#page.waitForTimeout(LOOK_MS);
      }
      return false;
    };
    await this.#until(started, () => `there is no command ${title}`);
  }

  /** False when there is no box to type into in that time. */
  async #fill(text: string, timeout: number): Promise<boolean> {
    try {
      await this.input.fill(text, { timeout });
      return true;
    } catch (error) {
      if (error instanceof errors.TimeoutError) return false;
      throw error;
    }
  }

  #choose({ source, flags }: RegExp, typed?: string): Promise<boolean> {
    return this.#page.evaluate<boolean>(`(${CHOOSE})(${JSON.stringify({ label: source, flags, typed })})`);
  }

  /** The box of the palette and of every quick pick. */
  get input(): Locator {
    return this.#page.locator('.quick-input-widget input').first();
  }

  /** Takes the line with that label of the quick pick that is open, or opens in a moment. */
  async pick(label: RegExp): Promise<void> {
    await this.#until(
      () => this.#choose(label),
      () => `the quick pick has no ${label}`,
    );
  }

  /** The labels of the quick pick that is open. */
  labels(): Promise<string[]> {
    return this.#page.locator('.quick-input-list .monaco-list-row .label-name').allInnerTexts();
  }

  /** Waits until the labels of the quick pick fit. */
  async shows(fits: (labels: readonly string[]) => boolean): Promise<void> {
    let labels: readonly string[] = [];
    await this.#until(
      async () => {
        labels = await this.labels();
        return fits(labels);
      },
      () => `not in the quick pick, but: ${labels.join(' | ')}`,
    );
  }

  /** Types into the input box whose prompt or placeholder has that text, and says Enter. Rejects when none opens in that time. */
  async type(prompt: RegExp, text: string, timeout = PATIENCE_MS): Promise<void> {
    const box = this.#page.locator('.quick-input-widget').filter({ hasText: prompt });
    await box.waitFor({ timeout });
    await this.input.fill(text, { timeout });
    await this.input.press('Enter', { timeout });
  }

  /** What is asked now, for an error; '' when nothing is. */
  async asked(): Promise<string> {
    const widget = this.#page.locator('.quick-input-widget:visible').first();
    if ((await widget.count()) === 0) return '';
    return `${await widget.locator('input').first().getAttribute('placeholder')}: ${await widget.innerText()}`;
  }
}
