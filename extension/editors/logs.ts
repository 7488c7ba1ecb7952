/** Opens the aggregator's documents: windows of logs, live tails, comparisons, answers. */
import * as vscode from 'vscode';
import type { About } from '../../shared/explain/types.ts';
import { count } from '../../shared/wording.ts';
import type { Aggregator } from '../client/aggregator.ts';
import type { Services } from '../services.ts';
import { freshen, openFresh } from './fresh.ts';
import { explainUri, lineOfEntry } from './uris.ts';

/** Opens the window of that node's log around `index` (0: its live tail) and shows the entry. */
export async function openLog(
  { aggregator }: Services,
  cluster: string,
  node: string,
  index: number,
): Promise<vscode.TextEditor> {
  const { uri } = await aggregator.request('raft/logUri', { cluster, node, index });
  const document = await openFresh(aggregator, vscode.Uri.parse(uri));
  const editor = await vscode.window.showTextDocument(document, { preview: index !== 0 });
  if (index > 0) showEntry(editor, index);
  return editor;
}

function showEntry(editor: vscode.TextEditor, index: number): void {
  const line = lineOfEntry(editor.document.getText(), index);
  if (line === undefined) return;
  const place = new vscode.Position(line, 0);
  editor.selection = new vscode.Selection(place, place);
  editor.revealRange(new vscode.Range(place, place), vscode.TextEditorRevealType.InCenter);
}

/** Opens the native comparison at the first difference; says so when there is none. */
export async function compareLogs(
  { aggregator }: Services,
  cluster: string,
  left: string,
  right: string,
): Promise<void> {
  const answer = await aggregator.request('raft/diff', { cluster, left, right });
  const { diff } = answer;
  if (answer.left === '' || answer.right === '') {
    const said =
      diff.relation === 'UNKNOWN'
        ? vscode.l10n.t('The logs of {0} and {1} share no index that both still have.', left, right)
        : vscode.l10n.t('The logs of {0} and {1} agree through #{2}.', left, right, count(diff.agreeThrough));
    // Not awaited: the message may stay for long.
    void vscode.window.showInformationMessage(said);
    return;
  }
  const at = diff.firstDifference ?? 0;
  const rest =
    diff.relation === 'PREFIX'
      ? vscode.l10n.t('one ends before #{0}', count(at))
      : vscode.l10n.t('differ from #{0}', count(at));
  const [leftUri, rightUri] = [vscode.Uri.parse(answer.left), vscode.Uri.parse(answer.right)];
  const documents = await Promise.all([openFresh(aggregator, leftUri), openFresh(aggregator, rightUri)]);
  // The side that ends early has no such line: the other one shows where it would be.
  const lines = documents.map((document) => lineOfEntry(document.getText(), at));
  const line = lines[1] ?? lines[0];
  const selection = line === undefined ? {} : { selection: new vscode.Range(line, 0, line, 0) };
  const title = `${cluster}: ${left} ↔ ${right} · ${rest}`;
  await vscode.commands.executeCommand('vscode.diff', leftUri, rightUri, title, {
    preview: true,
    ...selection,
  });
}

/** Opens the answer as a document, and its evidence in the *Events* view. */
export async function explain(
  { aggregator, events }: Services,
  cluster: string,
  about: About,
  id: string,
): Promise<void> {
  const uri = vscode.Uri.parse(explainUri(cluster, about, id));
  const [explanation] = await Promise.all([
    aggregator.request('raft/explain', { cluster, about, id }),
    showPage(aggregator, uri),
  ]);
  events.explanation = { cluster, explanation };
}

/** Opens one of the aggregator's documents by its URI: an answer as a preview, a log as text at the line after `#L`. */
export async function openDocument({ aggregator }: Services, uri: vscode.Uri): Promise<void> {
  if (uri.path.endsWith('.md')) await showPage(aggregator, uri);
  else {
    const line = Number(/^L(\d+)/.exec(uri.fragment)?.[1] ?? 1) - 1;
    const document = await openFresh(aggregator, uri.with({ fragment: '' }));
    await vscode.window.showTextDocument(document, { selection: new vscode.Range(line, 0, line, 0) });
  }
}

async function showPage(aggregator: Aggregator, uri: vscode.Uri): Promise<void> {
  await freshen(aggregator, uri);
  await vscode.commands.executeCommand('markdown.showPreview', uri);
}
