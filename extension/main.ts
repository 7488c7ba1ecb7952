/**
 * The extension's beginning and end.
 *
 * MUST: make only what is cheap at activation (budget: 50 ms): views and commands. The aggregator starts when somebody
 * looks: a view becomes visible, a command needs it, a document of it or an `outrigger.json` of a trusted workspace opens.
 */
import * as vscode from 'vscode';
import type { ClusterView } from '../shared/cluster-view.ts';
import { VERSION } from '../shared/version.ts';
import type { TestApi, TreeSnapshot } from './api.ts';
import { Aggregator } from './client/aggregator.ts';
import { Attention } from './client/attention.ts';
import { Clusters } from './client/clusters.ts';
import { Memory } from './client/memory.ts';
import { aggregatorOptions, workspaceState } from './client/options.ts';
import { CONTEXT_KEYS } from './commands/ids.ts';
import { registerCommands } from './commands/index.ts';
import { DemoCluster } from './demo/demo-cluster.ts';
import { provideEarly } from './editors/early-content.ts';
import { Panels } from './editors/panel.ts';
import { Tails } from './editors/tails.ts';
import { SCHEME } from './protocol.ts';
import type { Services } from './services.ts';
import { messageOf } from './util/errors.ts';
import { ClustersTree } from './views/clusters-tree.ts';
import { EventsTree } from './views/events-tree.ts';
import { StatusBar } from './views/status-bar.ts';
import type { TreeModel } from './views/tree-model.ts';

let running: Services | undefined;

export function activate(context: vscode.ExtensionContext): TestApi {
  const began = performance.now();
  const services = makeServices(context);
  running = services;
  const statusBar = new StatusBar(services.clusters);
  context.subscriptions.push(
    services.log,
    services.clusters,
    services.tree,
    services.events,
    services.panels,
    services.tails,
    statusBar,
    provideEarly(services.aggregator),
    registerCommands(services),
    ...keepInformed(services),
    ...lookWhenSeen(services),
  );
  return testApi(services, statusBar, performance.now() - began);
}

/** Stops what runs: the demo cluster, and the aggregator with its links. The sidecars do not notice. */
export async function deactivate(): Promise<void> {
  const services = running;
  running = undefined;
  if (services !== undefined) await Promise.all([services.demo.stop(), services.aggregator.stop()]);
}

function makeServices(context: vscode.ExtensionContext): Services {
  const log = vscode.window.createOutputChannel('Outrigger', { log: true });
  const memory = new Memory(context.workspaceState, context.globalState, context.secrets);
  const aggregator = new Aggregator({
    workerFile: vscode.Uri.joinPath(context.extensionUri, 'aggregator', 'worker.js').fsPath,
    log,
    options: () => aggregatorOptions(memory),
  });
  const clusters = new Clusters(aggregator);
  const attention = new Attention((attending) => {
    aggregator.notify('raft/attend', { attending });
    if (attending) aggregator.wake();
  });
  const panels = new Panels({
    aggregator,
    attention,
    clusters,
    log,
    extensionUri: context.extensionUri,
    act: async (cluster, request) => {
      const { compareLogs, openLog } = await import('./editors/logs.ts');
      if (request.method === 'openLog') {
        await openLog(services, cluster, request.params.node, request.params.index);
      } else await compareLogs(services, cluster, request.params.left, request.params.right);
    },
  });
  const services: Services = {
    context,
    log,
    memory,
    aggregator,
    clusters,
    attention,
    panels,
    demo: new DemoCluster(context, log, aggregator, () => attention.set('attached', true)),
    tree: new ClustersTree(clusters, log),
    events: new EventsTree(aggregator, clusters, log),
    tails: new Tails(aggregator),
    confirm: async (question) => (await import('./commands/control.ts')).confirmByDialog(question),
  };
  return services;
}

