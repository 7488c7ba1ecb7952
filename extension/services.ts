/**
 * What commands, views and editors are given: one object, made at activation.
 *
 * MUST: hold only what is cheap to make; everything heavy is made when it is first needed.
 */
import type * as vscode from 'vscode';
import type { Aggregator } from './client/aggregator.ts';
import type { Attention } from './client/attention.ts';
import type { Clusters } from './client/clusters.ts';
import type { Memory } from './client/memory.ts';
import type { DemoCluster } from './demo/demo-cluster.ts';
import type { Panels } from './editors/panel.ts';
import type { Tails } from './editors/tails.ts';
import type { ClustersTree } from './views/clusters-tree.ts';
import type { EventsTree } from './views/events-tree.ts';

export interface Question {
  /** Names the cluster and the node it is about. */
  readonly message: string;
  readonly detail: string;
  /** The word on the button. */
  readonly act: string;
}

/** Asks before something that changes the cluster. Modal; tests put their own in its place, since the editor refuses modals there. */
export type Confirm = (question: Question) => Promise<boolean>;

export interface Services {
  readonly context: vscode.ExtensionContext;
  readonly log: vscode.LogOutputChannel;
  readonly aggregator: Aggregator;
  readonly clusters: Clusters;
  readonly attention: Attention;
  readonly memory: Memory;
  readonly demo: DemoCluster;
  readonly tree: ClustersTree;
  readonly events: EventsTree;
  readonly panels: Panels;
  readonly tails: Tails;
  confirm: Confirm;
}
