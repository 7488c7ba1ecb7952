/**
 * Turns what one sidecar says into the messages that an aggregator would send: one snapshot, then deltas.
 *
 * MUST: be pure but for what it holds (no clock, no network); number without a gap. Other members are shown as far as this
 * node tells of them: by its progress while it leads, else by name.
 */
import {
  type ClusterView,
  type LinkState,
  type NodeSample,
  type NodeTerms,
  viewCluster,
} from '../../../shared/cluster-view.ts';
import type { NodeEvent } from '../../../shared/events.ts';
import type { NodeStatus, ProgressStatus, TermsView } from '../../../shared/inspect.ts';
import {
  PANEL_LIMITS,
  type PanelDelta,
  type PanelSnapshot,
  type SeriesPoint,
} from '../../../shared/panel-protocol.ts';
import type { TermRun } from '../../../shared/term-runs.ts';
import { newest } from '../store.ts';
import { text } from '../strings.ts';

export class BrowserFeed {
  /** Base URL of the sidecar. */
  readonly #http: string;
  #link: NodeSample['link'];
  #status: NodeStatus | undefined;
  #statusAt = 0;
  #terms: TermsView | undefined;
  #events: readonly NodeEvent[] = [];
  #forgotten = 0;
  #seriesNodes: readonly string[] = [];
  #points: SeriesPoint[] = [];
  #lastCommit: { readonly at: number; readonly index: number } | undefined;
  #generation = 1;
  #sequence = 0;
  #fresh: { cluster: boolean; terms: boolean; events: NodeEvent[]; points: SeriesPoint[] } = nothing();
  /** The nodes of the charts changed: no delta can say that. */
  #broken = false;

  constructor(http: string, now: number) {
    this.#http = http;
    this.#link = { state: 'CONNECTING', reason: '', since: now };
  }

  get status(): NodeStatus | undefined {
    return this.#status;
  }

  onStatus(status: NodeStatus, now: number): void {
    this.#status = status;
    this.#statusAt = now;
    this.#setLink('CONNECTED', '', now);
    this.#fresh.cluster = true;
    // What the leader knows of the others' logs moves with its progress.
    this.#fresh.terms = true;
    this.#addPoint(now);
  }

  /** It did not answer, or not in a way that can be used. */
  onFailure(state: LinkState, reason: string, now: number): void {
    this.#setLink(state, reason, now);
    this.#fresh.cluster = true;
  }

  onTerms(terms: TermsView): void {
    this.#terms = terms;
    this.#fresh.terms = true;
  }

  /** `forgotten`: events that the node had and that never reached us. */
  onEvents(events: readonly NodeEvent[], forgotten = 0): void {
    ({ events: this.#events, forgotten: this.#forgotten } = newest(
      [...this.#events, ...events],
      this.#forgotten + forgotten,
    ));
    this.#fresh.events.push(...events);
    if (this.#fresh.events.length > PANEL_LIMITS.events || forgotten > 0) this.#broken = true;
  }

  snapshot(now: number): PanelSnapshot {
    if (this.#broken) this.#generation += 1;
    this.#broken = false;
    this.#fresh = nothing();
    this.#sequence += 1;
    return {
      type: 'snapshot',
      generation: this.#generation,
      sequence: this.#sequence,
      cluster: this.#cluster(now),
      terms: this.#nodeTerms(),
      events: this.#events,
      forgotten: this.#forgotten,
      series: { nodes: this.#seriesNodes, points: this.#points },
    };
  }

  /** What changed since the last message; undefined for nothing. */
  news(now: number): PanelDelta | PanelSnapshot | undefined {
    if (this.#broken) return this.snapshot(now);
    const { cluster, terms, events, points } = this.#fresh;
    if (!cluster && !terms && events.length === 0 && points.length === 0) return undefined;
    this.#fresh = nothing();
    this.#sequence += 1;
    return {
      type: 'delta',
      generation: this.#generation,
      sequence: this.#sequence,
      ...(cluster ? { cluster: this.#cluster(now) } : {}),
      ...(terms ? { terms: this.#nodeTerms() } : {}),
      ...(events.length > 0 ? { events } : {}),
      ...(points.length > 0 ? { points } : {}),
    };
  }

  #setLink(state: LinkState, reason: string, now: number): void {
    if (this.#link.state === state && this.#link.reason === reason) return;
    this.#link = { state, reason, since: now };
  }

  #cluster(now: number): ClusterView {
    const status = this.#status;
    const own: NodeSample = {
      id: status?.node ?? '',
      http: this.#http,
      link: this.#link,
      ...(status === undefined ? {} : { status, statusAt: this.#statusAt }),
    };
    const others = (status?.members ?? [])
      .filter(({ id }) => id !== own.id)
      .map(
        ({ id, http }): NodeSample => ({
          id,
          http,
          link: { state: 'UNKNOWN', reason: text('memberNoAddress', own.id), since: this.#link.since },
        }),
      );
    return viewCluster(status?.cluster ?? '', [own, ...others], now);
  }

  #nodeTerms(): NodeTerms[] {
    const status = this.#status;
    const terms = this.#terms;
    if (status === undefined || terms === undefined) return [];
    const own: NodeTerms = { node: status.node, source: 'NODE', terms };
    if (status.role !== 'LEADER') return [own];
    return [
      own,
      ...status.progress.filter(({ id }) => id !== status.node).map((one) => knownTerms(one, terms)),
    ];
  }

  #addPoint(now: number): void {
    const { nodes, commitIndex } = this.#cluster(now);
    const names = nodes.map(({ id }) => id);
    if (names.join('\n') !== this.#seriesNodes.join('\n')) {
      this.#seriesNodes = names;
      this.#points = [];
      this.#fresh.points = [];
      this.#broken = true;
    }
    const before = this.#lastCommit;
    this.#lastCommit = { at: now, index: commitIndex };
    const seconds = before === undefined ? 0 : (now - before.at) / 1_000;
    const point: SeriesPoint = {
      at: now,
      throughput:
        before === undefined || seconds <= 0 ? null : Math.max(0, commitIndex - before.index) / seconds,
      replicatedLag: nodes.map(({ lag }) => lag?.replicated.entries ?? null),
      appliedLag: nodes.map(({ lag }) => lag?.applied.entries ?? null),
    };
    this.#points = [...this.#points, point].slice(-PANEL_LIMITS.points);
    this.#fresh.points = [...this.#fresh.points, point].slice(-PANEL_LIMITS.points);
  }
}

function nothing(): { cluster: boolean; terms: boolean; events: NodeEvent[]; points: SeriesPoint[] } {
  return { cluster: false, terms: false, events: [], points: [] };
}

/** What the leader knows of a follower's log: its own runs up to where they match. */
function knownTerms(progress: ProgressStatus, leader: TermsView): NodeTerms {
  const runs = leader.runs
    .filter(({ first }) => first <= progress.matchIndex)
    .map((run): TermRun => ({ ...run, last: Math.min(run.last, progress.matchIndex) }));
  return {
    node: progress.id,
    source: 'LEADER',
    terms: {
      runs,
      snapshotIndex: leader.snapshotIndex,
      snapshotTerm: leader.snapshotTerm,
      commitIndex: Math.min(progress.commitIndex, progress.matchIndex),
      appliedIndex: progress.appliedIndex,
    },
  };
}
