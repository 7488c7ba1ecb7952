/** Asks which cluster and which node, where the command was not called on one. `undefined`: the user changed their mind. */
import * as vscode from 'vscode';
import type { ClusterView, NodeView } from '../../shared/cluster-view.ts';
import type { Services } from '../services.ts';
import { UserError } from '../util/errors.ts';
import { plainLabel } from '../util/plain.ts';
import { clusterDescription, nodeDescription } from '../views/labels.ts';
import type { Target } from './target.ts';

/** Throws UserError when there is no such cluster, or none at all. */
export async function pickCluster({ clusters }: Services, target: Target): Promise<ClusterView | undefined> {
  if (target.cluster !== undefined) {
    const found = clusters.find(target.cluster);
    if (found === undefined) {
      throw new UserError(vscode.l10n.t('The cluster {0} is not attached.', plainLabel(target.cluster)));
    }
    return found;
  }
  const [first, ...others] = clusters.all;
  if (first === undefined) {
    throw new UserError(
      vscode.l10n.t('No cluster is attached. Attach one first: “Raft: Attach to Cluster…”.'),
    );
  }
  if (others.length === 0) return first;
  const items = clusters.all.map((cluster) => ({
    label: plainLabel(cluster.name),
    description: clusterDescription(cluster),
    cluster,
  }));
  const picked = await vscode.window.showQuickPick(items, { placeHolder: vscode.l10n.t('Which cluster?') });
  return picked?.cluster;
}

/** Throws UserError when that cluster has no such node, or none that fits. */
export async function pickNode(
  cluster: ClusterView,
  target: Pick<Target, 'node'>,
  placeHolder: string,
  fits: (node: NodeView) => boolean = () => true,
): Promise<NodeView | undefined> {
  if (target.node !== undefined) {
    const found = cluster.nodes.find(({ id }) => id === target.node);
    if (found !== undefined) return found;
    throw new UserError(
      vscode.l10n.t('{0} has no node {1}.', plainLabel(cluster.name), plainLabel(target.node)),
    );
  }
  const nodes = cluster.nodes.filter(fits);
  if (nodes.length === 0)
    throw new UserError(vscode.l10n.t('{0} has no such node.', plainLabel(cluster.name)));
  const items = nodes.map((node) => ({
    label: plainLabel(node.id),
    description: plainLabel(nodeDescription(node)),
    node,
  }));
  const picked = await vscode.window.showQuickPick(items, { placeHolder });
  return picked?.node;
}

/** Asks for an index; 0 where nothing was typed and `mayBeEmpty`. */
export async function askIndex(prompt: string, mayBeEmpty: boolean): Promise<number | undefined> {
  const text = await vscode.window.showInputBox({
    prompt,
    validateInput: (value) => {
      if (value === '' && mayBeEmpty) return undefined;
      return indexOf(value) === undefined
        ? vscode.l10n.t('An index is a whole number from 1 on, such as 12345.')
        : undefined;
    },
  });
  if (text === undefined) return undefined;
  return text === '' ? 0 : indexOf(text);
}

function indexOf(text: string): number | undefined {
  if (!/^#?[\d,]{1,20}$/.test(text)) return undefined;
  const value = Number(text.replaceAll(/[#,]/g, ''));
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
