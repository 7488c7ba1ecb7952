/**
 * What the *Events* view holds: the newest events of all attached clusters, a filter, and whether it follows.
 *
 * MUST: be pure (no vscode, no clock); bounded by `EVENT_LIMITS`, and say how many it forgot or holds back; order by
 * the nodes' wall clocks for reading only, since clocks of nodes differ.
 */
import { describeEvent } from '../../shared/describe-event.ts';
import type { NodeEvent } from '../../shared/events.ts';

export const EVENT_LIMITS = {
  /** Events kept. Then the oldest is forgotten, and counted. */
  kept: 1_000,
  /** Drawn at once; the rest waits under "older". */
  drawn: 200,
  /** A filter's text, in characters. The rest is cut. */
  filterChars: 100,
} as const;

export interface ClusterEvent {
  readonly cluster: string;
  readonly event: NodeEvent;
}

export interface EventFilter {
  /** Empty: all. */
  readonly kinds: readonly string[];
  /** Empty: all. Node ids. */
  readonly nodes: readonly string[];
  /** Case does not matter; '' for all. */
  readonly text: string;
}

export const NO_FILTER: EventFilter = { kinds: [], nodes: [], text: '' };

export function isFiltered(filter: EventFilter): boolean {
  return filter.kinds.length > 0 || filter.nodes.length > 0 || filter.text !== '';
}

export function passes(filter: EventFilter, event: NodeEvent): boolean {
  if (filter.kinds.length > 0 && !filter.kinds.includes(event.kind)) return false;
  if (filter.nodes.length > 0 && !filter.nodes.includes(event.node)) return false;
  if (filter.text === '') return true;
  // The protocol's words are found as it writes them, and as people do.
  const words = `${event.kind} ${event.cause}`;
  const haystack = `${event.node} ${words} ${words.replaceAll('_', ' ')} ${describeEvent(event)}`;
  return haystack.toLowerCase().includes(filter.text.toLowerCase());
}

/** `kind ROLE, n1, "vote"`: what is shown beside the name of the view. */
export function filterText(filter: EventFilter): string {
  const parts = [...filter.nodes, ...filter.kinds.map((kind) => kind.toLowerCase())];
  if (filter.text !== '') parts.push(`"${filter.text}"`);
  return parts.join(', ');
}

/** Names an event for good. */
export function eventKey(item: ClusterEvent): string {
  return `event:${item.cluster}/${item.event.node}/${item.event.generation}-${item.event.seq}`;
}

/** Oldest first, by (wall clock, node, sequence). */
function inOrder(left: ClusterEvent, right: ClusterEvent): number {
  return (
    left.event.at - right.event.at ||
    compareText(left.event.node, right.event.node) ||
    left.event.seq - right.event.seq
  );
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

export class EventList {
  #events: ClusterEvent[] = [];
  readonly #keys = new Set<string>();
  /** While the reader holds the view still: what was there then. */
  #frozen: readonly ClusterEvent[] | undefined;
  #held = 0;
  #forgotten = 0;
  filter: EventFilter = NO_FILTER;

  /** Events that are known already are passed over. */
  add(cluster: string, events: readonly NodeEvent[]): void {
    const fresh: ClusterEvent[] = [];
    for (const event of events) {
      const item = { cluster, event };
      const key = eventKey(item);
      if (this.#keys.has(key)) continue;
      this.#keys.add(key);
      fresh.push(item);
    }
    if (fresh.length === 0) return;
    if (this.#frozen !== undefined) {
      this.#held += fresh.filter(({ event }) => passes(this.filter, event)).length;
    }
    this.#events = [...this.#events, ...fresh].sort(inOrder);
    const excess = this.#events.length - EVENT_LIMITS.kept;
    if (excess <= 0) return;
    for (const item of this.#events.splice(0, excess)) this.#keys.delete(eventKey(item));
    this.#forgotten += excess;
  }

  /** A cluster is no longer watched. */
  removeCluster(cluster: string): void {
    this.#events = this.#events.filter((item) => item.cluster !== cluster);
    this.#frozen = this.#frozen?.filter((item) => item.cluster !== cluster);
    for (const key of this.#keys) if (key.startsWith(`event:${cluster}/`)) this.#keys.delete(key);
  }

  get following(): boolean {
    return this.#frozen === undefined;
  }

  set following(follow: boolean) {
    if (follow === this.following) return;
    this.#frozen = follow ? undefined : [...this.#events];
    this.#held = 0;
  }

  /** New ones that would show, were it not held still. */
  get held(): number {
    return this.#held;
  }

  /** Older ones that are gone. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** What to show, newest first. */
  shown(): ClusterEvent[] {
    return (this.#frozen ?? this.#events).filter(({ event }) => passes(this.filter, event)).reverse();
  }

  /** Names that can be filtered by, sorted. */
  get nodes(): string[] {
    return [...new Set(this.#events.map(({ event }) => event.node))].sort();
  }

  get kinds(): string[] {
    return [...new Set<string>(this.#events.map(({ event }) => event.kind))].sort();
  }
}
