/** Commands of the *Events* view. */
import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import { UserError } from '../util/errors.ts';
import { NO_FILTER } from '../views/event-list.ts';
import type { Target } from './target.ts';

/** One list of kinds and nodes to choose from, then a text to search for. */
export async function filterEvents({ events }: Services): Promise<void> {
  const { filter, list } = events;
  const { Separator } = vscode.QuickPickItemKind;
  const item = (label: string, kind: 'node' | 'kind', picked: boolean) => ({ label, of: kind, picked });
  const nodes = [...new Set([...list.nodes, ...filter.nodes])];
  const kinds = [...new Set([...list.kinds, ...filter.kinds])];
  const picked = await vscode.window.showQuickPick(
    [
      { label: vscode.l10n.t('Nodes'), kind: Separator, of: 'none' },
      ...nodes.map((node) => item(node, 'node', filter.nodes.includes(node))),
      { label: vscode.l10n.t('Kinds'), kind: Separator, of: 'none' },
      ...kinds.map((kind) => item(kind, 'kind', filter.kinds.includes(kind))),
    ],
    {
      canPickMany: true,
      placeHolder: vscode.l10n.t('Show events of these nodes and kinds (none chosen: all)'),
    },
  );
  if (picked === undefined) return;
  const text = await vscode.window.showInputBox({
    prompt: vscode.l10n.t('Show events with this text (empty: all)'),
    value: filter.text,
  });
  if (text === undefined) return;
  events.filter = {
    nodes: picked.filter((one) => one.of === 'node').map(({ label }) => label),
    kinds: picked.filter((one) => one.of === 'kind').map(({ label }) => label),
    text,
  };
}

export async function clearEventFilter({ events }: Services): Promise<void> {
  events.filter = NO_FILTER;
}

export async function showEvent({ events }: Services, target: Target): Promise<void> {
  if (target.event === undefined) {
    throw new UserError(vscode.l10n.t('This command needs to be told which event to show.'));
  }
  await vscode.commands.executeCommand('outrigger.events.focus');
  if (await events.reveal(target.event)) return;
  void vscode.window.showInformationMessage(
    vscode.l10n.t('That event is no longer among the newest, or the filter hides it.'),
  );
}
