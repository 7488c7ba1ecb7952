/**
 * Feeds one panel (shared/panel-protocol.ts): a snapshot when the page asks for one, then deltas, at most one in `deltaMs`.
 *
 * MUST: send nothing before the page said `ready`; number what it sends without a gap; send a snapshot in place of a delta
 * whenever the delta would not be whole (nodes changed, events were forgotten, the cluster was attached anew); answer
 * every request once.
 */

import type { FromPage } from '../../shared/panel-protocol.ts';
import { PANEL_LIMITS, type PanelDelta, type ToPage } from '../../shared/panel-protocol.ts';
import type { Cluster } from './clusters/cluster.ts';
import type { Clusters } from './clusters/clusters.ts';
import { type Disposable, InspectError } from './contract.ts';
import { type DecodeFull, entryDetails } from './entry.ts';
import { AGGREGATOR_LIMITS } from './limits.ts';
import { checked, PANEL_REQUESTS } from './params.ts';

export interface PanelOptions {
  readonly clusters: Clusters;
  readonly cluster: string;
  /** Of the aggregator's run. */
  readonly generation: number;
  readonly decode: DecodeFull;
  readonly send: (message: ToPage) => void;
  readonly onBug: (error: unknown) => void;
  readonly deltaMs?: number;
}

/** How far the page is. */
interface Sent {
  readonly cluster: Cluster;
  events: number;
  points: number;
  readonly epoch: number;
}

type PanelRequest = Extract<FromPage, { type: 'request' }>;

export class PanelFeed {
  readonly #options: PanelOptions;
  readonly #changes: Disposable;
  #timer: NodeJS.Timeout | undefined;
  #sequence = 0;
  #sent: Sent | undefined;
  #viewChanged = false;
  #termsChanged = false;
  #openRequests = 0;
  #closed = false;

  constructor(options: PanelOptions) {
    this.#options = options;
    this.#changes = options.clusters.onUpdate(({ what, cluster }) => {
      if (cluster !== options.cluster && cluster !== '') return;
      if (what === 'VIEW') this.#viewChanged = true;
      // What the leader knows of a silent node's log goes with the view.
      if (what !== 'EVENTS') this.#termsChanged = true;
    });
  }

  /** A checked message of the page. */
  receive(message: FromPage): void {
    if (message.type === 'request') {
      this.#answer(message).catch(this.#options.onBug);
      return;
    }
    this.#sent = undefined;
    this.#timer ??= setInterval(() => this.#tick(), this.#options.deltaMs ?? PANEL_LIMITS.deltaMs);
    this.#tick();
  }

  dispose(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#changes.dispose();
  }

  #tick(): void {
    const cluster = this.#cluster();
    // Detached: the page keeps its last picture until the cluster is attached again.
    if (cluster === undefined) return;
    const sent = this.#sent;
    if (sent === undefined || sent.cluster !== cluster || sent.epoch !== cluster.series.epoch) {
      this.#sendSnapshot(cluster);
      return;
    }
    const fresh = cluster.history.since(sent.events, PANEL_LIMITS.events);
    if (fresh.missed) {
      this.#sendSnapshot(cluster);
      return;
    }
    const points = cluster.series.since(sent.points);
    sent.events = fresh.cursor;
    sent.points = cluster.series.cursor;
    const parts: Omit<PanelDelta, 'type' | 'generation' | 'sequence'> = {
      ...(this.#viewChanged ? { cluster: cluster.view() } : {}),
      ...(this.#termsChanged ? { terms: cluster.terms() } : {}),
      ...(fresh.events.length > 0 ? { events: fresh.events } : {}),
      ...(points.length > 0 ? { points } : {}),
    };
    this.#viewChanged = false;
    this.#termsChanged = false;
    if (Object.keys(parts).length === 0) return;
    this.#sequence += 1;
    this.#send({ type: 'delta', generation: this.#options.generation, sequence: this.#sequence, ...parts });
  }

  #sendSnapshot(cluster: Cluster): void {
    const { events, forgotten } = cluster.history.all();
    const kept = events.slice(-PANEL_LIMITS.events);
    this.#sent = {
      cluster,
      events: cluster.history.cursor,
      points: cluster.series.cursor,
      epoch: cluster.series.epoch,
    };
    this.#viewChanged = false;
    this.#termsChanged = false;
    this.#sequence += 1;
    this.#send({
      type: 'snapshot',
      generation: this.#options.generation,
      sequence: this.#sequence,
      cluster: cluster.view(),
      terms: cluster.terms(),
      events: kept,
      forgotten: forgotten + events.length - kept.length,
      series: cluster.series.series(),
    });
  }

  async #answer({ id, method, params }: PanelRequest): Promise<void> {
    const fail = (message: string) => this.#send({ type: 'reply', id, ok: false, message });
    if (this.#openRequests >= AGGREGATOR_LIMITS.requestsPerPanel) {
      fail(`${this.#openRequests} questions of this panel wait for an answer already`);
      return;
    }
    this.#openRequests += 1;
    try {
      const result = await this.#result(method, params);
      this.#send({ type: 'reply', id, ok: true, result });
    } catch (error) {
      if (!(error instanceof InspectError)) {
        fail('this is a bug of Outrigger; its output has the details');
        throw error;
      }
      fail(error.message);
    } finally {
      this.#openRequests -= 1;
    }
  }

  async #result(method: PanelRequest['method'], params: unknown): Promise<unknown> {
    const { clusters, cluster, decode } = this.#options;
    switch (method) {
      case 'entry':
        return entryDetails(clusters, decode, {
          cluster,
          ...checked(PANEL_REQUESTS.entry, params, 'the question'),
        });
      case 'explain': {
        const { about, id } = checked(PANEL_REQUESTS.explain, params, 'the question');
        return clusters.explain(cluster, about, id);
      }
      case 'openLog':
      case 'compare':
        throw new InspectError(`${method} is answered by the editor`);
    }
  }

  #cluster(): Cluster | undefined {
    const { clusters, cluster } = this.#options;
    return clusters.allWatched().find(({ name }) => name === cluster);
  }

  #send(message: ToPage): void {
    if (!this.#closed) this.#options.send(message);
  }
}
