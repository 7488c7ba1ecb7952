/**
 * What the tests of the pages need of Markdown: headings and their anchors, links, code, rows of tables. Not a parser of all of it.
 *
 * MUST: be pure but for `pagesUnder` and `readPage`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Page {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** Folders of which no page is ours, or none is for readers. */
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', 'dist', '.git', '.ci']);

export function readPage(path: string): Page {
  return { path, text: readFileSync(path, 'utf8') };
}

/** Every Markdown page under a folder, sorted by path. */
export function pagesUnder(folder: string): Page[] {
  const found: Page[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) found.push(...pagesUnder(path));
    else if (entry.isFile() && entry.name.endsWith('.md')) found.push(readPage(path));
  }
  return found.sort((a, b) => a.path.localeCompare(b.path));
}

/** Fenced blocks, with the word behind the fence. */
export function codeBlocks(text: string): { readonly language: string; readonly code: string }[] {
  const fences = text.matchAll(/^```([^\n]*)\n(.*?)^```/gms);
  return [...fences].map(([, language = '', code = '']) => ({ language: language.trim(), code }));
}

function withoutBlocks(text: string): string {
  return text.replaceAll(/^```[^\n]*\n.*?^```/gms, '');
}

/** Code within a line. */
export function codeSpans(text: string): string[] {
  return [...withoutBlocks(text).matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

/** Targets of links and images. What stands in code is no link. */
export function links(text: string): string[] {
  const prose = withoutBlocks(text).replaceAll(/`[^`]*`/g, '`');
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = '']) => target);
}

/** The anchors of all headings, as GitHub makes them: a heading that comes again gets a number. */
export function anchors(text: string): Set<string> {
  const seen = new Map<string, number>();
  const found = new Set<string>();
  for (const [, heading = ''] of withoutBlocks(text).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const slug = slugOf(heading);
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    found.add(before === 0 ? slug : `${slug}-${before}`);
  }
  return found;
}

function slugOf(heading: string): string {
  return heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** Rows of all tables, their cells trimmed; without the line under the head. */
export function tableRows(text: string): string[][] {
  return withoutBlocks(text)
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[\s:|-]+\|$/.test(line))
    .map((line) =>
      line
        .replace(/^\|/, '')
        .replace(/\|\s*$/, '')
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}
