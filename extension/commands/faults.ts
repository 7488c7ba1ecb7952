/**
 * Faults that are planted in a node, and ended.
 *
 * MUST: refuse in a workspace that is not trusted, and where the sidecars were not started to allow it; ask first, naming
 * cluster, node and what it does.
 */
import * as vscode from 'vscode';
import type { ClusterView, NodeView } from '../../shared/cluster-view.ts';
import { describeFault, type FaultPlan, planProblem } from '../../shared/faults.ts';
import { safeLine } from '../../shared/safe-text.ts';
import { duration, list, sentence } from '../../shared/wording.ts';
import type { Services } from '../services.ts';
import { UserError } from '../util/errors.ts';
import { plainLabel } from '../util/plain.ts';
import { needControl, needTrust } from './control.ts';
import { askFault } from './fault-plan.ts';
import { pickCluster, pickNode } from './pick.ts';
import type { Target } from './target.ts';

/** So many are named in a message. */
const NAMED = 5;

export async function plantFault(services: Services, target: Target): Promise<void> {
  needTrust();
  const cluster = await pickCluster(services, target);
  if (cluster === undefined) return;
  needControl(cluster);
  const node = await pickNode(cluster, target, vscode.l10n.t('Plant a fault in which node?'), mayHave);
  if (node === undefined) return;
  if (!mayHave(node)) {
    throw new UserError(
      vscode.l10n.t(
        'The sidecar of {0} does not allow control: it was started without --control.',
        plainLabel(node.id),
      ),
    );
  }
  const plan = target.fault ?? (await askFault(cluster, node));
  if (plan === undefined) return;
  needSense(cluster, plan);
  if (!(await agreed(services, cluster, node, plan))) return;
  const fault = await services.aggregator.request('raft/plantFault', {
    cluster: cluster.name,
    node: node.id,
    fault: plan,
  });
  const said = vscode.l10n.t(
    'Planted in {0} of {1}: it {2}, for {3}.',
    plainLabel(node.id),
    plainLabel(cluster.name),
    plainLabel(describeFault(fault)),
    duration(fault.ttlMs),
  );
  if (fault.kind === 'PAUSE') {
    void vscode.window.showInformationMessage(said);
    return;
  }
  const end = vscode.l10n.t('End It');
  // Not awaited: the message may stay for long.
  void vscode.window.showInformationMessage(said, end).then((chosen) => {
    if (chosen !== end) return;
    const where = { cluster: cluster.name, node: node.id };
    void vscode.commands.executeCommand('outrigger.endFaults', where);
  });
}

/** Its own word counts, where it is known: one of several may have been started without `--control`. */
function mayHave({ status }: NodeView): boolean {
  return status?.control !== false;
}

/** Nobody is asked about what would be refused. Throws UserError. */
function needSense(cluster: ClusterView, plan: FaultPlan): void {
  const problem = planProblem(plan);
  if (problem !== '') throw new UserError(problem);
  const { peer } = plan;
  if (peer === '' || cluster.nodes.some(({ id }) => id === peer)) return;
  throw new UserError(vscode.l10n.t('{0} has no node {1}.', plainLabel(cluster.name), plainLabel(peer)));
}

function agreed(services: Services, cluster: ClusterView, node: NodeView, plan: FaultPlan): Promise<boolean> {
  return services.confirm({
    message: vscode.l10n.t(
      'Plant a fault in {0} of {1}, so that it {2} for {3}?',
      plainLabel(node.id),
      plainLabel(cluster.name),
      plainLabel(describeFault(plan)),
      duration(plan.ttlMs),
    ),
    detail:
      plan.kind === 'PAUSE'
        ? vscode.l10n.t('Nothing can be asked of it meanwhile, and nothing ends it earlier.')
        : vscode.l10n.t(
            'The cluster feels it as it would feel a real one. It ends by itself, or when you end it.',
          ),
    act: vscode.l10n.t('Plant'),
  });
}

/** Of the node, or of all nodes of the cluster where none is given. */
export async function endFaults(services: Services, target: Target): Promise<void> {
  needTrust();
  const cluster = await pickCluster(services, target);
  if (cluster === undefined) return;
  needControl(cluster);
  const { ended, unanswered } = await services.aggregator.request('raft/endFaults', {
    cluster: cluster.name,
    node: target.node ?? '',
  });
  const where = plainLabel(target.node ?? cluster.name);
  if (unanswered.length === 0) {
    void vscode.window.showInformationMessage(endedText(ended, where));
    return;
  }
  for (const { reason } of unanswered) services.log.warn(safeLine(reason, 500));
  const silent = unanswered.slice(0, NAMED).map(({ node }) => plainLabel(node, 64));
  const more = unanswered.length - silent.length;
  const names = list([...silent, ...(more > 0 ? [vscode.l10n.t('{0} more', more)] : [])]);
  const missing = vscode.l10n.t('No answer from {0}: what is planted there ends by itself.', names);
  const why = unanswered.length === 1 ? ` ${sentence(plainLabel(unanswered[0]?.reason ?? '', 300))}` : '';
  void vscode.window.showWarningMessage(`${endedText(ended, where)} ${missing}${why}`);
}

function endedText(ended: number, where: string): string {
  if (ended === 0) return vscode.l10n.t('No planted faults of {0} were ended.', where);
  if (ended === 1) return vscode.l10n.t('1 planted fault of {0} was ended.', where);
  return vscode.l10n.t('{0} planted faults of {1} were ended.', ended, where);
}
