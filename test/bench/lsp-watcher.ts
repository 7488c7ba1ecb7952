/**
 * An editor that looks at a cluster as hard as an editor can: the aggregator that `outrigger lsp --stdio` starts, with every surface
 * open (clusters, followed events, a panel).
 *
 * MUST: be the real thing, found and attached as an editor finds it; count what it got, so that a watcher that saw nothing
 * is no measurement.
 */
import { dirname, resolve } from 'node:path';
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node';
import type { FromAggregator } from '../../extension/protocol.ts';
import { BenchError, type Child, tail, type Workplace } from './processes.ts';

const ATTACH_MS = 10_000;
const PANEL = 1;

export interface Seen {
  states: number;
  events: number;
  panelMessages: number;
}

export class LspWatcher {
  readonly child: Child;
  readonly seen: Seen = { states: 0, events: 0, panelMessages: 0 };
  readonly #connection: MessageConnection;

  private constructor(child: Child, connection: MessageConnection) {
    this.child = child;
    this.#connection = connection;
  }

  /** Resolves once all `nodes` of `cluster` are connected and everything is followed. */
  static async start(place: Workplace, bin: string, cluster: string, nodes: number): Promise<LspWatcher> {
    const env = { XDG_RUNTIME_DIR: place.socketDir };
    // What `outrigger lsp --stdio` starts, without the process that waits for it.
    const server = resolve(dirname(bin), '../dist/extension/aggregator/stdio.js');
    const child = place.start('watcher', process.execPath, [server], { env, pipe: true });
    const { stdin, stdout } = child.process;
    if (stdin === null || stdout === null) throw new BenchError('the watcher has no pipes');
    const connection = createMessageConnection(
      new StreamMessageReader(stdout),
      new StreamMessageWriter(stdin),
    );
    const watcher = new LspWatcher(child, connection);
    await watcher.#open(cluster, nodes);
    return watcher;
  }

  async #open(cluster: string, nodes: number): Promise<void> {
    const attached = new Promise<void>((resolve, reject) => {
      const late = (): void =>
        reject(
          new BenchError(`the watcher saw no cluster of ${nodes} in time:\n${tail(this.child.logFile)}`),
        );
      const timer = setTimeout(late, ATTACH_MS);
      this.#connection.onNotification(
        'raft/clustersChanged',
        ({ clusters }: FromAggregator['raft/clustersChanged']) => {
          this.seen.states++;
          const found = clusters.find((one) => one.name === cluster);
          if (found?.nodes.filter((node) => node.link.state === 'CONNECTED').length !== nodes) return;
          clearTimeout(timer);
          resolve();
        },
      );
    });
    this.#connection.onNotification('raft/newEvents', ({ events }: FromAggregator['raft/newEvents']) => {
      this.seen.events += events.length;
    });
    this.#connection.onNotification('raft/panel', () => {
      this.seen.panelMessages++;
    });
    this.#connection.listen();
    await this.#connection.sendRequest('initialize', { processId: null, rootUri: null, capabilities: {} });
    await this.#connection.sendNotification('initialized', {});
    await this.#connection.sendNotification('raft/attend', { attending: true });
    await attached;
    await this.#connection.sendNotification('raft/follow', { cluster, follow: true });
    await this.#connection.sendRequest('raft/panelOpen', { panel: PANEL, cluster });
    await this.#connection.sendNotification('raft/panel', { panel: PANEL, message: { type: 'ready' } });
  }

  async stop(): Promise<void> {
    this.#connection.dispose();
    this.child.expectedToEnd = true;
    this.child.process.stdin?.end();
    await this.child.ended;
  }
}
