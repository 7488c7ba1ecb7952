/**
 * What a document answers to each question of the editor, by its URI alone.
 *
 * MUST: answer every content request with text (a missing answer leaves the editor empty without a word); read again what
 * was forgotten; reject with InspectError where a node cannot be read, and with the signal's reason when that aborts.
 */
import type {
  CodeLens,
  DocumentLink,
  DocumentSymbol,
  FoldingRange,
  Hover,
  InlayHint,
  Location,
  Position,
  Range,
  SemanticTokens,
  WorkspaceSymbol,
} from 'vscode-languageserver';
import type { Explanation } from '../../../shared/explain/types.ts';
import type { LogEntryView } from '../../../shared/inspect.ts';
import { safeLine } from '../../../shared/safe-text.ts';
import { sentence } from '../../../shared/wording.ts';
import { InspectError, type Inspected } from '../contract.ts';
import { placeOfEntry } from './addresses.ts';
import { type EntryInFull, entryHover, entryPage } from './entry-page.ts';
import { explainPage } from './explain-page.ts';
import { hints } from './hints.ts';
import { lenses } from './lenses.ts';
import { Library, type LogText, textOf } from './library.ts';
import { eventLinks, pageLinks, windowLinks } from './links.ts';
import { entryOnLine, folding, symbols } from './outline.ts';
import { type Decoders, PAYLOAD_LIMITS, payloadBytes } from './payload.ts';
import { search } from './search.ts';
import { gatherFacts, settledThrough, signatureOf, standingOf } from './standing.ts';
import { tokens } from './tokens.ts';
import { type DocumentName, formatUri, type LogName, parseUri } from './uris.ts';

const FEATURE_LIMITS = {
  /** An explanation for a hover or a page. Then it is shown without, and says so. */
  explainMs: 1_500,
  /** Pages remembered for their links, and windows whose hints were shown. Then the oldest is forgotten. */
  remembered: 16,
} as const;

export type Doctor = () => string | Promise<string>;

/** What one sentence says of an error that a person may see. Faults of ours are told by `onFault`. */
export type OnFault = (error: unknown) => void;

function setBounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > FEATURE_LIMITS.remembered && oldest !== undefined) map.delete(oldest);
}

function isLog(name: DocumentName): name is LogName {
  return name.kind === 'WINDOW' || name.kind === 'TAIL';
}

export class DocumentFeatures {
  readonly #inspected: Inspected;
  readonly #decoders: Decoders;
  readonly #doctor: Doctor;
  readonly #onFault: OnFault;
  readonly #commands: boolean;
  readonly #library: Library;
  readonly #pages = new Map<string, string>();
  /** Windows whose hints were shown and may change: what they rested on. */
  readonly #hinted = new Map<string, { readonly cluster: string; readonly signature: string }>();

  /** `commands`: the client has the commands of our editor extension. */
  constructor(inspected: Inspected, decoders: Decoders, doctor: Doctor, onFault: OnFault, commands = false) {
    this.#inspected = inspected;
    this.#decoders = decoders;
    this.#doctor = doctor;
    this.#onFault = onFault;
    this.#commands = commands;
    this.#library = new Library(inspected, decoders);
  }

