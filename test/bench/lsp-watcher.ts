/**
 * An editor that looks at a cluster as hard as an editor can: the aggregator of `outrigger lsp --stdio` with every surface
 * open (clusters, followed events, a panel).
 *
 * MUST: be the real thing, found and attached as an editor finds it; count what it got, so that a watcher that saw nothing
 * is no measurement.
 */
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
  readonly #place: Workplace;
  readonly #connection: MessageConnection;

  private constructor(place: Workplace, child: Child, connection: MessageConnection) {
    this.#place = place;
    this.child = child;
    this.#connection = connection;
  }

  /** Resolves once all `nodes` of `cluster` are connected and everything is followed. */
  static async start(place: Workplace, bin: string, cluster: string, nodes: number): Promise<LspWatcher> {
    const env = { XDG_RUNTIME_DIR: place.socketDir };
    const child = place.start('watcher', process.execPath, [bin, 'lsp', '--stdio'], { env, pipe: true });
    const { stdin, stdout } = child.process;
    if (stdin === null || stdout === null) throw new BenchError('the watcher has no pipes');
    const connection = createMessageConnection(
      new StreamMessageReader(stdout),
      new StreamMessageWriter(stdin),
    );
    const watcher = new LspWatcher(place, child, connection);
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
    await this.#place.stop(this.child, 'SIGKILL');
  }
}
