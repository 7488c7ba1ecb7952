/**
 * The time axis that the charts and the event timeline share, and which events are shown.
 *
 * MUST: be pure. Clocks of nodes differ: what is near in time is not thereby ordered.
 */
import { EVENT_KINDS, type EventKind, type NodeEvent } from '../../../shared/events.ts';
import type { Series } from '../../../shared/panel-protocol.ts';

/** Wall clock ms; `to` > `from`. */
export interface TimeWindow {
  readonly from: number;
  readonly to: number;
}

/** What a reader may choose, ms; 0 is everything known. */
export const RANGES = [30_000, 60_000, 300_000, 0] as const;
export type Range = (typeof RANGES)[number];

export const GROUPS = ['election', 'log', 'links', 'app', 'process'] as const;
export type Group = (typeof GROUPS)[number];

const GROUP_OF: Readonly<Record<EventKind, Group>> = {
  STARTED: 'process',
  STOPPING: 'process',
  ROLE: 'election',
  VOTE_GIVEN: 'election',
  VOTE_RECEIVED: 'election',
  CONTACT_LOST: 'links',
  CONTACT_REGAINED: 'links',
  APPEND_REJECTED: 'log',
  TRUNCATED: 'log',
  COMMIT: 'log',
  PEER_UP: 'links',
  PEER_DOWN: 'links',
  APP: 'app',
  APP_DIVERGED: 'app',
  DISK_SLOW: 'process',
  DISK_OK: 'process',
  DISK_FULL: 'process',
  DISK_SPACE: 'process',
  LOOP_SLOW: 'process',
  TRANSFER_STARTED: 'election',
  CAMPAIGN_POSTPONED: 'election',
  TRANSFER_FAILED: 'election',
  SKIPPED: 'app',
  APP_VERSION: 'app',
  MEMBERSHIP: 'election',
  SNAPSHOT_TAKEN: 'log',
  SNAPSHOT_FAILED: 'log',
  SNAPSHOT_FETCHING: 'log',
  SNAPSHOT_INSTALLED: 'log',
  SNAPSHOT_OUTRUN: 'log',
  COMPACTED: 'log',
  WHOLE: 'process',
  CERTIFICATE: 'process',
  FAULT_BEGAN: 'process',
  FAULT_ENDED: 'process',
};

export function groupOf(kind: EventKind): Group {
  return GROUP_OF[kind];
}

/** '' for all; `kind` is a group or a kind. */
export interface EventFilter {
  readonly kind: Group | EventKind | '';
  readonly node: string;
}

export const KIND_CHOICES: readonly (Group | EventKind)[] = [...GROUPS, ...EVENT_KINDS];

/** The events that pass, by wall clock, then node, then number. */
export function filterEvents(events: readonly NodeEvent[], filter: EventFilter): NodeEvent[] {
  return events
    .filter((event) => filter.node === '' || event.node === filter.node)
    .filter(
      (event) => filter.kind === '' || event.kind === filter.kind || groupOf(event.kind) === filter.kind,
    )
    .sort((a, b) => a.at - b.at || (a.node < b.node ? -1 : a.node > b.node ? 1 : a.seq - b.seq));
}

/** The window that ends with the newest thing known. */
export function timeWindow(events: readonly NodeEvent[], series: Series, range: Range): TimeWindow {
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const { at } of events) {
    first = Math.min(first, at);
    last = Math.max(last, at);
  }
  for (const { at } of series.points) {
    first = Math.min(first, at);
    last = Math.max(last, at);
  }
  if (!Number.isFinite(last)) return { from: 0, to: 1_000 };
  const from = range === 0 ? first : last - range;
  return { from, to: Math.max(last, from + 1_000) };
}

export function timeX(window: TimeWindow, width: number, at: number): number {
  return ((at - window.from) / (window.to - window.from)) * width;
}

export function timeAt(window: TimeWindow, width: number, x: number): number {
  return window.from + (Math.min(Math.max(x, 0), width) / Math.max(width, 1)) * (window.to - window.from);
}

/** Position of the point nearest to `at`; -1 for none. Points are ordered by time. */
export function nearestPoint(points: readonly { readonly at: number }[], at: number): number {
  let low = 0;
  let high = points.length - 1;
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((points[middle]?.at ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  const before = points[low - 1];
  const here = points[low];
  return before !== undefined && here !== undefined && at - before.at < here.at - at ? low - 1 : low;
}
