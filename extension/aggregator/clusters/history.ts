/**
 * The events of all nodes of one cluster: a bounded ring for each node, so that a loud one does not push out the others.
 *
 * MUST: take each event once, whatever is sent again after a reconnect; count what was lost on the way (the numbers of a
 * node have no gaps) and what was forgotten here. Readers that follow keep a cursor: `since`.
 */
import type { NodeEvent } from '../../../shared/events.ts';

interface Kept {
  /** Number in the order of arrival here, over all nodes: what cursors count. */
  readonly arrival: number;
  readonly event: NodeEvent;
}

interface Ring {
  generation: string;
  lastSeq: number;
  kept: Kept[];
  /** Numbers that were never here or are not any more. */
  forgotten: number;
  /** Arrival of the newest event that was forgotten, 0 for none. */
  dropped: number;
}

export interface Since {
  /** In the order of arrival. */
  readonly events: readonly NodeEvent[];
  /** Give it to the next `since`. */
  readonly cursor: number;
  /** Events after the old cursor were forgotten meanwhile. */
  readonly missed: boolean;
}

export class EventHistory {
  readonly #perNode: number;
  readonly #rings = new Map<string, Ring>();
  #arrivals = 0;
  #merged: readonly NodeEvent[] | undefined;

  constructor(perNode: number) {
    this.#perNode = perNode;
  }

  /** Arrival number of the newest event. */
  get cursor(): number {
    return this.#arrivals;
  }

  /** What the node of `generation` said as number `seq`; `event` absent where it is not understood. True when it is kept. */
  add(node: string, generation: string, seq: number, event: NodeEvent | undefined): boolean {
    const ring = this.#ringOf(node);
    if (ring.generation !== generation) {
      ring.generation = generation;
      ring.lastSeq = 0;
    }
    if (seq <= ring.lastSeq) return false;
    ring.forgotten += seq - ring.lastSeq - 1;
    ring.lastSeq = seq;
    if (event === undefined) return false;
    this.#arrivals += 1;
    this.#merged = undefined;
    ring.kept.push({ arrival: this.#arrivals, event });
    // Cut in large steps: one by one would move the whole ring each time.
    if (ring.kept.length >= this.#perNode * 1.5) this.#trim(ring);
    return true;
  }

  /** Everything kept, oldest first by (wall clock of its node, node, number). */
  all(): { readonly events: readonly NodeEvent[]; readonly forgotten: number } {
    const rings = [...this.#rings.values()];
    for (const ring of rings) this.#trim(ring);
    this.#merged ??= rings.flatMap((ring) => ring.kept.map(({ event }) => event)).sort(inOrder);
    return { events: this.#merged, forgotten: rings.reduce((sum, ring) => sum + ring.forgotten, 0) };
  }

  /** Oldest first. */
  ofNode(node: string): readonly NodeEvent[] {
    return (this.#rings.get(node)?.kept ?? []).map(({ event }) => event);
  }

  /** At most `limit` events that arrived after `cursor`. */
  since(cursor: number, limit: number): Since {
    const rings = [...this.#rings.values()];
    const fresh = rings.flatMap((ring) => ring.kept.slice(firstAfter(ring.kept, cursor)));
    fresh.sort((a, b) => a.arrival - b.arrival);
    const taken = fresh.slice(0, limit);
    return {
      events: taken.map(({ event }) => event),
      cursor: fresh.length > limit ? (taken.at(-1)?.arrival ?? cursor) : this.#arrivals,
      missed: rings.some((ring) => ring.dropped > cursor),
    };
  }

  /** The node is no part of the cluster any more. */
  remove(node: string): void {
    this.#rings.delete(node);
    this.#merged = undefined;
  }

  #ringOf(node: string): Ring {
    let ring = this.#rings.get(node);
    if (ring === undefined) {
      ring = { generation: '', lastSeq: 0, kept: [], forgotten: 0, dropped: 0 };
      this.#rings.set(node, ring);
    }
    return ring;
  }

  #trim(ring: Ring): void {
    const excess = ring.kept.length - this.#perNode;
    if (excess <= 0) return;
    const dropped = ring.kept.splice(0, excess);
    ring.forgotten += excess;
    ring.dropped = dropped.at(-1)?.arrival ?? ring.dropped;
    this.#merged = undefined;
  }
}

/** Position of the first element that arrived after `cursor`. */
function firstAfter(kept: readonly Kept[], cursor: number): number {
  let low = 0;
  let high = kept.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((kept[middle]?.arrival ?? 0) > cursor) high = middle;
    else low = middle + 1;
  }
  return low;
}

function inOrder(a: NodeEvent, b: NodeEvent): number {
  return a.at - b.at || (a.node < b.node ? -1 : a.node > b.node ? 1 : a.seq - b.seq);
}
