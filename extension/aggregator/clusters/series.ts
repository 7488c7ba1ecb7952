/**
 * The charts' history of one cluster: commit throughput, and the replicated and applied lag of each node.
 *
 * MUST: keep at most `PANEL_LIMITS.points`; say null where a value is not known; begin anew when the nodes change, since the
 * columns are the nodes.
 */
import type { ClusterView } from '../../../shared/cluster-view.ts';
import { PANEL_LIMITS, type Series, type SeriesPoint } from '../../../shared/panel-protocol.ts';

export class SeriesRecorder {
  #nodes: readonly string[] = [];
  #points: SeriesPoint[] = [];
  /** Points ever recorded since the nodes changed; what cursors count. */
  #recorded = 0;
  #epoch = 0;
  #lastCommit: { readonly index: number; readonly at: number } | undefined;

  /** Changes when the columns do: points before are void. */
  get epoch(): number {
    return this.#epoch;
  }

  get cursor(): number {
    return this.#recorded;
  }

  /** One point, as `view` is at `now` (wall clock, ms). */
  record(view: ClusterView, now: number): void {
    const nodes = view.nodes.map(({ id }) => id);
    if (nodes.join('\n') !== this.#nodes.join('\n')) {
      this.#nodes = nodes;
      this.#points = [];
      this.#recorded = 0;
      this.#epoch += 1;
    }
    this.#points.push({
      at: now,
      throughput: this.#throughput(view, now),
      replicatedLag: view.nodes.map(({ lag }) => lag?.replicated.entries ?? null),
      appliedLag: view.nodes.map(({ lag }) => lag?.applied.entries ?? null),
    });
    this.#recorded += 1;
    if (this.#points.length > PANEL_LIMITS.points) this.#points.shift();
  }

  series(): Series {
    return { nodes: this.#nodes, points: [...this.#points] };
  }

  /** Points after `cursor`, as many as are kept. */
  since(cursor: number): readonly SeriesPoint[] {
    const count = Math.min(this.#recorded - cursor, this.#points.length);
    return count <= 0 ? [] : this.#points.slice(-count);
  }

  /** Committed entries per second since the point before; null while no node answers. */
  #throughput(view: ClusterView, now: number): number | null {
    const before = this.#lastCommit;
    if (!view.nodes.some(({ link }) => link.state === 'CONNECTED')) {
      this.#lastCommit = undefined;
      return null;
    }
    this.#lastCommit = { index: view.commitIndex, at: now };
    if (before === undefined || now <= before.at) return null;
    return (Math.max(0, view.commitIndex - before.index) * 1000) / (now - before.at);
  }
}
