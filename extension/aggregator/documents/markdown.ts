/**
 * Small pieces of markdown around text that came from elsewhere.
 *
 * MUST: let nothing inside a piece end it or become markup: text comes here through safeMarkdown or safeFence of
 * shared/safe-text.ts. Pages and hovers made of them need neither trust nor HTML.
 */
import { safeMarkdown } from '../../../shared/safe-text.ts';

/** A cell of a table: one line in which a bar ends nothing. */
function cell(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').replaceAll(/(?<!\\)\|/g, '\\|');
}

/** Cells are markdown: whoever makes them makes them safe. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** `target` is a URI of ours. */
export function link(label: string, target: string): string {
  return `[${safeMarkdown(label)}](${target})`;
}

/** Pieces with an empty line between them; empty ones are left out. */
export function page(...parts: readonly string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}
