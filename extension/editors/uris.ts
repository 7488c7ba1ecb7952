/**
 * Names of the aggregator's documents that the editor itself has to know; the rest is asked for (`raft/logUri`).
 *
 * MUST: be pure, and agree with `aggregator/documents/uris.ts`, which says what each means.
 */
import type { About } from '../../shared/explain/types.ts';
import { SCHEME } from '../protocol.ts';

/** `id`: '' for none. */
export function explainUri(cluster: string, about: About, id: string): string {
  return `${SCHEME}:/${cluster}/explain/${cluster}-why-${about}${id === '' ? '' : `-${id}`}.md`;
}

/** Is `path` (of a `raft-log:` URI) that of a live tail? */
export function isTail(path: string): boolean {
  return /^\/([^/]+)\/([^/]+)\/\1-\2-tail\.raftlog$/.test(path);
}

/** Cluster and node of a log document. */
export function logOf(path: string): { readonly cluster: string; readonly node: string } | undefined {
  const match = /^\/([^/]+)\/([^/]+)\/\1-\2-(?:tail|\d+-\d+)\.raftlog$/.exec(path);
  return match === null ? undefined : { cluster: match[1] ?? '', node: match[2] ?? '' };
}

/** Line (from 0) of the entry at `index` in the text of a log document; undefined when it is not there. */
export function lineOfEntry(text: string, index: number): number | undefined {
  const match = new RegExp(`^ *${index} `, 'm').exec(text);
  return match === null ? undefined : text.slice(0, match.index).split('\n').length - 1;
}

/** The index that a line of a log document is about; undefined for headers. */
export function entryOfLine(line: string): number | undefined {
  const digits = /^ *(\d{1,16}) {2}t\d/.exec(line)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
