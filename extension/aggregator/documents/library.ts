/**
 * Reads windows of logs and keeps the last few, since the server knows a document by its URI alone.
 *
 * MUST: keep no payloads (lines and what is needed beside them only); read again what it forgot; pass over no entry
 * silently: what is left out because of a limit, or not kept by the node, is said in the text.
 */
import type { LogEntryView, LogPage, StageTimes, TermsView } from '../../../shared/inspect.ts';
import { TermRuns } from '../../../shared/term-runs.ts';
import { InspectError, type Inspected } from '../contract.ts';
import { type Decoders, lineBytes } from './payload.ts';
import { entryLine, indexWidth, type LineEntry, type RenderedLog, renderLog } from './render.ts';
import { SharedWork } from './shared-work.ts';
import { firstKept, formatUri, type LogName, type Window } from './uris.ts';

export const LIBRARY_LIMITS = {
  /** Windows remembered. Then the one not asked for longest is forgotten, and read again when asked for. */
  windows: 8,
  /** Bytes of commands in one window (at least one page of the sidecar). Then the window is cut, and says so. */
  windowBytes: 8 * 1024 * 1024,
  /** Entries of a live tail. */
  tailEntries: 1_000,
  /** Entries whose stage times are asked for again, once they are committed. The rest shows none. */
  settleEntries: 500,
} as const;

/** A window as it was last read. */
export interface LogText extends RenderedLog {
  readonly uri: string;
  readonly name: LogName;
  readonly window: Window;
  readonly entries: readonly LineEntry[];
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** What the node knew to be committed. */
  readonly commitIndex: number;
  readonly cutAt: number | undefined;
}

/** What the editor shows of it. Made when asked for: the lines are what is kept. */
export function textOf({ lines }: Pick<LogText, 'lines'>): string {
  return `${lines.join('\n')}\n`;
}

interface Pages {
  readonly entries: readonly LogEntryView[];
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly cutAt: number | undefined;
}

/** A node that answers other entries than were asked for is not believed. */
function checkPage(page: LogPage, node: string, from: number, to: number): void {
  let next = page.entries[0]?.index ?? from;
  if (next < from)
    throw new InspectError(`the node ${node} answered entry ${next} where ${from} was asked for`);
  for (const { index } of page.entries) {
    if (index !== next || index > to)
      throw new InspectError(`the node ${node} answered entry ${index} out of its order`);
    next++;
  }
}

export class Library {
  readonly #inspected: Inspected;
  readonly #decoders: Decoders;
  /** In the order in which they were last asked for. */
  readonly #texts = new Map<string, LogText>();
  readonly #reading = new SharedWork<LogText>();

  constructor(inspected: Inspected, decoders: Decoders) {
    this.#inspected = inspected;
    this.#decoders = decoders;
  }

  /** Windows remembered now. */
  get size(): number {
    return this.#texts.size;
  }

