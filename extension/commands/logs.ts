/** Commands about logs: windows, tails, comparisons, the panel, explanations. */
import * as vscode from 'vscode';
import type { About } from '../../shared/explain/types.ts';
import { compareLogs, explain, openDocument, openLog } from '../editors/logs.ts';
import { entryOfLine, logOf } from '../editors/uris.ts';
import { SCHEME } from '../protocol.ts';
import type { Services } from '../services.ts';
import { UserError } from '../util/errors.ts';
import { askIndex, pickCluster, pickNode } from './pick.ts';
import type { Target } from './target.ts';

export async function openLogCommand(services: Services, target: Target): Promise<void> {
  const place = await pickPlace(services, target);
  if (place === undefined) return;
  const index =
    target.index ?? (await askIndex(vscode.l10n.t('Index of the entry to show (empty: the newest)'), true));
  if (index === undefined) return;
  const last = services.clusters.find(place.cluster)?.nodes.find(({ id }) => id === place.node)
    ?.status?.lastIndex;
  // Without an index this is the window at the end, which stands still; the tail is a command of its own.
  await openLog(services, place.cluster, place.node, index === 0 ? Math.max(1, last ?? 1) : index);
}

export async function openTail(services: Services, target: Target): Promise<void> {
  const place = await pickPlace(services, target);
  if (place !== undefined) await openLog(services, place.cluster, place.node, 0);
}

async function pickPlace(
  services: Services,
  target: Target,
): Promise<{ cluster: string; node: string } | undefined> {
  const cluster = await pickCluster(services, target);
  if (cluster === undefined) return undefined;
  const node = await pickNode(cluster, target, vscode.l10n.t('The log of which node?'));
  return node === undefined ? undefined : { cluster: cluster.name, node: node.id };
}

export async function compareLogsCommand(services: Services, target: Target): Promise<void> {
  const cluster = await pickCluster(services, target);
  if (cluster === undefined) return;
  const left = await pickNode(
    cluster,
    { node: target.left ?? target.node },
    vscode.l10n.t('Compare the log of which node?'),
  );
  if (left === undefined) return;
  const right = await pickNode(
    cluster,
    { node: target.right },
    vscode.l10n.t('Compare the log of {0} with that of which node?', left.id),
    ({ id }) => id !== left.id,
  );
  if (right !== undefined) await compareLogs(services, cluster.name, left.id, right.id);
}

export async function openPanel(services: Services, target: Target): Promise<void> {
  const cluster = await pickCluster(services, target);
  if (cluster !== undefined) services.panels.show(cluster.name);
}

export async function explainLeader(services: Services, target: Target): Promise<void> {
  const cluster = await pickCluster(services, target);
  if (cluster !== undefined) await explain(services, cluster.name, 'leader', '');
}

/** Called on a node: why that one trails; else: whoever trails most. */
export async function explainLag(services: Services, target: Target): Promise<void> {
  const cluster = await pickCluster(services, target);
  if (cluster !== undefined) await explain(services, cluster.name, 'lag', target.node ?? '');
}

/** The entry of the line where the cursor is, or the one that is asked for. */
export async function explainEntry(services: Services, target: Target): Promise<void> {
  const here = target.index === undefined ? entryAtCursor() : undefined;
  const cluster = await pickCluster(services, here === undefined ? target : { cluster: here.cluster });
  if (cluster === undefined) return;
  const index =
    target.index ?? here?.index ?? (await askIndex(vscode.l10n.t('Index of the entry to explain'), false));
  if (index !== undefined) await explain(services, cluster.name, 'entry', String(index));
}

function entryAtCursor(): { readonly cluster: string; readonly index: number } | undefined {
  const editor = vscode.window.activeTextEditor;
  if (editor === undefined || editor.document.uri.scheme !== SCHEME) return undefined;
  const log = logOf(editor.document.uri.path);
  const index = entryOfLine(editor.document.lineAt(editor.selection.active.line).text);
  return log === undefined || index === undefined ? undefined : { cluster: log.cluster, index };
}

/** For code lenses: the document that the argument names. */
export async function openUri(services: Services, { uri }: Target): Promise<void> {
  if (uri === undefined)
    throw new UserError(vscode.l10n.t('This command needs to be told which document to open.'));
  await openDocument(services, vscode.Uri.parse(uri, true));
}

/** For code lenses and links: everything is said by the argument. */
export async function explainCommand(services: Services, target: Target): Promise<void> {
  const { cluster, about, id, node, index } = target;
  if (cluster === undefined || about === undefined) {
    throw new UserError(vscode.l10n.t('This command needs to be told what to explain.'));
  }
  await explain(
    services,
    cluster,
    about satisfies About,
    id ?? node ?? (index === undefined ? '' : String(index)),
  );
}
