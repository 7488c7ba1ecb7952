/**
 * Live tails: they follow the end of a log until the reader scrolls up or selects, and again when told to.
 *
 * MUST: tell the aggregator when nobody follows, so that the text under the reader's eyes stays as it is.
 */
import * as vscode from 'vscode';
import type { Aggregator } from '../client/aggregator.ts';
import { SCHEME } from '../protocol.ts';
import { TailState } from './tail-state.ts';
import { isTail } from './uris.ts';

export class Tails {
  readonly #aggregator: Aggregator;
  readonly #states = new Map<string, TailState>();
  readonly #item: vscode.StatusBarItem;
  readonly #subscriptions: vscode.Disposable[];

  constructor(aggregator: Aggregator) {
    this.#aggregator = aggregator;
    this.#item = vscode.window.createStatusBarItem('outrigger.tail', vscode.StatusBarAlignment.Right, 101);
    this.#item.name = vscode.l10n.t('Raft Log Tail');
    this.#item.command = 'outrigger.toggleTail';
    this.#subscriptions = [
      vscode.workspace.onDidChangeTextDocument(({ document }) => this.#textChanged(document)),
      vscode.workspace.onDidCloseTextDocument((document) => this.#closed(document)),
      vscode.window.onDidChangeTextEditorVisibleRanges((event) => this.#scrolled(event)),
      vscode.window.onDidChangeTextEditorSelection((event) => this.#selected(event)),
      vscode.window.onDidChangeActiveTextEditor(() => this.#show()),
      vscode.window.onDidChangeVisibleTextEditors((editors) => {
        for (const editor of editors) this.#state(editor.document);
        this.#show();
      }),
      aggregator.onDidStart(() => {
        for (const [uri, { following }] of this.#states) this.#tell(uri, following);
      }),
    ];
    for (const editor of vscode.window.visibleTextEditors) this.#state(editor.document);
  }

  /** Does that tail follow? Undefined when it is not an open tail. */
  following(document: vscode.TextDocument): boolean | undefined {
    return this.#state(document)?.following;
  }

  /** Follows again, or stops. Of the active editor; nothing where that is no tail. */
  toggle(): void {
    const editor = vscode.window.activeTextEditor;
    const state = editor === undefined ? undefined : this.#state(editor.document);
    if (editor === undefined || state === undefined) return;
    if (state.following) state.following = false;
    else state.resume();
    this.#tell(editor.document.uri.toString(), state.following);
    if (state.following) scrollToEnd(editor);
    this.#show();
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#item.dispose();
  }

  /** The state of a live tail, made when it is first seen. */
  #state(document: vscode.TextDocument): TailState | undefined {
    if (document.uri.scheme !== SCHEME || !isTail(document.uri.path)) return undefined;
    const uri = document.uri.toString();
    const known = this.#states.get(uri);
    if (known !== undefined) return known;
    const fresh = new TailState();
    this.#states.set(uri, fresh);
    this.#tell(uri, true);
    this.#textChanged(document);
    return fresh;
  }

  #closed(document: vscode.TextDocument): void {
    const uri = document.uri.toString();
    if (this.#states.delete(uri)) this.#tell(uri, false);
  }

  #textChanged(document: vscode.TextDocument): void {
    const state = this.#state(document);
    if (state === undefined || !state.textChanged(document.lineCount - 1)) return;
    for (const editor of vscode.window.visibleTextEditors) {
      if (editor.document === document) scrollToEnd(editor);
    }
  }

  #scrolled({ textEditor, visibleRanges }: vscode.TextEditorVisibleRangesChangeEvent): void {
    const first = visibleRanges[0];
    const last = visibleRanges.at(-1);
    if (first === undefined || last === undefined) return;
    this.#mayStop(textEditor.document, (state) => state.scrolled(first.start.line, last.end.line));
  }

  #selected({ textEditor, kind, selections }: vscode.TextEditorSelectionChangeEvent): void {
    const { Mouse, Keyboard } = vscode.TextEditorSelectionChangeKind;
    const selection = selections[0];
    if (selection === undefined || (kind !== Mouse && kind !== Keyboard)) return;
    this.#mayStop(textEditor.document, (state) =>
      state.selected({ empty: selection.isEmpty, line: selection.active.line }),
    );
  }

  #mayStop(document: vscode.TextDocument, input: (state: TailState) => void): void {
    const state = this.#state(document);
    if (state === undefined) return;
    const before = state.following;
    input(state);
    if (state.following === before) return;
    this.#tell(document.uri.toString(), state.following);
    this.#show();
  }

  #tell(uri: string, follow: boolean): void {
    this.#aggregator.notify('raft/followTail', { uri, follow });
  }

  #show(): void {
    const document = vscode.window.activeTextEditor?.document;
    const state = document === undefined ? undefined : this.#state(document);
    if (state === undefined) return this.#item.hide();
    this.#item.text = state.following
      ? `$(arrow-down) ${vscode.l10n.t('Following')}`
      : `$(debug-pause) ${vscode.l10n.t('Paused')}`;
    this.#item.tooltip = state.following
      ? vscode.l10n.t('The newest entries are shown as they come. Scroll up, select or click to stop.')
      : vscode.l10n.t('The text stands still. Click to follow the end of the log again.');
    this.#item.show();
  }
}

function scrollToEnd(editor: vscode.TextEditor): void {
  const end = new vscode.Position(editor.document.lineCount - 1, 0);
  editor.revealRange(new vscode.Range(end, end), vscode.TextEditorRevealType.Default);
}
