/**
 * The names of the documents that the aggregator makes, and their URIs:
 *
 *     raft-log:/CLUSTER/NODE/CLUSTER-NODE-FROM-TO.raftlog    a window of a node's log, both ends included
 *     raft-log:/CLUSTER/NODE/CLUSTER-NODE-tail.raftlog       its newest entries
 *     raft-log:/CLUSTER/NODE/CLUSTER-NODE-entry-N.md         one entry in full
 *     raft-log:/CLUSTER/explain/CLUSTER-why-ABOUT.md         and …-why-ABOUT-ID.md: an answer with its evidence
 *     raft-log:/doctor.md                                    what was tried, and what it answered
 *
 * The last segment says the names again: it is all that the tab of an editor shows. The folders are what is parsed.
 *
 * MUST: be strict (a URI may come from anywhere: a link, a workspace, a remembered editor), and give each document one
 * URI only. Windows are aligned, so that the links from one to the next do not change while the log grows.
 */
import { NAME_PATTERN } from '../../../shared/endpoint-files.ts';
import { type About, QUESTIONS } from '../../../shared/explain/types.ts';
import type { TermsView } from '../../../shared/inspect.ts';
import { LIMITS } from '../../../shared/limits.ts';
import type { LogDiff } from '../../../shared/log-diff.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { SCHEME } from '../../protocol.ts';
import { InspectError } from '../contract.ts';

/** Indexes `from`…`to`, both included. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

export interface WindowName extends Window {
  readonly kind: 'WINDOW';
  readonly cluster: string;
  readonly node: string;
}
export interface TailName {
  readonly kind: 'TAIL';
  readonly cluster: string;
  readonly node: string;
}
export type LogName = WindowName | TailName;

export interface EntryName {
  readonly kind: 'ENTRY';
  readonly cluster: string;
  readonly node: string;
  readonly index: number;
}
export interface ExplainName {
  readonly kind: 'EXPLAIN';
  readonly cluster: string;
  readonly about: About;
  /** '' for none. */
  readonly id: string;
}
export type DocumentName = LogName | EntryName | ExplainName | { readonly kind: 'DOCTOR' };

/**
 * Entries of an aligned window: enough to read and search in. Twice as many are read as quickly, but three such windows make
 * the editor's extension host grow by more than the 100 MB that we allow ourselves (`npm run bench:inspector`).
 */
export const WINDOW_ENTRIES = 2_500;
/** The most that any window may have: one page of the sidecar. */
const WINDOW_ENTRIES_MAX = LIMITS.logPageEntries;

/** What a comparison shows before and from the first difference on: enough to read, small enough to compare at once. */
const DIFF_BEFORE = 100;
const DIFF_AFTER = 900;

/** The longest URI with names of full length is far below it. Over it: refused. */
const MAX_URI_CHARS = 400;

const NUMBER = /^[1-9]\d{0,15}$/;

