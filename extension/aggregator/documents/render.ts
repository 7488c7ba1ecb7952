/**
 * A window of the log as text: two header lines, then one line per entry in fixed columns.
 *
 * MUST: be pure, and make equal lines of equal entries: what a line says depends on its entry and on FROM-TO alone, never
 * on the node, on what is committed or acknowledged, or on other entries of the window. Only so does the native diff of two
 * nodes begin at exactly the first differing entry. For the same reason there are no separator lines between terms (a code
 * lens and a fold mark them), and the header names no node and says the same whether there is a next window or not.
 */
import type { LogEntryView } from '../../../shared/inspect.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { type LineReading, PAYLOAD_LIMITS } from './payload.ts';
import type { LogName, Window } from './uris.ts';

/** What is kept of an entry once its line is written: all but the command. */
export type LineEntry = Omit<LogEntryView, 'command'>;

export interface RenderedLog {
  readonly lines: readonly string[];
  /** Line (from 0) of the first entry; each further entry is on the next one. */
  readonly firstLine: number;
}

export const HEADER_LINES = 2;
/** Words of the header and of the last line that become links. */
export const PREVIOUS_WORDS = 'previous window';
export const NEXT_WORDS = 'next window';
export const TAIL_WORDS = 'live tail';
export const REST_WORDS = 'open the rest';

/** The index column is at least so wide. */
const MIN_INDEX_WIDTH = 6;
/** Widths of the other columns but the last. What is wider shifts its own line only. */
const WIDTHS = { term: 5, kind: 13, time: 24, bytes: 7, session: 9, decoder: 12 } as const;
const GAP = '  ';

export function indexWidth(to: number): number {
  return Math.max(MIN_INDEX_WIDTH, String(to).length);
}

/** Cluster time, the same on all nodes. */
export function isoTime(time: number): string {
  const date = new Date(time);
  return time <= 0 || Number.isNaN(date.getTime()) ? '-' : date.toISOString();
}

/** One word: what comes from a node is never taken for another column. */
function word(text: string, maxChars: number): string {
  return safeLine(text, maxChars).replaceAll(/\s+/g, '_') || '-';
}

export function sessionText(entry: Pick<LogEntryView, 'session' | 'sequence'>): string {
  return entry.session === null ? '-' : `s${entry.session}/${entry.sequence ?? '-'}`;
}

/** `reading`: of its payload; undefined for an empty one. */
export function entryLine(entry: LogEntryView, width: number, reading: LineReading | undefined): string {
  const decoder = reading === undefined ? '-' : `${word(reading.decoder, 40)}${reading.guess ? '?' : ''}`;
  return [
    String(entry.index).padStart(width),
    `t${entry.term}`.padEnd(WIDTHS.term),
    word(entry.kind, 40).padEnd(WIDTHS.kind),
    isoTime(entry.time).padEnd(WIDTHS.time),
    String(entry.size).padStart(WIDTHS.bytes),
    sessionText(entry).padEnd(WIDTHS.session),
    decoder.padEnd(WIDTHS.decoder),
    safeLine(reading?.line ?? '', PAYLOAD_LIMITS.lineChars),
  ]
    .join(GAP)
    .trimEnd();
}

function columnLine(width: number): string {
  return [
    `#${'index'.padStart(width - 1)}`,
    'term'.padEnd(WIDTHS.term),
    'kind'.padEnd(WIDTHS.kind),
    'cluster time'.padEnd(WIDTHS.time),
    'bytes'.padStart(WIDTHS.bytes),
    'session'.padEnd(WIDTHS.session),
    'decoder'.padEnd(WIDTHS.decoder),
    'payload',
  ].join(GAP);
}

function titleLine(name: LogName): string {
  if (name.kind === 'TAIL') return `# log of cluster ${name.cluster}: its newest entries · ${PREVIOUS_WORDS}`;
  return `# log of cluster ${name.cluster}: entries ${name.from} to ${name.to} · ${PREVIOUS_WORDS} · ${NEXT_WORDS} · ${TAIL_WORDS}`;
}

/** Line of the entry at `index` in a window whose log still has the entries from `firstIndex` on. */
export function lineOf(window: Window, firstIndex: number, index: number): number {
  const compacted = firstIndex > window.from ? 1 : 0;
  return HEADER_LINES + compacted + index - Math.max(window.from, firstIndex);
}

export interface ToRender {
  readonly name: LogName;
  /** The ends as asked for. */
  readonly window: Window;
  /** One line each, from `entryLine`. */
  readonly entryLines: readonly string[];
  /** Ends of that node's log. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** The first index that was left out because those before it are too large together; undefined: none was. */
  readonly cutAt?: number | undefined;
}

/** The whole document. */
export function renderLog(input: ToRender): RenderedLog {
  const { name, window, entryLines, firstIndex, lastIndex, cutAt } = input;
  const lines = [
    titleLine(name),
    columnLine(indexWidth(window.to)),
    ...(firstIndex > window.from ? [compactedLine(window, firstIndex)] : []),
  ];
  const firstLine = lines.length;
  for (const line of entryLines) lines.push(line);
  if (cutAt !== undefined)
    lines.push(`# entries ${cutAt} to ${window.to} are not shown: too large together · ${REST_WORDS}`);
  else if (name.kind === 'WINDOW' && lastIndex < window.to) lines.push('# end of the log');
  return { lines, firstLine };
}

function compactedLine(window: Window, firstIndex: number): string {
  return `# entries ${window.from} to ${Math.min(window.to, firstIndex - 1)} are in the snapshot: this node no longer has them one by one`;
}

/** A column's word in a line of an entry. */
export interface Word {
  readonly start: number;
  readonly length: number;
  readonly text: string;
}

/** The columns of an entry's line: index, term, kind, time, bytes, session, decoder, and the payload (absent when empty). */
export function wordsOf(line: string): readonly Word[] {
  const words: Word[] = [];
  const pattern = /\S+/g;
  for (let match = pattern.exec(line); match !== null; match = pattern.exec(line)) {
    if (words.length === 7) {
      words.push({ start: match.index, length: line.length - match.index, text: line.slice(match.index) });
      break;
    }
    words.push({ start: match.index, length: match[0].length, text: match[0] });
  }
  return words;
}
