/**
 * Documents of the aggregator as they are now. The editor keeps the text of a document for minutes after it was closed, and
 * shows that to whoever opens it again: it has to be told that there is another one.
 */
import * as vscode from 'vscode';
import type { Aggregator } from '../client/aggregator.ts';

/** From the word to the editor until it shows the new text. Over it: the text comes when it comes. */
const CHANGE_MS = 5_000;

/** Opens it with its text of now. */
export async function openFresh(aggregator: Aggregator, uri: vscode.Uri): Promise<vscode.TextDocument> {
  await freshen(aggregator, uri);
  return vscode.workspace.openTextDocument(uri);
}

/** Brings the text that the editor keeps of it, if it keeps one, up to date. */
export async function freshen(aggregator: Aggregator, uri: vscode.Uri): Promise<void> {
  const kept = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (kept === undefined) return;
  const source = new vscode.CancellationTokenSource();
  try {
    const text = await aggregator.content(uri.toString(), source.token);
    if (lines(text) === lines(kept.getText())) return;
    const changed = untilChanged(kept);
    await aggregator.reread(uri);
    await changed;
  } finally {
    source.dispose();
  }
}

function lines(text: string): string {
  return text.replaceAll(/\r\n?/g, '\n');
}

/** Resolves when its text is another, when it is kept no more, or late. */
async function untilChanged(document: vscode.TextDocument): Promise<void> {
  const disposables: vscode.Disposable[] = [];
  await new Promise<void>((done) => {
    const isIt = (one: vscode.TextDocument): void => {
      if (one === document) done();
    };
    const timer = setTimeout(done, CHANGE_MS);
    disposables.push(
      vscode.workspace.onDidChangeTextDocument((event) => isIt(event.document)),
      vscode.workspace.onDidCloseTextDocument(isIt),
      new vscode.Disposable(() => clearTimeout(timer)),
    );
  });
  vscode.Disposable.from(...disposables).dispose();
}
