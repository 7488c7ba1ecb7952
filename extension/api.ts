/**
 * What `activate` returns. For the tests in the workbench only: no other extension may rely on it.
 */
import type { ClusterView } from '../shared/cluster-view.ts';
import type { Confirm } from './services.ts';

export interface TreeSnapshot {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  /** As markdown; '' for problems. */
  readonly tooltip: string;
  readonly context: string;
  readonly children: readonly TreeSnapshot[];
}

export interface TestApi {
  readonly version: string;
  /** From the call of `activate` to its return, ms. */
  readonly activationMs: number;
  /** What the *Clusters* view shows. */
  tree(): readonly TreeSnapshot[];
  /** Label and description of what the *Events* view shows, newest first. */
  events(): readonly { readonly label: string; readonly description: string }[];
  /** '' while the item is hidden. */
  statusBarText(): string;
  /** The last word of the aggregator. */
  clusters(): readonly ClusterView[];
  /** Resolves with the clusters as soon as `holds` is true of them; rejects after `timeoutMs`. */
  whenClusters(
    holds: (clusters: readonly ClusterView[]) => boolean,
    timeoutMs: number,
  ): Promise<readonly ClusterView[]>;
  readonly aggregatorRunning: boolean;
  /** Ends the aggregator's worker as a crash would. */
  crashAggregator(): Promise<void>;
  /** Clusters of the open panels. */
  panels(): readonly string[];
  /** Does the live tail of the active editor follow? Undefined when it is none. */
  tailFollows(): boolean | undefined;
  /** The demo cluster: STOPPED, STARTING, RUNNING, STOPPING, and its name. */
  demo(): { readonly state: string; readonly cluster: string };
  /** Answers in place of the modal dialog. */
  setConfirm(confirm: Confirm): void;
  /** Of the extension host process, workers included. */
  memoryUsage(): NodeJS.MemoryUsage;
}
