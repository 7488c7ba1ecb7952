/** Attach and detach: which clusters are watched. */
import * as vscode from 'vscode';
import { plural } from '../../shared/wording.ts';
import type { Services } from '../services.ts';
import { UserError } from '../util/errors.ts';
import { plainLabel } from '../util/plain.ts';
import { parseAddress } from './addresses.ts';
import { pickCluster } from './pick.ts';
import type { Target } from './target.ts';

interface Choice extends vscode.QuickPickItem {
  readonly cluster?: string;
  readonly address?: string;
  readonly typed?: true;
}

export async function attach(services: Services, target: Target): Promise<void> {
  if (target.address !== undefined) return attachAddress(services, target.address, target.cluster ?? '');
  if (target.cluster !== undefined) return attachNamed(services, target.cluster);
  const choice = await vscode.window.showQuickPick(choices(services), {
    placeHolder: vscode.l10n.t('Attach to which cluster?'),
    matchOnDescription: true,
  });
  if (choice?.cluster !== undefined) await attachNamed(services, choice.cluster);
  else if (choice?.address !== undefined) await attachAddress(services, choice.address, '');
  else if (choice?.typed === true) await attachTyped(services);
}

async function choices({ aggregator, memory }: Services): Promise<Choice[]> {
  const found = await aggregator.request('raft/discover', {});
  const clusters = found.map((one): Choice => {
    const source = one.source === 'ENDPOINT_FILES' ? vscode.l10n.t('runs on this machine') : 'outrigger.json';
    const attached = one.attached ? ` · ${vscode.l10n.t('attached')}` : '';
    return {
      label: `$(server) ${plainLabel(one.cluster)}`,
      description: `${source} · ${plural(one.nodes.length, 'node')}${attached}`,
      cluster: one.cluster,
    };
  });
  const recent = memory
    .recentAddresses()
    .map((address): Choice => ({ label: `$(history) ${plainLabel(address)}`, address }));
  return [
    ...clusters,
    ...recent,
    { label: `$(add) ${vscode.l10n.t('Enter the address of a sidecar…')}`, typed: true, alwaysShow: true },
  ];
}

async function attachNamed({ aggregator, attention }: Services, cluster: string): Promise<void> {
  attention.set('attached', true);
  await aggregator.request('raft/attach', { cluster, address: '', token: '' });
}

async function attachTyped(services: Services): Promise<void> {
  const text = await vscode.window.showInputBox({
    title: vscode.l10n.t('Attach to a Sidecar'),
    prompt: vscode.l10n.t('Its HTTP address, as the sidecar printed it'),
    placeHolder: 'http://127.0.0.1:7001',
    ignoreFocusOut: true,
    validateInput: (value) => {
      const parsed = parseAddress(value);
      return value === '' || parsed.ok ? undefined : parsed.reason;
    },
  });
  if (text !== undefined) await attachAddress(services, text, '');
}

async function attachAddress(services: Services, text: string, cluster: string): Promise<void> {
  const { aggregator, attention, memory } = services;
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new UserError(parsed.reason);
  const { address } = parsed;
  const token = (await memory.token(address)) || (await askToken(address));
  if (token === undefined) return;
  attention.set('attached', true);
  await aggregator.request('raft/attach', { cluster, address, token });
  await memory.addRecentAddress(address);
  await memory.keepToken(address, token);
}

async function askToken(address: string): Promise<string | undefined> {
  return vscode.window.showInputBox({
    title: vscode.l10n.t('Attach to a Sidecar'),
    prompt: vscode.l10n.t(
      'Its view token. Leave it empty for a sidecar of yours on this machine. It is kept in the secret storage of the editor.',
    ),
    placeHolder: address,
    password: true,
    ignoreFocusOut: true,
  });
}

export async function detach(services: Services, target: Target): Promise<void> {
  const cluster = await pickCluster(services, target);
  if (cluster === undefined) return;
  const remembered = services.memory.attachments().find((one) => one.cluster === cluster.name);
  await services.aggregator.request('raft/detach', { cluster: cluster.name });
  for (const address of remembered?.addresses ?? []) await services.memory.keepToken(address, '');
}
