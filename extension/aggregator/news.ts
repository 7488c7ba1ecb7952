/**
 * Tells the editor what changed: `raft/clustersChanged`, `raft/newEvents` and `raft/remember`, no faster than it can use.
 *
 * MUST: send the whole state of all clusters each time (the editor keeps no pieces); send events only of clusters that are
 * followed, each once and in the order of arrival. Where more came than is kept, the numbers of the events show the gap.
 */
import type { ClustersChanged, FromAggregator } from '../protocol.ts';
import type { Clusters } from './clusters/clusters.ts';
import type { Disposable } from './contract.ts';
import { AGGREGATOR_LIMITS, type Timing } from './limits.ts';
import { Pacer } from './pacer.ts';

export type Send = <M extends keyof FromAggregator>(method: M, params: FromAggregator[M]) => void;

export class News {
  readonly #clusters: Clusters;
  readonly #generation: number;
  readonly #send: Send;
  readonly #clustersPacer: Pacer;
  readonly #eventsPacer: Pacer;
  readonly #subscriptions: readonly Disposable[];
  /** Cluster → arrival number of the last event that was sent. */
  readonly #followed = new Map<string, number>();
  #sequence = 0;

  /** `generation`: of the aggregator's run. */
  constructor(clusters: Clusters, timing: Timing, generation: number, send: Send) {
    this.#clusters = clusters;
    this.#generation = generation;
    this.#send = send;
    this.#clustersPacer = new Pacer(timing.clustersMs, timing.urgentMs, () => this.#sendClusters());
    this.#eventsPacer = new Pacer(timing.newEventsMs, timing.newEventsMs, () => this.#sendEvents());
    this.#subscriptions = [
      clusters.onUpdate(({ what, cluster, urgent }) => {
        if (what === 'VIEW') this.#clustersPacer.poke(urgent);
        if (what === 'EVENTS' && this.#followed.has(cluster)) this.#eventsPacer.poke();
      }),
      clusters.onRemember((remembered) => send('raft/remember', remembered)),
    ];
  }

  /** The state now, numbered like the notifications. */
  current(): ClustersChanged {
    this.#sequence += 1;
    return { generation: this.#generation, sequence: this.#sequence, clusters: this.#clusters.clusters() };
  }

  /** Events that arrive from now on are sent; what is there already can be asked for. */
  follow(cluster: string, follow: boolean): void {
    if (!follow) {
      this.#followed.delete(cluster);
      return;
    }
    if (this.#followed.has(cluster) || this.#followed.size >= AGGREGATOR_LIMITS.clusters) return;
    this.#followed.set(cluster, this.#history(cluster)?.cursor ?? 0);
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#clustersPacer.dispose();
    this.#eventsPacer.dispose();
  }

  #history(name: string) {
    return this.#clusters.allWatched().find((cluster) => cluster.name === name)?.history;
  }

  #sendClusters(): void {
    this.#send('raft/clustersChanged', this.current());
  }

  #sendEvents(): void {
    for (const [cluster, cursor] of this.#followed) {
      const history = this.#history(cluster);
      if (history === undefined) continue;
      // A cluster that was attached anew counts from the beginning.
      const from = cursor > history.cursor ? 0 : cursor;
      const { events, cursor: next } = history.since(from, AGGREGATOR_LIMITS.newEvents);
      this.#followed.set(cluster, next);
      if (events.length > 0) this.#send('raft/newEvents', { cluster, events });
      if (next < history.cursor) this.#eventsPacer.poke();
    }
  }
}
