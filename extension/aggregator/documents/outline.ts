/** Folds and outline of a window, by term. MUST: be pure. */
import { type DocumentSymbol, type FoldingRange, type Range, SymbolKind } from 'vscode-languageserver';
import { safeLine } from '../../../shared/safe-text.ts';
import type { TermRun } from '../../../shared/term-runs.ts';
import type { LogText } from './library.ts';
import type { LineEntry } from './render.ts';
import type { Facts } from './standing.ts';

/** A term as far as the window shows it. */
export interface TermLines {
  readonly term: number;
  readonly firstLine: number;
  readonly lastLine: number;
  readonly entries: readonly LineEntry[];
}

export function termLines({ entries, firstLine }: LogText): readonly TermLines[] {
  const terms: TermLines[] = [];
  for (let start = 0; start < entries.length; ) {
    const term = entries[start]?.term ?? 0;
    let end = start + 1;
    while (end < entries.length && entries[end]?.term === term) end++;
    terms.push({
      term,
      firstLine: firstLine + start,
      lastLine: firstLine + end - 1,
      entries: entries.slice(start, end),
    });
    start = end;
  }
  return terms;
}

/** The line of `index`, undefined where the window does not show it. */
export function lineOfIndex({ entries, firstLine }: LogText, index: number): number | undefined {
  const at = index - (entries[0]?.index ?? Number.POSITIVE_INFINITY);
  return at >= 0 && at < entries.length ? firstLine + at : undefined;
}

/** The entry on `line`, undefined for headers and notes. */
export function entryOnLine({ entries, firstLine }: LogText, line: number): LineEntry | undefined {
  return line < firstLine ? undefined : entries[line - firstLine];
}

export function folding(text: LogText): FoldingRange[] {
  return termLines(text)
    .filter(({ firstLine, lastLine }) => lastLine > firstLine)
    .map(({ firstLine, lastLine }) => ({ startLine: firstLine, endLine: lastLine }));
}

function lineRange(text: LogText, first: number, last = first): Range {
  return {
    start: { line: first, character: 0 },
    end: { line: last, character: text.lines[last]?.length ?? 0 },
  };
}

/** The whole run of the term in that node's log; what the window shows where that is not known. */
function wholeRun(shown: TermLines, facts: Facts, node: string): TermRun {
  const first = shown.entries[0]?.index ?? 0;
  const last = shown.entries.at(-1)?.index ?? first;
  const known = facts.runs.get(node)?.runAt(first);
  // What was told of the runs may be older than the window.
  if (known === undefined || known.term !== shown.term) return { term: shown.term, first, last };
  return { term: shown.term, first: Math.min(known.first, first), last: Math.max(known.last, last) };
}

export function rangeText({ first, last }: TermRun): string {
  return first === last ? `1 entry, ${first}` : `${last - first + 1} entries, ${first} to ${last}`;
}

/** Entries that are no commands show in the outline: what a leader began its term with, and configurations. */
const OUTLINED: readonly string[] = ['NOOP', 'CONFIG'];
/** Such entries of one term in the outline. The rest is only in the text. */
const MAX_OUTLINED = 100;

export function symbols(text: LogText, facts: Facts): DocumentSymbol[] {
  return termLines(text).map((shown) => {
    const { term, firstLine, lastLine, entries } = shown;
    const children = entries
      .map((entry, i) => ({ entry, line: firstLine + i }))
      .filter(({ entry }) => OUTLINED.includes(entry.kind))
      .slice(0, MAX_OUTLINED)
      .map(({ entry, line }) => ({
        name: `#${entry.index}`,
        detail: safeLine(entry.kind, 40),
        kind: SymbolKind.Event,
        range: lineRange(text, line),
        selectionRange: lineRange(text, line),
      }));
    return {
      name: `t${term}`,
      detail: rangeText(wholeRun(shown, facts, text.name.node)),
      kind: SymbolKind.Namespace,
      range: lineRange(text, firstLine, lastLine),
      selectionRange: lineRange(text, firstLine),
      children,
    };
  });
}
