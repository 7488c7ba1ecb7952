/** Where the native comparison of two logs begins to differ, read from what is drawn. */
import type { Locator } from 'playwright-core';
import type { Workbench } from './workbench.ts';

/** Two boxes of the same line, in pixels. */
const SAME_LINE = 2;

export interface DiffStart {
  /** Index of the entry on the first line that is marked as changed; undefined: none is marked. */
  readonly original: number | undefined;
  readonly modified: number | undefined;
}

/**
 * Compares the logs of two nodes by the command, and waits until both sides mark changed lines. A node that stood still when it
 * was asked makes a message and no comparison: then it is asked for again.
 */
export async function compareLogs(workbench: Workbench, left: string, right: string): Promise<DiffStart> {
  let found: DiffStart = { original: undefined, modified: undefined };
  await workbench.again(
    async () => {
      await workbench.page.keyboard.press('Escape');
      await workbench.palette.run('Raft: Compare Logs of Two Nodes');
      await workbench.palette.pick(new RegExp(`^${left}`));
      await workbench.palette.pick(new RegExp(`^${right}`));
    },
    async () => {
      const [original, modified] = await Promise.all([
        firstMarked(workbench, 'original'),
        firstMarked(workbench, 'modified'),
      ]);
      found = { original, modified };
      return original !== undefined && modified !== undefined;
    },
    () => `no changed lines on both sides of a comparison, but: ${JSON.stringify(found)}`,
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
