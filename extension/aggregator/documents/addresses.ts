/** Where an entry is shown: the document, and the line in it. MUST: be pure, and answer without asking a node. */
import type { Range } from 'vscode-languageserver';
import { lineOf } from './render.ts';
import type { Facts } from './standing.ts';
import { firstKept, formatUri, windowAround } from './uris.ts';

export interface PlaceInText {
  readonly uri: string;
  readonly range: Range;
}

/** The line of `index` in the window of that node's log that holds it. */
export function placeOfEntry(facts: Facts, node: string, index: number): PlaceInText {
  const window = windowAround(index);
  const terms = facts.terms.get(node)?.terms;
  const line = lineOf(window, terms === undefined ? 1 : firstKept(terms), index);
  return {
    uri: formatUri({ kind: 'WINDOW', cluster: facts.cluster, node, ...window }),
    range: { start: { line, character: 0 }, end: { line, character: 0 } },
  };
}

/** The same as a link, with the position as editors understand it. */
export function lineUri(facts: Facts, node: string, index: number): string {
  const { uri, range } = placeOfEntry(facts, node, index);
  return `${uri}#L${range.start.line + 1}`;
}

export function entryUri(cluster: string, node: string, index: number): string {
  return formatUri({ kind: 'ENTRY', cluster, node, index });
}