function indexFrom(text: string | undefined): number | undefined {
  if (text === undefined || !NUMBER.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** What follows `prefix` in `file`; undefined where it does not begin with it. */
function after(prefix: string, file: string): string | undefined {
  return file.startsWith(prefix) ? file.slice(prefix.length) : undefined;
}

function parseLogFile(cluster: string, node: string, file: string): DocumentName | undefined {
  const rest = after(`${cluster}-${node}-`, file) ?? '';
  if (rest === 'tail.raftlog') return { kind: 'TAIL', cluster, node };
  const window = /^(\d+)-(\d+)\.raftlog$/.exec(rest);
  if (window !== null) {
    const from = indexFrom(window[1]);
    const to = indexFrom(window[2]);
    if (from === undefined || to === undefined || to < from || to - from >= WINDOW_ENTRIES_MAX)
      return undefined;
    return { kind: 'WINDOW', cluster, node, from, to };
  }
  const index = indexFrom(/^entry-(\d+)\.md$/.exec(rest)?.[1]);
  return index === undefined ? undefined : { kind: 'ENTRY', cluster, node, index };
}

function idFits(about: About, id: string): boolean {
  if (about === 'leader' || about === 'entry') return indexFrom(id) !== undefined;
  return NAME_PATTERN.test(id);
}

function parseExplain(cluster: string, file: string): DocumentName | undefined {
  const [, word, id] = /^([a-z]+)(?:-(.+))?\.md$/.exec(after(`${cluster}-why-`, file) ?? '') ?? [];
  const about = QUESTIONS.find((known) => known === word);
  if (about === undefined || (id !== undefined && !idFits(about, id))) return undefined;
  return { kind: 'EXPLAIN', cluster, about, id: id ?? '' };
}

function parsePath(path: readonly string[]): DocumentName | undefined {
  const [cluster = '', second = '', file = ''] = path;
  if (path.length === 1) return cluster === 'doctor.md' ? { kind: 'DOCTOR' } : undefined;
  if (path.length !== 3 || !NAME_PATTERN.test(cluster) || !NAME_PATTERN.test(second)) return undefined;
  // A node may be called `explain`: its files begin otherwise.
  const explain = second === 'explain' ? parseExplain(cluster, file) : undefined;
  return explain ?? parseLogFile(cluster, second, file);
}

/** The document that `uri` names. A position after `#` (`#L17`) is passed over. Throws InspectError for anything else. */
export function parseUri(uri: string): DocumentName {
  const path = /^raft-log:\/([^?#%\\]*)(?:#L?\d+(?:,\d+)?)?$/.exec(uri.slice(0, MAX_URI_CHARS + 1))?.[1];
  const name = path === undefined || uri.length > MAX_URI_CHARS ? undefined : parsePath(path.split('/'));
  if (name === undefined) throw new InspectError(`${safeLine(uri, 120)} names no document of Outrigger`);
  return name;
}

export function formatUri(name: DocumentName): string {
  if (name.kind === 'DOCTOR') return `${SCHEME}:/doctor.md`;
  const { cluster } = name;
  if (name.kind === 'EXPLAIN') {
    const about = name.id === '' ? name.about : `${name.about}-${name.id}`;
    return `${SCHEME}:/${cluster}/explain/${cluster}-why-${about}.md`;
  }
  return `${SCHEME}:/${cluster}/${name.node}/${cluster}-${name.node}-${logFile(name)}`;
}

function logFile(name: LogName | EntryName): string {
  switch (name.kind) {
    case 'ENTRY':
      return `entry-${name.index}.md`;
    case 'TAIL':
      return 'tail.raftlog';
    case 'WINDOW':
      return `${name.from}-${name.to}.raftlog`;
  }
}

/** The aligned window that holds `index`, which is first moved into `firstIndex`…`lastIndex`. */
export function windowAround(index: number, firstIndex = 1, lastIndex = Number.MAX_SAFE_INTEGER): Window {
  const inside = Math.max(1, firstIndex, Math.min(index, lastIndex));
  const from = Math.floor((inside - 1) / WINDOW_ENTRIES) * WINDOW_ENTRIES + 1;
  return { from, to: from + WINDOW_ENTRIES - 1 };
}

/** URI of the window that shows `index` of that node's log; of its live tail for 0. */
export function logUri(cluster: string, node: string, index: number): string {
  if (index === 0) return formatUri({ kind: 'TAIL', cluster, node });
  return formatUri({ kind: 'WINDOW', cluster, node, ...windowAround(index) });
}

/** The first index whose entry that log still has. */
export function firstKept(terms: TermsView): number {
  return terms.runs[0]?.first ?? terms.snapshotIndex + 1;
}

/**
 * The window to compare two logs in, around their first difference: the same on both sides, with some entries before it
 * that both still have. Undefined when there is no difference to show.
 */
export function diffWindow(left: TermsView, right: TermsView, diff: LogDiff): Window | undefined {
  const at = diff.firstDifference;
  if (at === null) return undefined;
  const from = Math.min(at, Math.max(1, firstKept(left), firstKept(right), at - DIFF_BEFORE));
  return { from, to: at + DIFF_AFTER - 1 };
}

/** URIs for the native comparison of two nodes' logs; both '' when there is no difference to show. */
export function diffUris(
  cluster: string,
  left: { readonly node: string; readonly terms: TermsView },
  right: { readonly node: string; readonly terms: TermsView },
  diff: LogDiff,
): { readonly left: string; readonly right: string } {
  const window = diffWindow(left.terms, right.terms, diff);
  if (window === undefined) return { left: '', right: '' };
  return {
    left: formatUri({ kind: 'WINDOW', cluster, node: left.node, ...window }),
    right: formatUri({ kind: 'WINDOW', cluster, node: right.node, ...window }),
  };
}
