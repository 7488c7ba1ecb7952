/**
 * The command palette, and every quick pick and input box that opens in its place.
 *
 * MUST: wait for what shall appear, with a deadline; ask again for a palette that was closed by the one before it.
 */
import { errors, type Locator, type Page } from 'playwright-core';

const DEADLINE_MS = 10_000;
/** A palette that was asked for while another one closed is gone by then. */
const PALETTE_MS = 2_000;

type Until = (holds: () => Promise<boolean>, otherwise: () => string) => Promise<void>;

export class Palette {
  readonly #page: Page;
  readonly #until: Until;

  constructor(page: Page, until: Until) {
    this.#page = page;
    this.#until = until;
  }

  /** Runs a command by its title, without the `…` at its end, as from the palette. */
  async run(title: string): Promise<void> {
    const label = new RegExp(`^${title}(…|\\.\\.\\.)?$`);
    const started = async (): Promise<boolean> => {
      await this.#page.keyboard.press('F1');
      try {
        await this.input.fill(`>${title}`, { timeout: PALETTE_MS });
        await this.#label(label).click({ timeout: PALETTE_MS });
        return true;
      } catch (error) {
        if (error instanceof errors.TimeoutError) return false;
        throw error;
      }
    };
    await this.#until(started, () => `there is no command ${title}`);
  }

  /** The box of the palette and of every quick pick. */
  get input(): Locator {
    return this.#page.locator('.quick-input-widget input').first();
  }

  /** Takes the line with that label of the quick pick that is open, or opens in a moment. */
  async pick(label: RegExp): Promise<void> {
    await this.#label(label).click({ timeout: DEADLINE_MS });
  }

  #label(label: RegExp): Locator {
    const labels = this.#page.locator('.quick-input-list .monaco-list-row .label-name');
    return labels.filter({ hasText: label }).first();
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

  /** Types into the input box whose prompt or placeholder has that text, and says Enter. */
  async type(prompt: RegExp, text: string): Promise<void> {
    const box = this.#page.locator('.quick-input-widget').filter({ hasText: prompt });
    await box.waitFor({ timeout: PALETTE_MS });
    await this.input.fill(text, { timeout: PALETTE_MS });
    await this.#page.keyboard.press('Enter');
  }
}
