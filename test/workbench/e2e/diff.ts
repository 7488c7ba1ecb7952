/** Where the native comparison of two logs begins to differ, read from what is drawn. */
import type { Locator } from 'playwright-core';
import type { Workbench } from './workbench.ts';

const DEADLINE_MS = 15_000;
/** Two boxes of the same line, in pixels. */
const SAME_LINE = 2;

export interface DiffStart {
  /** Index of the entry on the first line that is marked as changed; undefined: none is marked. */
  readonly original: number | undefined;
  readonly modified: number | undefined;
}

/** Waits until both sides mark changed lines. */
export async function diffStart(workbench: Workbench): Promise<DiffStart> {
  let found: DiffStart = { original: undefined, modified: undefined };
  await workbench.until(
    async () => {
      const [original, modified] = await Promise.all([
        firstMarked(workbench, 'original'),
        firstMarked(workbench, 'modified'),
      ]);
      found = { original, modified };
      return original !== undefined && modified !== undefined;
    },
    () => `no changed lines on both sides of a comparison, but: ${JSON.stringify(found)}`,
    DEADLINE_MS,
  );
  return found;
}

async function firstMarked({ page }: Workbench, side: 'original' | 'modified'): Promise<number | undefined> {
  const editor = page.locator(`.monaco-diff-editor .editor.${side}`);
  const first = Math.min(...(await tops(editor.locator('.line-insert, .line-delete'))).map(({ top }) => top));
  const lines = await tops(editor.locator('.view-line'));
  const line = lines.find(({ top }) => Math.abs(top - first) <= SAME_LINE);
  const index = /^\s*(\d+)\s/.exec((line?.text ?? '').replaceAll('\u00a0', ' '))?.[1];
  return index === undefined ? undefined : Number(index);
}

function tops(elements: Locator): Promise<{ readonly top: number; readonly text: string }[]> {
  return elements.evaluateAll((all) =>
    all.map((one) => ({ top: one.getBoundingClientRect().top, text: one.textContent ?? '' })),
  );
}
