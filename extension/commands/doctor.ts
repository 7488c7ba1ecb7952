/**
 * The doctor's page: what was tried, and what answered. It must work where nothing else does: when the aggregator cannot
 * be started, that is what it says.
 */
import * as vscode from 'vscode';
import { endpointRoot } from '../../shared/endpoint-files.ts';
import { safeMarkdown } from '../../shared/safe-text.ts';
import { VERSION } from '../../shared/version.ts';
import type { Services } from '../services.ts';
import { messageOf } from '../util/errors.ts';

const REPORT = vscode.Uri.from({ scheme: 'outrigger-report', path: '/Outrigger Doctor.md' });

/** The last report, and the door by which the editor reads it. */
let report = '';
const changed = new vscode.EventEmitter<vscode.Uri>();
let provider: vscode.Disposable | undefined;

export async function doctor(services: Services): Promise<void> {
  report = [editorPart(services), await aggregatorPart(services)].join('\n\n');
  if (provider === undefined) {
    provider = vscode.workspace.registerTextDocumentContentProvider(REPORT.scheme, {
      onDidChange: changed.event,
      provideTextDocumentContent: () => report,
    });
    services.context.subscriptions.push(provider, changed);
  } else changed.fire(REPORT);
  await vscode.commands.executeCommand('markdown.showPreview', REPORT);
}

function editorPart({ demo }: Services): string {
  const rows: readonly (readonly [string, string])[] = [
    ['extension', VERSION],
    ['editor', `${vscode.env.appName} ${vscode.version}`],
    ['runs in', vscode.env.remoteName === undefined ? 'this machine' : `remote: ${vscode.env.remoteName}`],
    ['workspace', vscode.workspace.isTrusted ? 'trusted' : 'not trusted: its files are not read'],
    ['endpoint files', process.env['OUTRIGGER_ENDPOINT_ROOT'] || endpointRoot()],
    ['demo cluster', demo.describe()],
  ];
  return ['## This editor', '', ...rows.map(([name, value]) => `- ${name}: ${safeMarkdown(value)}`)].join(
    '\n',
  );
}

async function aggregatorPart({ aggregator }: Services): Promise<string> {
  try {
    return (await aggregator.request('raft/doctor', {})).markdown;
  } catch (error) {
    return `## The aggregator\n\nIt does not answer: ${safeMarkdown(messageOf(error))}`;
  }
}
