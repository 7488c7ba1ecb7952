/**
 * Every message between the editor and the aggregator that LSP does not have, in one place.
 *
 * MUST: be plain data; import neither vscode nor node. Requests are answered by a value or an LSP error with one sentence.
 * The aggregator opens no connection before `raft/attend` says that somebody looks, or an attach was asked for.
 */
import type { ClusterView } from '../shared/cluster-view.ts';
import type { NodeEvent } from '../shared/events.ts';
import type { About, Explanation } from '../shared/explain/types.ts';
import type { FaultPlan, FaultStatus } from '../shared/faults.ts';
import type { LogDiff } from '../shared/log-diff.ts';
import type { EntryDetails, FromPage, ToPage } from '../shared/panel-protocol.ts';

/** The one scheme of every document that the aggregator makes. See `documents/uris.ts`. */
export const SCHEME = 'raft-log';

export interface AggregatorOptions {
  /** Folders whose `outrigger.json` counts; empty while the workspace is not trusted. File paths. */
  readonly workspaceFolders: readonly string[];
  readonly trusted: boolean;
  /** Attached in an earlier window (addresses and names, never tokens). */
  readonly remembered: readonly Attachment[];
  /** Detached by the user in an earlier window: not watched by itself, although its endpoint files are there. */
  readonly detached?: readonly string[];
  /** Where endpoint files are; '' for the default place (tests). */
  readonly endpointRoot: string;
}

/** Something that is watched: all sidecars of a cluster name found on this machine, or one address typed by hand. */
export interface Attachment {
  readonly cluster: string;
  /** HTTP base URLs typed by hand or from `outrigger.json`; the rest is asked of them. */
  readonly addresses: readonly string[];
}

/** A cluster that could be attached. */
export interface Discovered {
  readonly cluster: string;
  readonly nodes: readonly string[];
  readonly source: 'ENDPOINT_FILES' | 'WORKSPACE_FILE';
  readonly attached: boolean;
}

/** Request name → parameters and result. */
export interface Requests {
  /** What can be attached now. */
  'raft/discover': { params: Record<string, never>; result: readonly Discovered[] };
  /** Watch a cluster (by discovered name) or an address. With a token when it was asked for; it is kept in memory only. */
  'raft/attach': {
    params: { cluster: string; address: string; token: string };
    result: { cluster: string };
  };
  'raft/detach': { params: { cluster: string }; result: null };
  'raft/clusters': { params: Record<string, never>; result: ClustersChanged };
  /**
   * Newest events of a cluster, oldest first. To follow without a gap say `raft/follow` before, and drop what comes twice
   * (`node`, `generation`, `seq` name an event).
   */
  'raft/events': {
    params: { cluster: string; limit: number };
    result: { readonly events: readonly NodeEvent[]; readonly forgotten: number };
  };
  'raft/explain': { params: { cluster: string; about: About; id: string }; result: Explanation };
  'raft/diff': {
    params: { cluster: string; left: string; right: string };
    /** URIs of the two windows around the first difference; both '' when the logs agree. */
    result: { readonly diff: LogDiff; readonly left: string; readonly right: string };
  };
  /** URI of the window that shows `index` (0: the live tail) of that node's log. */
  'raft/logUri': { params: { cluster: string; node: string; index: number }; result: { uri: string } };
  'raft/entry': { params: { cluster: string; node: string; index: number }; result: EntryDetails };
  /** Proposes text; answered by the app's reply. Needs the write token. */
  'raft/propose': {
    params: { cluster: string; node: string; text: string };
    result: { readonly index: number; readonly term: number; readonly reply: string };
  };
  /** Control acts, refused unless the sidecar allows control. `to` '' lets the leader choose. */
  'raft/transfer': { params: { cluster: string; to: string }; result: { leader: string; term: number } };
  /** Plants a fault in a node, for `ttlMs`. Control, as well. */
  'raft/plantFault': { params: { cluster: string; node: string; fault: FaultPlan }; result: FaultStatus };
  /** Ends the faults of a node, '' for all nodes of the cluster. A node that does not answer is named, with the reason. */
  'raft/endFaults': {
    params: { cluster: string; node: string };
    result: {
      readonly ended: number;
      readonly unanswered: readonly { readonly node: string; readonly reason: string }[];
    };
  };
  /** What was tried, which file or port, what it answered: markdown. */
  'raft/doctor': { params: Record<string, never>; result: { markdown: string } };
  /** A panel opens; messages follow as `raft/panel`. `openLog` and `compare` of the page are answered by the editor itself. */
  'raft/panelOpen': { params: { panel: number; cluster: string }; result: null };
  'raft/panelClose': { params: { panel: number }; result: null };
}

export interface ClustersChanged {
  /** Of the aggregator's run; when it changes everything known before is void. */
  readonly generation: number;
  readonly sequence: number;
  readonly clusters: readonly ClusterView[];
}

/** Notifications from the aggregator. */
export interface FromAggregator {
  /** The whole state of all attached clusters; at most 4 a second, at once after a role change. */
  'raft/clustersChanged': ClustersChanged;
  /** New events, for the events view; only between `follow` true and false. At most 10 a second, at most 500 each. */
  'raft/newEvents': { readonly cluster: string; readonly events: readonly NodeEvent[] };
  'raft/panel': { readonly panel: number; readonly message: ToPage };
  /** What should be remembered for the next window: what endpoint files do not show by themselves, and what was detached. */
  'raft/remember': { readonly attachments: readonly Attachment[]; readonly detached: readonly string[] };
}

/** Notifications to the aggregator. */
export interface ToAggregator {
  /** Somebody looks (a view is visible, a document or panel is open): discover by itself and keep links open. */
  'raft/attend': { readonly attending: boolean };
  'raft/follow': { readonly cluster: string; readonly follow: boolean };
  'raft/panel': { readonly panel: number; readonly message: FromPage };
  /** The reader of that live tail follows its end, or reads: then it is not refreshed. */
  'raft/followTail': { readonly uri: string; readonly follow: boolean };
  /** Trust was granted, folders changed. */
  'raft/workspace': { readonly workspaceFolders: readonly string[]; readonly trusted: boolean };
}