/** Tells the aggregator what it has to know, at its start and when it changes; keeps what it wants remembered. */
function keepInformed({ aggregator, attention, clusters, memory, log }: Services): vscode.Disposable[] {
  const sayWorkspace = (): void => aggregator.notify('raft/workspace', workspaceState());
  return [
    aggregator.onDidStart(() => {
      aggregator.notify('raft/attend', { attending: attention.attending });
      sendTokens(aggregator, memory).catch((error: unknown) => log.warn(messageOf(error)));
    }),
    aggregator.on('raft/remember', ({ attachments, detached }) => {
      memory.remember(attachments, detached).catch((error: unknown) => log.warn(messageOf(error)));
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(sayWorkspace),
    vscode.workspace.onDidChangeWorkspaceFolders(sayWorkspace),
    clusters.onDidChange((all) => {
      // The status bar shows them: that is somebody who looks.
      attention.set('attached', all.length > 0);
      void vscode.commands.executeCommand('setContext', CONTEXT_KEYS.attached, all.length > 0);
    }),
  ];
}

/** Tokens are not part of what is remembered as attachments: each goes to the address it was typed for. */
async function sendTokens(aggregator: Aggregator, memory: Memory): Promise<void> {
  for (const { cluster, addresses } of memory.attachments()) {
    for (const address of addresses) {
      const token = await memory.token(address);
      if (token !== '') await aggregator.request('raft/attach', { cluster, address, token });
    }
  }
}

function lookWhenSeen(services: Services): vscode.Disposable[] {
  const { aggregator, attention, memory, tree, events } = services;
  const seen = (): void => {
    const byItself =
      vscode.workspace.getConfiguration('outrigger').get('autoDiscover', true) ||
      memory.attachments().length > 0;
    attention.set('views', byItself && (tree.view.visible || events.view.visible));
  };
  const opened = (document: vscode.TextDocument): void => {
    if (document.uri.scheme === SCHEME) attention.set(document.uri.toString(), true);
    else if (isConfiguration(document) && vscode.workspace.isTrusted) aggregator.wake();
  };
  const lookAtAll = (): void => {
    for (const document of vscode.workspace.textDocuments) opened(document);
  };
  seen();
  lookAtAll();
  return [
    tree.view.onDidChangeVisibility(seen),
    events.view.onDidChangeVisibility(seen),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('outrigger.autoDiscover')) seen();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(lookAtAll),
    vscode.workspace.onDidOpenTextDocument(opened),
    vscode.workspace.onDidCloseTextDocument(({ uri }) => attention.set(uri.toString(), false)),
  ];
}

function isConfiguration({ uri }: vscode.TextDocument): boolean {
  return uri.scheme === 'file' && uri.path.endsWith('/outrigger.json');
}

function testApi(services: Services, statusBar: StatusBar, activationMs: number): TestApi {
  const { aggregator, clusters, demo, events, panels, tails, tree } = services;
  const snapshot = (model: TreeModel): TreeSnapshot => ({
    id: model.id,
    label: model.label,
    description: model.description,
    tooltip: tree.tooltip(model),
    context: model.context,
    children: model.children.map(snapshot),
  });
  return {
    version: VERSION,
    activationMs,
    tree: () => tree.models.map(snapshot),
    events: () => events.models.map(({ label, description }) => ({ label, description })),
    statusBarText: () => statusBar.text,
    clusters: () => clusters.all,
    whenClusters: (holds, timeoutMs) => whenClusters(clusters, holds, timeoutMs),
    get aggregatorRunning() {
      return aggregator.running;
    },
    crashAggregator: () => aggregator.crash(),
    panels: () => panels.clusters,
    tailFollows: () => {
      const document = vscode.window.activeTextEditor?.document;
      return document === undefined ? undefined : tails.following(document);
    },
    demo: () => ({ state: demo.state, cluster: demo.cluster }),
    setConfirm: (confirm) => {
      services.confirm = confirm;
    },
    memoryUsage: () => process.memoryUsage(),
  };
}

function whenClusters(
  clusters: Clusters,
  holds: (all: readonly ClusterView[]) => boolean,
  timeoutMs: number,
): Promise<readonly ClusterView[]> {
  if (holds(clusters.all)) return Promise.resolve(clusters.all);
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      subscription.dispose();
    };
    const timer = setTimeout(() => {
      done();
      reject(new Error(`not within ${timeoutMs} ms; last: ${JSON.stringify(clusters.all)}`));
    }, timeoutMs);
    const subscription = clusters.onDidChange((all) => {
      if (!holds(all)) return;
      done();
      resolve(all);
    });
  });
}
