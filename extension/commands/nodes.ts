/** Commands about one node: its address, its own web page. */
import * as vscode from 'vscode';
import type { NodeView } from '../../shared/cluster-view.ts';
import { endpointRoot, listEndpoints, readTokenFile } from '../../shared/endpoint-files.ts';
import type { Services } from '../services.ts';
import { UserError } from '../util/errors.ts';
import { pickCluster, pickNode } from './pick.ts';
import type { Target } from './target.ts';

async function pickAddressed(
  services: Services,
  target: Target,
): Promise<{ cluster: string; node: NodeView } | undefined> {
  const cluster = await pickCluster(services, target);
  if (cluster === undefined) return undefined;
  const node = await pickNode(cluster, target, vscode.l10n.t('Which node?'));
  if (node?.http === '') throw new UserError(vscode.l10n.t('The address of {0} is not known yet.', node.id));
  return node === undefined ? undefined : { cluster: cluster.name, node };
}

export async function copyAddress(services: Services, target: Target): Promise<void> {
  const picked = await pickAddressed(services, target);
  if (picked === undefined) return;
  await vscode.env.clipboard.writeText(picked.node.http);
  vscode.window.setStatusBarMessage(vscode.l10n.t('Copied {0}', picked.node.http), 3_000);
}

/** The sidecar's own page in the browser. The token goes in the fragment, which a browser never sends. */
export async function openPage(services: Services, target: Target): Promise<void> {
  const picked = await pickAddressed(services, target);
  if (picked === undefined) return;
  const token = await viewToken(services, picked.cluster, picked.node);
  const page = vscode.Uri.parse(`${picked.node.http}/`, true);
  const outside = await vscode.env.asExternalUri(page);
  await vscode.env.openExternal(token === '' ? outside : outside.with({ fragment: `token=${token}` }));
}

/** Of the sidecar's token file, where it is ours; else the one typed by hand; '' where there is none. */
async function viewToken({ memory }: Services, cluster: string, node: NodeView): Promise<string> {
  const { endpoints } = await listEndpoints(process.env['OUTRIGGER_ENDPOINT_ROOT'] || endpointRoot());
  const ours = endpoints.find(
    (one) => one.cluster === cluster && one.node === node.id && one.http === node.http,
  );
  if (ours === undefined) return memory.token(node.http);
  return (await readTokenFile(ours.tokenFile))?.view ?? '';
}