  remembered(): readonly LogText[] {
    return [...this.#texts.values()];
  }

  /** The document as the editor last got it, or as it is now where that was forgotten. Rejects with InspectError. */
  async known(name: LogName, signal: AbortSignal): Promise<LogText> {
    const uri = formatUri(name);
    const text = this.#texts.get(uri);
    if (text === undefined) return this.fresh(name, signal);
    this.#remember(text);
    return text;
  }

  /** The document as it is now. Rejects with InspectError. */
  fresh(name: LogName, signal: AbortSignal): Promise<LogText> {
    const uri = formatUri(name);
    return this.#reading.run(uri, signal, async (shared) => {
      const text = name.kind === 'TAIL' ? await this.#tail(name, shared) : await this.#window(name, shared);
      this.#remember(text);
      return text;
    });
  }

  /** Stage times of entries that were not committed when the window was read, and are now. Rejects with InspectError. */
  async settled(text: LogText, commitIndex: number, signal: AbortSignal): Promise<LogText> {
    const last = text.entries.at(-1)?.index ?? 0;
    const to = Math.min(last, commitIndex);
    const from = Math.max(
      text.commitIndex + 1,
      text.entries[0]?.index ?? 1,
      to - LIBRARY_LIMITS.settleEntries + 1,
    );
    if (from > to) return text;
    const { cluster, node } = text.name;
    const page = await this.#inspected.log(cluster, node, from, to, signal);
    const stages = new Map<string, StageTimes>();
    for (const entry of page.entries) {
      if (entry.stages !== undefined) stages.set(`${entry.index}@${entry.term}`, entry.stages);
    }
    const entries = text.entries.map((entry) => {
      const known = stages.get(`${entry.index}@${entry.term}`);
      return known === undefined ? entry : { ...entry, stages: known };
    });
    const next = {
      ...text,
      entries,
      commitIndex: Math.max(text.commitIndex, Math.min(to, page.commitIndex)),
    };
    // A reading that began meanwhile knows more.
    if (this.#texts.get(text.uri) === text) this.#remember(next);
    return next;
  }

  #remember(text: LogText): void {
    this.#texts.delete(text.uri);
    this.#texts.set(text.uri, text);
    for (const uri of this.#texts.keys()) {
      if (this.#texts.size <= LIBRARY_LIMITS.windows) return;
      this.#texts.delete(uri);
    }
  }

  async #window(name: LogName & Window, signal: AbortSignal): Promise<LogText> {
    const pages = await this.#pages(name, name, signal);
    const lines = await this.#lines(name, name, pages.entries);
    return finish(name, name, pages, pages.entries.map(withoutCommand), lines);
  }

  async #lines(name: LogName, window: Window, entries: readonly LogEntryView[]): Promise<readonly string[]> {
    const filled = entries.filter(({ size }) => size > 0);
    const readings = await this.#decoders.lines(name.cluster, filled.map(lineBytes));
    const width = indexWidth(window.to);
    let next = 0;
    return entries.map((entry) => entryLine(entry, width, entry.size > 0 ? readings[next++] : undefined));
  }

  /** Reads on until the window is whole: a sidecar clips its pages by bytes. */
  async #pages(name: LogName, { from, to }: Window, signal: AbortSignal): Promise<Pages> {
    const { cluster, node } = name;
    const entries: LogEntryView[] = [];
    let bytes = 0;
    let next = from;
    for (;;) {
      const page = await this.#inspected.log(cluster, node, next, to, signal);
      checkPage(page, node, next, to);
      for (const entry of page.entries) {
        entries.push(entry);
        bytes += entry.size;
      }
      const { firstIndex, lastIndex, commitIndex } = page;
      next = (page.entries.at(-1)?.index ?? to) + 1;
      const whole = next > to || next > lastIndex;
      if (!whole && bytes <= LIBRARY_LIMITS.windowBytes) continue;
      return { entries, firstIndex, lastIndex, commitIndex, cutAt: whole ? undefined : next };
    }
  }

  /** The newest entries; what was read before and still stands in the node's log is not read again. */
  async #tail(name: LogName, signal: AbortSignal): Promise<LogText> {
    const terms = await this.#inspected.freshTerms(name.cluster, name.node);
    const to = terms.runs.at(-1)?.last ?? terms.snapshotIndex;
    const window = { from: Math.max(1, firstKept(terms), to - LIBRARY_LIMITS.tailEntries + 1), to };
    const before = this.#texts.get(formatUri(name));
    const kept = before === undefined ? [] : stillThere(before, terms, window);
    const from = (kept.at(-1)?.entry.index ?? window.from - 1) + 1;
    const pages =
      from > to
        ? {
            entries: [],
            firstIndex: firstKept(terms),
            lastIndex: to,
            commitIndex: terms.commitIndex,
            cutAt: undefined,
          }
        : await this.#pages(name, { from, to }, signal);
    const lines = await this.#lines(name, window, pages.entries);
    return finish(
      name,
      window,
      pages,
      [...kept.map(({ entry }) => entry), ...pages.entries.map(withoutCommand)],
      [...kept.map(({ line }) => line), ...lines],
    );
  }
}

function withoutCommand({ command: _, ...entry }: LogEntryView): LineEntry {
  return entry;
}

/**
 * Entries of an earlier reading that are in the log still: by the Log Matching property an equal term at an index means
 * equal entries up to it. Those that were not committed are read again for their stage times.
 */
function stillThere(
  before: LogText,
  terms: TermsView,
  window: Window,
): readonly { readonly entry: LineEntry; readonly line: string }[] {
  if (indexWidth(before.window.to) !== indexWidth(window.to)) return [];
  const runs = new TermRuns(terms.runs, firstKept(terms) - 1, terms.snapshotTerm);
  let count = before.entries.findLastIndex(
    ({ index, term }) => index <= before.commitIndex && runs.termAt(index) === term,
  );
  count += 1;
  return before.entries.slice(0, count).flatMap((entry, i) => {
    const line = before.lines[before.firstLine + i];
    return entry.index < window.from || line === undefined ? [] : [{ entry, line }];
  });
}

function finish(
  name: LogName,
  window: Window,
  pages: Omit<Pages, 'entries'>,
  entries: readonly LineEntry[],
  entryLines: readonly string[],
): LogText {
  const { firstIndex, lastIndex, commitIndex, cutAt } = pages;
  const rendered = renderLog({ name, window, entryLines, firstIndex, lastIndex, cutAt });
  return {
    ...rendered,
    uri: formatUri(name),
    name,
    window,
    entries,
    firstIndex,
    lastIndex,
    commitIndex,
    cutAt,
  };
}
