/**
 * What the parts of the aggregator know of each other. `clusters/` (links, discovery, state) implements `Inspected`;
 * `documents/` (the log as text, hovers, lenses) and the panel feed use it and know nothing of HTTP.
 *
 * MUST: import neither vscode nor anything of sidecar/.
 */
import type { ClusterView, NodeTerms } from '../../shared/cluster-view.ts';
import type { NodeEvent } from '../../shared/events.ts';
import type { About, Explanation } from '../../shared/explain/types.ts';
import type { LogPage, TermsView } from '../../shared/inspect.ts';

export interface Disposable {
  dispose(): void;
}

/** `node` is '' for the cluster as a whole. */
export interface Change {
  readonly what: 'VIEW' | 'TERMS' | 'EVENTS';
  readonly cluster: string;
  readonly node: string;
}

/** Thrown for what cannot be had; its message is one sentence for a person. */
export class InspectError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'InspectError';
  }
}

export interface Inspected {
  clusters(): readonly ClusterView[];
  cluster(name: string): ClusterView | undefined;
  /** Last known term runs of each node. */
  terms(cluster: string): readonly NodeTerms[];
  /** Asks the node now. Rejects with InspectError. */
  freshTerms(cluster: string, node: string): Promise<TermsView>;
  /** Entries from…to of that node with stage times, at most LIMITS.logPageEntries. Rejects with InspectError. */
  log(cluster: string, node: string, from: number, to: number, signal?: AbortSignal): Promise<LogPage>;
  /** Bounded history of all nodes, oldest first by (wall clock, node, seq). */
  events(cluster: string): { readonly events: readonly NodeEvent[]; readonly forgotten: number };
  explain(cluster: string, about: About, id: string): Promise<Explanation>;
  onChange(listener: (change: Change) => void): Disposable;
}
