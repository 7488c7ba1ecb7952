/**
 * Acts that change something in a cluster.
 *
 * MUST: refuse in a workspace that is not trusted, and where the sidecars were not started to allow it; ask first, naming
 * cluster and node.
 */
import * as vscode from 'vscode';
import type { ClusterView } from '../../shared/cluster-view.ts';
import { safeLine } from '../../shared/safe-text.ts';
import { count } from '../../shared/wording.ts';
import type { Services } from '../services.ts';
import { UserError } from '../util/errors.ts';
import { plainLabel } from '../util/plain.ts';
import { allowsControl, nodeDescription } from '../views/labels.ts';
import { pickCluster, pickNode } from './pick.ts';
import type { Target } from './target.ts';

/** Throws UserError in a workspace that is not trusted. */
export function needTrust(): void {
  if (!vscode.workspace.isTrusted) {
    throw new UserError(vscode.l10n.t('This changes a cluster, so it needs a trusted workspace.'));
  }
}

/** Proposes text to the app, as one of its own clients would. */
export async function proposeText(services: Services, target: Target): Promise<void> {
  needTrust();
  const cluster = await pickCluster(services, target);
  if (cluster === undefined) return;
  const node = await pickNode(cluster, target, vscode.l10n.t('Propose through which node?'));
  if (node === undefined) return;
  const text =
    target.text ??
    (await vscode.window.showInputBox({
      title: vscode.l10n.t('Propose Text to {0} through {1}', cluster.name, node.id),
      prompt: vscode.l10n.t('The command as the app understands it. It is replicated to every node.'),
      ignoreFocusOut: true,
    }));
  if (text === undefined || text === '') return;
  const answer = await services.aggregator.request('raft/propose', {
    cluster: cluster.name,
    node: node.id,
    text,
  });
  const show = vscode.l10n.t('Show Entry');
  const said = vscode.l10n.t(
    'Committed as #{0} in term {1}. The app replied: {2}',
    count(answer.index),
    answer.term,
    safeLine(answer.reply, 200),
  );
  // Not awaited: the message may stay for long.
  void vscode.window.showInformationMessage(said, show).then((chosen) => {
    if (chosen !== show) return;
    void vscode.commands.executeCommand('outrigger.openLog', {
      cluster: cluster.name,
      node: node.id,
      index: answer.index,
    });
  });
}

/** Throws UserError where the sidecars do not allow control. */
export function needControl(cluster: ClusterView): void {
  if (allowsControl(cluster)) return;
  throw new UserError(
    vscode.l10n.t(
      'The sidecars of {0} do not allow control: they were started without --control.',
      plainLabel(cluster.name),
    ),
  );
}

export async function transferLeadership(services: Services, target: Target): Promise<void> {
  needTrust();
  const cluster = await pickCluster(services, target);
  if (cluster === undefined) return;
  needControl(cluster);
  const to = await pickHeir(cluster, target);
  if (to === undefined) return;
  const whom = to === '' ? vscode.l10n.t('another node') : to;
  const agreed = await services.confirm({
    message: vscode.l10n.t(
      'Transfer the leadership of {0} from {1} to {2}?',
      cluster.name,
      cluster.leader,
      whom,
    ),
    detail: vscode.l10n.t('Writes wait for the moment that the transfer takes. Nothing is lost.'),
    act: vscode.l10n.t('Transfer'),
  });
  if (!agreed) return;
  const { leader, term } = await services.aggregator.request('raft/transfer', { cluster: cluster.name, to });
  void vscode.window.showInformationMessage(
    vscode.l10n.t('{0} leads {1} in term {2}.', plainLabel(leader), cluster.name, term),
  );
}

/** Who shall lead: '' lets the leader choose. */
async function pickHeir(cluster: ClusterView, target: Target): Promise<string | undefined> {
  const asked = target.to ?? target.node;
  if (asked !== undefined && asked !== cluster.leader) return asked;
  const any = { label: `$(wand) ${vscode.l10n.t('Let the leader choose')}`, description: '', id: '' };
  const others = cluster.nodes
    .filter(({ isLeader }) => !isLeader)
    .map((node) => ({
      label: plainLabel(node.id),
      description: plainLabel(nodeDescription(node)),
      id: node.id,
    }));
  const picked = await vscode.window.showQuickPick([any, ...others], {
    placeHolder: vscode.l10n.t('Who shall lead {0}?', cluster.name),
  });
  return picked?.id;
}

/** The modal question of the editor. */
export async function confirmByDialog(question: {
  readonly message: string;
  readonly detail: string;
  readonly act: string;
}): Promise<boolean> {
  const { message, detail, act } = question;
  return (await vscode.window.showWarningMessage(message, { modal: true, detail }, act)) === act;
}
