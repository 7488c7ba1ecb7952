/**
 * Waiting for what a window shall show, with looks that leave it time to show it.
 *
 * MUST: say when it gives up what was there instead.
 */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { PATIENCE_MS } from '../../support/patience.ts';

/** Between two looks. */
const LOOK_MS = 20;
/** Of what nothing came by then it is tried again, with twice the patience. */
const AGAIN_MS = 8_000;

export class Waiting {
  readonly #page: Page;
  readonly #scene: () => Promise<string>;

  /** `scene` tells everything that may be the reason. */
  constructor(page: Page, scene: () => Promise<string>) {
    this.#page = page;
    this.#scene = scene;
  }

  async until(holds: () => Promise<boolean>, otherwise: () => string): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!(await holds())) {
      if (performance.now() > end) {
        assert.fail(`within ${PATIENCE_MS} ms: ${otherwise()}\n${await this.#scene()}`);
      }
      await this.#page.waitForTimeout(LOOK_MS);
    }
  }

  async again(
    act: () => Promise<void>,
    holds: () => Promise<boolean>,
    otherwise: () => string,
  ): Promise<void> {
    let patience = AGAIN_MS;
    const done = async (): Promise<boolean> => {
      await act();
      const end = performance.now() + patience;
      patience *= 2;
      while (!(await holds())) {
        if (performance.now() > end) return false;
        await this.#page.waitForTimeout(LOOK_MS);
      }
      return true;
    };
    await this.until(done, otherwise);
  }
}