  /** The document's text. Rejects only with the signal's reason. */
  async content(uri: string, signal: AbortSignal): Promise<string> {
    try {
      const name = parseUri(uri);
      if (isLog(name)) return textOf(await this.#library.fresh(name, signal));
      return await this.#page(name, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof InspectError) return `# ${safeLine(sentence(error.message), 500)}\n`;
      this.#onFault(error);
      return '# This document could not be made: a fault of Outrigger, which its log tells of.\n';
    }
  }

  async folding(uri: string, signal: AbortSignal): Promise<FoldingRange[]> {
    const text = await this.#log(uri, signal);
    return text === undefined ? [] : folding(text);
  }

  async symbols(uri: string, signal: AbortSignal): Promise<DocumentSymbol[]> {
    const text = await this.#log(uri, signal);
    return text === undefined ? [] : symbols(text, gatherFacts(this.#inspected, text.name.cluster));
  }

  /** Of the lines that `range` touches, of all without it. */
  async tokens(uri: string, range: Range | undefined, signal: AbortSignal): Promise<SemanticTokens> {
    const text = await this.#log(uri, signal);
    if (text === undefined) return { data: [] };
    return tokens(text, gatherFacts(this.#inspected, text.name.cluster), range);
  }

  async hints(uri: string, range: Range, signal: AbortSignal): Promise<InlayHint[]> {
    const known = await this.#log(uri, signal);
    if (known === undefined) return [];
    const { cluster, node } = known.name;
    const facts = gatherFacts(this.#inspected, cluster);
    const committed = facts.view?.nodes.find(({ id }) => id === node)?.status?.commitIndex ?? 0;
    const text = await this.#settled(known, committed, signal);
    if ((text.entries.at(-1)?.index ?? 0) > settledThrough(facts)) {
      setBounded(this.#hinted, text.uri, { cluster, signature: signatureOf(facts) });
    }
    return hints(text, facts, range);
  }

  async hover(uri: string, { line }: Position, signal: AbortSignal): Promise<Hover | null> {
    const text = await this.#log(uri, signal);
    const entry = text === undefined ? undefined : entryOnLine(text, line);
    if (text === undefined || entry === undefined) return null;
    const { cluster, node } = text.name;
    const value = await this.#entry(cluster, node, entry.index, 'UNCOMMITTED', signal).then(
      entryHover,
      (error: unknown) => {
        if (error instanceof InspectError) return safeLine(sentence(error.message), 500);
        throw error;
      },
    );
    return {
      contents: { kind: 'markdown', value },
      range: { start: { line, character: 0 }, end: { line, character: text.lines[line]?.length ?? 0 } },
    };
  }

  async lenses(uri: string, signal: AbortSignal): Promise<CodeLens[]> {
    const text = await this.#log(uri, signal);
    if (text === undefined) return [];
    const { cluster } = text.name;
    return lenses(text, gatherFacts(this.#inspected, cluster), this.#inspected.events(cluster).events);
  }

  async links(uri: string, signal: AbortSignal): Promise<DocumentLink[]> {
    const name = parseUri(uri);
    if (isLog(name)) return windowLinks(await this.#library.known(name, signal));
    if (name.kind === 'DOCTOR') return [];
    const page = this.#pages.get(formatUri(name)) ?? (await this.#page(name, signal));
    const nodes = this.#inspected.cluster(name.cluster)?.nodes.map(({ id }) => id) ?? [];
    const events = name.kind === 'EXPLAIN' && this.#commands ? eventLinks(page, name.cluster, nodes) : [];
    return [...pageLinks(page, name.cluster, nodes), ...events];
  }

  /** From an entry to the one at the same index on the leader. */
  async definition(uri: string, { line }: Position, signal: AbortSignal): Promise<Location | null> {
    const text = await this.#log(uri, signal);
    const entry = text === undefined ? undefined : entryOnLine(text, line);
    if (text === undefined || entry === undefined) return null;
    const facts = gatherFacts(this.#inspected, text.name.cluster);
    const leader = facts.leader?.id;
    if (leader === undefined || facts.runs.get(leader)?.runAt(entry.index) === undefined) return null;
    return placeOfEntry(facts, leader, entry.index);
  }

  search(query: string): WorkspaceSymbol[] {
    return search(this.#inspected, query);
  }

  /** Did that node's log change since its tail was last read? Answers from what is known, without asking it. */
  tailMoved(name: LogName): boolean {
    const text = this.#library.remembered().find(({ uri }) => uri === formatUri(name));
    if (text === undefined) return true;
    const last = text.entries.at(-1);
    const at = `${last?.index ?? 0}@${last?.term ?? 0}`;
    const run = this.#inspected
      .terms(name.cluster)
      .find(({ node, source }) => node === name.node && source === 'NODE')
      ?.terms.runs.at(-1);
    const status = this.#inspected.cluster(name.cluster)?.nodes.find(({ id }) => id === name.node)?.status;
    return (
      (run !== undefined && `${run.last}@${run.term}` !== at) ||
      (status !== undefined && `${status.lastIndex}@${status.lastTerm}` !== at)
    );
  }

  /** Are there hints on the screen that say something else now? Each such window is told of once. */
  takeHintsChanged(cluster: string): boolean {
    const signature = signatureOf(gatherFacts(this.#inspected, cluster));
    let changed = false;
    for (const [uri, shown] of this.#hinted) {
      if (shown.cluster !== cluster || shown.signature === signature) continue;
      this.#hinted.delete(uri);
      changed = true;
    }
    return changed;
  }

  /** The log that `uri` names; undefined for pages, which have no lines of entries. */
  async #log(uri: string, signal: AbortSignal): Promise<LogText | undefined> {
    const name = parseUri(uri);
    return isLog(name) ? this.#library.known(name, signal) : undefined;
  }

  /** With the stage times of what was committed meanwhile, or as it was where they cannot be had. */
  async #settled(text: LogText, commitIndex: number, signal: AbortSignal): Promise<LogText> {
    try {
      return await this.#library.settled(text, commitIndex, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof InspectError) return text;
      throw error;
    }
  }

  async #page(name: Exclude<DocumentName, LogName>, signal: AbortSignal): Promise<string> {
    if (name.kind === 'DOCTOR') return this.#doctor();
    const page =
      name.kind === 'ENTRY'
        ? entryPage(await this.#entry(name.cluster, name.node, name.index, 'ALWAYS', signal))
        : explainPage(
            name,
            await this.#inspected.explain(name.cluster, name.about, name.id),
            this.#inspected.cluster(name.cluster)?.nodes.map(({ id }) => id) ?? [],
          );
    setBounded(this.#pages, formatUri(name), page);
    return page;
  }

  async #entry(
    cluster: string,
    node: string,
    index: number,
    explain: 'ALWAYS' | 'UNCOMMITTED',
    signal: AbortSignal,
  ): Promise<EntryInFull> {
    const page = await this.#inspected.log(cluster, node, index, index, signal);
    const entry: LogEntryView | undefined = page.entries.find((found) => found.index === index);
    if (entry === undefined) throw new InspectError(absent(node, index, page.firstIndex, page.lastIndex));
    const facts = gatherFacts(this.#inspected, cluster);
    const standing = standingOf(facts, { node, index, term: entry.term }, page.commitIndex);
    const asked = explain === 'ALWAYS' || standing.verdict !== 'COMMITTED';
    return {
      facts,
      node,
      entry,
      standing,
      reading: await this.#decoders.full(cluster, payloadBytes(entry, PAYLOAD_LIMITS.fullBytes)),
      explained: asked ? await this.#explained(cluster, index) : undefined,
    };
  }

  async #explained(cluster: string, index: number): Promise<Explanation | string> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(
        resolve,
        FEATURE_LIMITS.explainMs,
        'The nodes did not answer in time to explain it.',
      );
    });
    try {
      return await Promise.race([this.#inspected.explain(cluster, 'entry', String(index)), late]);
    } catch (error) {
      if (error instanceof InspectError) return sentence(error.message);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

function absent(node: string, index: number, firstIndex: number, lastIndex: number): string {
  if (index < firstIndex) return `entry ${index} is in the snapshot of ${node}, not in its log any more`;
  return `the log of ${node} ends at ${lastIndex}: there is no entry ${index}`;
}
