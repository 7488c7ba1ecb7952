/**
 * What the web UI and its host say to each other. The host is VS Code (the panel) or the browser itself (the sidecar's page).
 *
 * MUST: be plain data. A page says `ready` before anything is sent to it; it gets one snapshot, then deltas numbered without
 * a gap; on a gap, another generation, or becoming visible again it says `resync` and gets a new snapshot.
 */
import type { ClusterView, NodeTerms } from './cluster-view.ts';
import type { NodeEvent } from './events.ts';
import type { About, Explanation } from './explain/types.ts';

/** One point of the charts: wall clock ms; per node in the order of `PanelSnapshot.series.nodes`. */
export interface SeriesPoint {
  readonly at: number;
  /** Committed entries per second in the cluster; null while unknown. */
  readonly throughput: number | null;
  readonly replicatedLag: readonly (number | null)[];
  readonly appliedLag: readonly (number | null)[];
}

export interface Series {
  readonly nodes: readonly string[];
  /** Oldest first, at most `PANEL_LIMITS.points`. */
  readonly points: readonly SeriesPoint[];
}

export const PANEL_LIMITS = {
  /** Newest events kept for the timeline. Older ones are forgotten, and the page says so. */
  events: 2_000,
  /** Points of the charts (at 2 a second: 10 minutes). */
  points: 1_200,
  /** Deltas to one page: at most one in so many milliseconds. */
  deltaMs: 100,
} as const;

export interface PanelSnapshot {
  readonly type: 'snapshot';
  readonly generation: number;
  readonly sequence: number;
  readonly cluster: ClusterView;
  readonly terms: readonly NodeTerms[];
  readonly events: readonly NodeEvent[];
  /** Events that were forgotten before the first of `events`. */
  readonly forgotten: number;
  readonly series: Series;
}

/** Absent parts did not change. */
export interface PanelDelta {
  readonly type: 'delta';
  readonly generation: number;
  readonly sequence: number;
  readonly cluster?: ClusterView;
  readonly terms?: readonly NodeTerms[];
  /** New ones only. */
  readonly events?: readonly NodeEvent[];
  /** New ones only; when the nodes changed a snapshot is sent instead. */
  readonly points?: readonly SeriesPoint[];
}

export interface EntryDetails {
  readonly node: string;
  readonly index: number;
  readonly term: number;
  readonly kind: string;
  readonly size: number;
  readonly time: number;
  /** The payload, decoded and made harmless (safe-text.ts); cut at 64 KB. */
  readonly decoded: { readonly decoder: string; readonly text: string };
}

/** What a page may ask of its host, by method: parameters and answer. */
export interface PanelMethods {
  /** Opens the log of that node around `index` (0: its end). Not in the browser. */
  openLog: { params: { node: string; index: number }; result: null };
  compare: { params: { left: string; right: string }; result: null };
  entry: { params: { node: string; index: number }; result: EntryDetails };
  explain: { params: { about: About; id: string }; result: Explanation };
}
export type PanelMethod = keyof PanelMethods;

export type ToPage =
  | PanelSnapshot
  | PanelDelta
  | { readonly type: 'reply'; readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly type: 'reply'; readonly id: number; readonly ok: false; readonly message: string };

export type FromPage =
  | { readonly type: 'ready' }
  | { readonly type: 'resync' }
  | {
      readonly type: 'request';
      readonly id: number;
      readonly method: PanelMethod;
      readonly params: unknown;
    };
