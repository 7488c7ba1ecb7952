/** The status bar item: who leads, in which term, where it matters most. There only while a cluster is attached. */
import * as vscode from 'vscode';
import type { ClusterView } from '../../shared/cluster-view.ts';
import type { Clusters } from '../client/clusters.ts';
import { clusterSpeech, statusBarText } from './labels.ts';
import { clusterTooltip } from './tooltip.ts';

export class StatusBar {
  readonly #item: vscode.StatusBarItem;
  readonly #subscription: vscode.Disposable;
  #text = '';

  constructor(clusters: Clusters) {
    this.#item = vscode.window.createStatusBarItem('outrigger.status', vscode.StatusBarAlignment.Left, 50);
    this.#item.name = vscode.l10n.t('Raft Clusters');
    this.#item.command = 'outrigger.showStatus';
    this.#subscription = clusters.onDidChange((all) => this.#show(all));
  }

  /** '' while it is not shown. */
  get text(): string {
    return this.#text;
  }

  #show(clusters: readonly ClusterView[]): void {
    const text = statusBarText(clusters);
    if (text === '') this.#item.hide();
    else {
      const tooltip = new vscode.MarkdownString(clusters.map(clusterTooltip).join('\n\n---\n\n'));
      tooltip.isTrusted = false;
      tooltip.supportHtml = false;
      this.#item.text = text;
      this.#item.tooltip = tooltip;
      this.#item.accessibilityInformation = { label: clusters.map(clusterSpeech).join('; ') };
      this.#item.show();
    }
    this.#text = text;
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#item.dispose();
  }
}
