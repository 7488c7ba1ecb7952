/** Inlay hints at the ends of lines: is it committed, who acknowledged it, how long it took. MUST: be pure. */
import type { InlayHint, Range } from 'vscode-languageserver';
import type { LogText } from './library.ts';
import { entryOnLine } from './outline.ts';
import { type Facts, standingOf } from './standing.ts';
import { standingDetail, standingText } from './words.ts';

export function hints(text: LogText, facts: Facts, range: Range): InlayHint[] {
  const { node } = text.name;
  const made: InlayHint[] = [];
  const end = Math.min(text.lines.length - 1, range.end.line);
  for (let line = Math.max(text.firstLine, range.start.line); line <= end; line++) {
    const entry = entryOnLine(text, line);
    if (entry === undefined) break;
    const standing = standingOf(facts, { ...entry, node }, text.commitIndex);
    const tooltip = standingDetail(standing, entry, node);
    made.push({
      position: { line, character: text.lines[line]?.length ?? 0 },
      label: standingText(standing, entry),
      paddingLeft: true,
      ...(tooltip === undefined ? {} : { tooltip }),
    });
  }
  return made;
}
