/** What a click on the status bar offers: every node at a glance, and what can be asked. */
import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import { plainLabel } from '../util/plain.ts';
import { clusterDescription, nodeDescription, nodeIcon } from '../views/labels.ts';

interface Item extends vscode.QuickPickItem {
  readonly command?: string;
  readonly target?: object;
}

export async function showStatus({ clusters }: Services): Promise<void> {
  const { Separator } = vscode.QuickPickItemKind;
  const items = clusters.all.flatMap((cluster): Item[] => {
    const target = { cluster: cluster.name };
    return [
      { label: `${plainLabel(cluster.name)} — ${clusterDescription(cluster)}`, kind: Separator },
      ...cluster.nodes.map((node) => ({
        label: `$(${nodeIcon(node).id}) ${plainLabel(node.id)}`,
        description: plainLabel(nodeDescription(node)),
        detail: plainLabel(node.problems[0]?.text ?? ''),
        command: 'outrigger.revealNode',
        target: { ...target, node: node.id },
      })),
      {
        label: `$(question) ${vscode.l10n.t('Why did the leader change?')}`,
        command: 'outrigger.explainLeader',
        target,
      },
      {
        label: `$(question) ${vscode.l10n.t('Who lags, and why?')}`,
        command: 'outrigger.explainLag',
        target,
      },
      {
        label: `$(graph) ${vscode.l10n.t('Open the cluster panel')}`,
        command: 'outrigger.openPanel',
        target,
      },
    ];
  });
  const attach = { label: `$(plug) ${vscode.l10n.t('Attach to a cluster…')}`, command: 'outrigger.attach' };
  const picked = await vscode.window.showQuickPick<Item>([...items, attach], {
    placeHolder: vscode.l10n.t('Raft clusters'),
    matchOnDescription: true,
  });
  if (picked?.command === 'outrigger.revealNode') {
    await vscode.commands.executeCommand('outrigger.clusters.focus');
  }
  if (picked?.command !== undefined) await vscode.commands.executeCommand(picked.command, picked.target);
}
