/**
 * A cluster as every view shows it: the tree, the status bar, the panel and the sidecar's own page.
 *
 * MUST: be plain data made by pure functions of what the nodes said; say of each lag which one it is (replicated,
 * committed, applied), and of each state that is not healthy why.
 */
import type { Lag, NodeStatus, TermsView } from './inspect.ts';

/**
 * CONNECTING: first try. CONNECTED: answers. SILENT: the connection stands and nothing is answered (paused, stuck).
 * RETRYING: cannot be reached, tried again. WRONG_CLUSTER, UNAUTHORIZED, INCOMPATIBLE: it answers and cannot be used.
 * UNKNOWN: a member that we have no address of. */
export const LINK_STATES = [
  'CONNECTING',
  'CONNECTED',
  'SILENT',
  'RETRYING',
  'WRONG_CLUSTER',
  'UNAUTHORIZED',
  'INCOMPATIBLE',
  'UNKNOWN',
] as const;
export type LinkState = (typeof LINK_STATES)[number];

export interface LinkView {
  readonly state: LinkState;
  /** One sentence; '' when connected. */
  readonly reason: string;
  /** Since when, wall clock ms. */
  readonly since: number;
}

/** What is known of one node at one moment: the input of `viewCluster`. */
export interface NodeSample {
  readonly id: string;
  /** HTTP base URL, '' when not known. */
  readonly http: string;
  readonly link: LinkView;
  /** The last status it gave, however old. */
  readonly status?: NodeStatus;
  /** When that was, wall clock ms of whoever looks. */
  readonly statusAt?: number;
}

export type Severity = 'ERROR' | 'WARNING' | 'INFO';

/** Something that is not as it should be, with its reason. Its `code` is stable and unique within its node. */
export interface Problem {
  readonly code: string;
  readonly severity: Severity;
  readonly text: string;
}

export interface NodeView extends NodeSample {
  /** Role as last known; '' when never known. A node that does not answer is shown by what was last known, and its link says so. */
  readonly role: NodeStatus['role'] | '';
  readonly isLeader: boolean;
  /** Against the leader; absent when it is not known. */
  readonly lag?: {
    /** Entries of the leader's log that are not on this node. */
    readonly replicated: Lag;
    /** Committed in the cluster and not known as committed here. */
    readonly committed: Lag;
    /** Committed in the cluster and not applied by the app here. */
    readonly applied: Lag;
  };
  readonly problems: readonly Problem[];
}

export type Health = 'HEALTHY' | 'DEGRADED' | 'NO_LEADER' | 'UNREACHABLE';

export interface ClusterView {
  readonly name: string;
  readonly health: Health;
  /** Node id, '' while none is known. */
  readonly leader: string;
  /** The highest term any node knows. */
  readonly term: number;
  readonly commitIndex: number;
  /** Sorted by id. */
  readonly nodes: readonly NodeView[];
  /** Of the cluster as a whole. */
  readonly problems: readonly Problem[];
}

/** The log of one node, for the matrix: its term runs and marks. */
export interface NodeTerms {
  readonly node: string;
  /** The node's own account, or what the leader knows of it (then `runs` is the leader's up to its match index). */
  readonly source: 'NODE' | 'LEADER';
  readonly terms: TermsView;
}

/** The cluster as its nodes' last words make it. `now`: wall clock ms of whoever looks. Pure. */
export function viewCluster(_name: string, _samples: readonly NodeSample[], _now: number): ClusterView {
  throw new Error('not written yet');
}
