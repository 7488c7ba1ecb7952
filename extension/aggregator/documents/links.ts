/**
 * Links in documents: to the windows beside this one, from `n2@17` to that entry on that node, and from `event 9 of run g` to
 * that event in the editor's *Events* view.
 *
 * MUST: be pure; make command links of event names alone, and only for clients that have the command.
 */
import type { DocumentLink } from 'vscode-languageserver';
import { entryUri } from './addresses.ts';
import type { LogText } from './library.ts';
import { NEXT_WORDS, PREVIOUS_WORDS, REST_WORDS, TAIL_WORDS } from './render.ts';
import { formatUri, logUri, WINDOW_ENTRIES, windowAround } from './uris.ts';

function wordsLink(text: LogText, line: number, words: string, target: string): DocumentLink[] {
  const start = text.lines[line]?.lastIndexOf(words) ?? -1;
  if (start < 0) return [];
  return [
    {
      range: { start: { line, character: start }, end: { line, character: start + words.length } },
      target,
      tooltip: words,
    },
  ];
}

/** The words are always there (equal headers keep the comparison of two nodes clean); they are links where they lead somewhere. */
export function windowLinks(text: LogText): DocumentLink[] {
  const { name, window, firstIndex, lastIndex, cutAt } = text;
  const { cluster, node } = name;
  const uriOf = (index: number): string =>
    formatUri({ kind: 'WINDOW', cluster, node, ...windowAround(index, firstIndex, lastIndex) });
  const links: DocumentLink[] = [];
  if (window.from > firstIndex) {
    // A tail is not aligned: what comes before it is the window that its own beginning is in.
    const before = name.kind === 'TAIL' ? window.from : window.from - 1;
    links.push(...wordsLink(text, 0, PREVIOUS_WORDS, uriOf(before)));
  }
  if (name.kind === 'TAIL') return links;
  if (window.to < lastIndex) links.push(...wordsLink(text, 0, NEXT_WORDS, uriOf(window.to + 1)));
  links.push(...wordsLink(text, 0, TAIL_WORDS, logUri(cluster, node, 0)));
  if (cutAt !== undefined) {
    const to = Math.min(window.to, cutAt + WINDOW_ENTRIES - 1);
    const rest = formatUri({ kind: 'WINDOW', cluster, node, from: cutAt, to });
    links.push(...wordsLink(text, text.lines.length - 1, REST_WORDS, rest));
  }
  return links;
}

/** Takes `{ cluster, node, event }`; the id of an event is that of its item in the view. */
export const SHOW_EVENT = 'outrigger.showEvent';

/** Links of one page. The rest is plain text. */
const MAX_PAGE_LINKS = 500;

/** `n2@17` on a page of `cluster` leads to that entry, where n2 is one of its nodes. */
export function pageLinks(page: string, cluster: string, nodes: readonly string[]): DocumentLink[] {
  const links: DocumentLink[] = [];
  for (const [line, text] of page.split('\n').entries()) {
    for (const match of text.matchAll(/\b([A-Za-z0-9][A-Za-z0-9._-]{0,63})\\?@([1-9]\d{0,14})\b/g)) {
      const [words, node = '', index] = match;
      if (!nodes.includes(node)) continue;
      if (links.length === MAX_PAGE_LINKS) return links;
      const start = match.index;
      links.push({
        range: { start: { line, character: start }, end: { line, character: start + words.length } },
        target: entryUri(cluster, node, Number(index)),
      });
    }
  }
  return links;
}

/** A row of the evidence (explain-page.ts): the node in its first cell, in the last one the name of an event. */
const EVIDENCE_ROW = /^\| ((?:[^|\\]|\\.)+) \| .* \| (event ([1-9]\d{0,15}) of run ((?:[^|\\\s]|\\.)+)) \|$/;

const unescaped = (text: string): string => text.replaceAll(/\\(.)/g, '$1');

/** The events that the answer rests on, each a command link. Editors show these in the text of a page, never in its preview. */
export function eventLinks(page: string, cluster: string, nodes: readonly string[]): DocumentLink[] {
  return page.split('\n').flatMap((text, line) => {
    const [, first = '', words = '', seq, run = ''] = EVIDENCE_ROW.exec(text) ?? [];
    const node = unescaped(first);
    if (!nodes.includes(node)) return [];
    const end = text.length - ' |'.length;
    const target = { cluster, node, event: `event:${cluster}/${node}/${unescaped(run)}-${seq}` };
    return {
      range: { start: { line, character: end - words.length }, end: { line, character: end } },
      target: `command:${SHOW_EVENT}?${encodeURIComponent(JSON.stringify([target]))}`,
      tooltip: 'show in the Events view',
    };
  });
}
