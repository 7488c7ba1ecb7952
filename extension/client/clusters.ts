/**
 * The last word of the aggregator on all attached clusters.
 *
 * MUST: forget everything when the aggregator is another one than before (its generation changes), and take no older
 * state after a newer one.
 */
import * as vscode from 'vscode';
import type { ClusterView } from '../../shared/cluster-view.ts';
import type { ClustersChanged } from '../protocol.ts';
import type { Aggregator } from './aggregator.ts';

export class Clusters {
  readonly #changed = new vscode.EventEmitter<readonly ClusterView[]>();
  readonly onDidChange = this.#changed.event;
  #last: ClustersChanged = { generation: 0, sequence: 0, clusters: [] };
  readonly #subscription: vscode.Disposable;

  constructor(aggregator: Aggregator) {
    this.#subscription = aggregator.on('raft/clustersChanged', (change) => this.take(change));
  }

  get all(): readonly ClusterView[] {
    return this.#last.clusters;
  }

  find(name: string): ClusterView | undefined {
    return this.#last.clusters.find((cluster) => cluster.name === name);
  }

  take(change: ClustersChanged): void {
    if (change.generation === this.#last.generation && change.sequence <= this.#last.sequence) return;
    this.#last = change;
    this.#changed.fire(change.clusters);
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#changed.dispose();
  }
}
