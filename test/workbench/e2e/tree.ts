/** Trees of the side bar, read from what is drawn. */
import type { Locator } from 'playwright-core';

/** One line of a tree as it is shown. */
export interface TreeLine {
  /** Label and description, with a space between. */
  readonly text: string;
  /** What a screen reader says. */
  readonly speech: string;
  /** 1 at the top. */
  readonly level: number;
}

/** From top to bottom. */
export function readTree(tree: Locator): Promise<TreeLine[]> {
  return tree.locator('.monaco-list-row').evaluateAll((rows) =>
    rows
      .map((row) => ({
        at: row.getBoundingClientRect().top,
        text: ['.label-name', '.label-description']
          .map((part) => row.querySelector(part)?.textContent.replaceAll('\u00a0', ' ').trim() ?? '')
          .join(' ')
          .trim(),
        speech: row.getAttribute('aria-label') ?? '',
        level: Number(row.getAttribute('aria-level') ?? 0),
      }))
      .sort((a, b) => a.at - b.at)
      .map(({ at: _, ...line }) => line),
  );
}
