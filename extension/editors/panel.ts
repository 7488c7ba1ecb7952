/**
 * Cluster panels: the web UI in a webview, fed by the aggregator.
 *
 * MUST: check every message of a page; send nothing to a page that is hidden (it would be lost: when it is visible again
 * it asks for a new snapshot by itself); keep no page alive in the background.
 */
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { ToPage } from '../../shared/panel-protocol.ts';
import type { Aggregator } from '../client/aggregator.ts';
import type { Attention } from '../client/attention.ts';
import type { Clusters } from '../client/clusters.ts';
import { messageOf } from '../util/errors.ts';
import { panelHtml } from './panel-html.ts';
import type { Checked, EditorRequest } from './panel-messages.ts';

export const PANEL_TYPE = 'outrigger.panel';
const TITLE = 'Raft: ';

interface Open {
  readonly id: number;
  readonly cluster: string;
  readonly webview: vscode.WebviewPanel;
  /** The page runs and listens. */
  ready: boolean;
  /** The aggregator knows of it, or was just told. Until then nothing can be relayed. */
  attached: boolean;
}

export interface PanelHost {
  readonly aggregator: Aggregator;
  readonly attention: Attention;
  readonly clusters: Clusters;
  readonly log: vscode.LogOutputChannel;
  readonly extensionUri: vscode.Uri;
  /** Does in the editor what a page asks for. Rejects with one sentence. */
  readonly act: (cluster: string, request: EditorRequest) => Promise<void>;
}

export class Panels implements vscode.WebviewPanelSerializer {
  readonly #host: PanelHost;
  readonly #open = new Map<number, Open>();
  readonly #subscriptions: vscode.Disposable[];
  #next = 1;

  constructor(host: PanelHost) {
    this.#host = host;
    const { aggregator, clusters } = host;
    this.#subscriptions = [
      vscode.window.registerWebviewPanelSerializer(PANEL_TYPE, this),
      aggregator.on('raft/panel', ({ panel, message }) => this.#toPage(panel, message)),
      // A new aggregator knows of no panel, and at first of no cluster.
      aggregator.onDidStart(() => {
        for (const panel of this.#open.values()) panel.attached = false;
      }),
      clusters.onDidChange(() => {
        for (const panel of this.#open.values()) this.#attach(panel);
      }),
    ];
  }

  /** Shows the panel of that cluster, the open one if there is. */
  show(cluster: string): void {
    const open = [...this.#open.values()].find((panel) => panel.cluster === cluster);
    if (open !== undefined) return open.webview.reveal();
    const webview = vscode.window.createWebviewPanel(
      PANEL_TYPE,
      `${TITLE}${cluster}`,
      vscode.ViewColumn.Active,
      this.#options(),
    );
    this.#adopt(webview, cluster);
  }

  /** A panel of an earlier window. Its title names its cluster: the state is the page's own. */
  async deserializeWebviewPanel(webview: vscode.WebviewPanel): Promise<void> {
    webview.webview.options = this.#options();
    this.#adopt(webview, webview.title.startsWith(TITLE) ? webview.title.slice(TITLE.length) : webview.title);
  }

  get clusters(): readonly string[] {
    return [...this.#open.values()].map(({ cluster }) => cluster);
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
    for (const { webview } of this.#open.values()) webview.dispose();
  }

  #options(): vscode.WebviewOptions & vscode.WebviewPanelOptions {
    return { enableScripts: true, retainContextWhenHidden: false, localResourceRoots: [this.#folder()] };
  }

  #folder(): vscode.Uri {
    return vscode.Uri.joinPath(this.#host.extensionUri, 'webview');
  }

  #adopt(webview: vscode.WebviewPanel, cluster: string): void {
    const panel: Open = { id: this.#next++, cluster, webview, ready: false, attached: false };
    this.#open.set(panel.id, panel);
    this.#host.attention.set(`panel:${panel.id}`, true);
    webview.iconPath = vscode.Uri.joinPath(this.#host.extensionUri, 'media', 'raft.svg');
    webview.onDidDispose(() => this.#closed(panel));
    webview.webview.onDidReceiveMessage((message: unknown) => {
      this.#fromPage(panel, message).catch((error: unknown) => this.#host.log.error(messageOf(error)));
    });
    const folder = this.#folder();
    const uri = (name: string): string =>
      webview.webview.asWebviewUri(vscode.Uri.joinPath(folder, name)).toString();
    webview.webview.html = panelHtml({
      script: uri('panel.js'),
      style: uri('panel.css'),
      source: webview.webview.cspSource,
      nonce: randomBytes(16).toString('base64url'),
      language: vscode.env.language,
      title: webview.title,
    });
    this.#attach(panel);
  }

  /** Connects a panel with its cluster, as soon as the aggregator watches that. */
  #attach(panel: Open): void {
    const { aggregator, clusters, log } = this.#host;
    if (clusters.find(panel.cluster) === undefined) panel.attached = false;
    else if (!panel.attached && aggregator.running) {
      panel.attached = true;
      aggregator
        .request('raft/panelOpen', { panel: panel.id, cluster: panel.cluster })
        .then(() => {
          if (panel.ready) aggregator.notify('raft/panel', { panel: panel.id, message: { type: 'ready' } });
        })
        .catch((error: unknown) => {
          panel.attached = false;
          log.error(`The panel of ${panel.cluster}: ${messageOf(error)}`);
        });
    }
  }

  #closed(panel: Open): void {
    this.#open.delete(panel.id);
    this.#host.attention.set(`panel:${panel.id}`, false);
    if (!this.#host.aggregator.running) return;
    this.#host.aggregator
      .request('raft/panelClose', { panel: panel.id })
      .catch((error: unknown) => this.#host.log.warn(messageOf(error)));
  }

  async #fromPage(panel: Open, raw: unknown): Promise<void> {
    const { checkMessage } = await import('./panel-messages.ts');
    const checked: Checked = checkMessage(raw);
    if (checked.kind === 'REFUSED') {
      this.#host.log.warn(checked.reason);
      return;
    }
    if (checked.kind === 'EDITOR') {
      await this.#answer(panel, checked.request);
      return;
    }
    if (checked.message.type === 'ready') panel.ready = true;
    const relayed = { panel: panel.id, message: checked.message };
    // Before that, its `ready` is passed on as soon as it is attached.
    if (panel.attached) this.#host.aggregator.notify('raft/panel', relayed);
  }

  async #answer(panel: Open, request: EditorRequest): Promise<void> {
    try {
      await this.#host.act(panel.cluster, request);
      this.#toPage(panel.id, { type: 'reply', id: request.id, ok: true, result: null });
    } catch (error) {
      this.#toPage(panel.id, { type: 'reply', id: request.id, ok: false, message: messageOf(error) });
    }
  }

  #toPage(id: number, message: ToPage): void {
    const panel = this.#open.get(id);
    if (panel === undefined || !panel.webview.visible) return;
    Promise.resolve(panel.webview.webview.postMessage(message)).catch((error: unknown) => {
      this.#host.log.warn(`The panel of ${panel.cluster} took no message: ${messageOf(error)}`);
    });
  }
}
