/**
 * A cluster as every view shows it: the tree, the status bar, the panel and the sidecar's own page.
 *
 * MUST: be plain data made by pure functions of what the nodes said; say of each lag which one it is (replicated,
 * committed, applied), and of each state that is not healthy why.
 */
import type { Lag, NodeStatus, TermsView } from './inspect.ts';
import { lagsOf } from './view/lags.ts';
import { isAnswering, whoLeads } from './view/leadership.ts';
import { type PlantedFault, plantedIn } from './view/planted.ts';
import { clusterProblems, nodeProblems, type Situation } from './view/problems.ts';

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
  /** Faults that somebody planted in it; absent where there are none. */
  readonly planted?: readonly PlantedFault[];
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

/**
 * The cluster as its nodes' last words make it. `now`: wall clock ms of whoever looks. Pure, and the same for any order of
 * `samples`. Members that nobody watches appear with the link UNKNOWN.
 */
export function viewCluster(name: string, samples: readonly NodeSample[], now: number): ClusterView {
  const own = [...samples].map((sample) => ofCluster(name, sample)).sort(byId);
  const everyone = [...own, ...unwatched(own)].sort(byId);
  const answering = everyone.filter(isAnswering);
  const leadership = whoLeads(answering, now);
  const leader = answering.find(({ id }) => id === leadership.leader);
  const situation = { now, leadership, leader };
  const nodes = everyone.map((sample) => viewNode(sample, situation));
  const problems = clusterProblems(answering, everyone.length, situation);
  const statuses = everyone.flatMap(({ status }) => (status === undefined ? [] : [status]));
  return {
    name,
    health: healthOf(answering.length, leadership.leader, nodes, problems),
    leader: leadership.leader,
    term: Math.max(0, ...statuses.map(({ term }) => term)),
    commitIndex: Math.max(0, ...statuses.map(({ commitIndex }) => commitIndex)),
    nodes,
    problems,
  };
}

function byId(a: NodeSample, b: NodeSample): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** A node of another cluster says nothing of this one: its status does not count. */
function ofCluster(name: string, sample: NodeSample): NodeSample {
  const { status, link } = sample;
  if (status === undefined || (status.cluster === name && link.state !== 'WRONG_CLUSTER')) return sample;
  const { status: _status, statusAt: _statusAt, ...rest } = sample;
  if (link.state === 'WRONG_CLUSTER') return rest;
  const reason = `it belongs to the cluster ${status.cluster}, not to ${name}`;
  return { ...rest, link: { state: 'WRONG_CLUSTER', reason, since: link.since } };
}

/** Members that some node names and nobody watches. */
function unwatched(samples: readonly NodeSample[]): NodeSample[] {
  const known = new Set(samples.map(({ id }) => id));
  const found: NodeSample[] = [];
  for (const { id: teller, status, statusAt } of samples) {
    for (const { id, http } of status?.members ?? []) {
      if (known.has(id)) continue;
      known.add(id);
      const reason = `${teller} names it as a member; it is not watched`;
      found.push({ id, http, link: { state: 'UNKNOWN', reason, since: statusAt ?? 0 } });
    }
  }
  return found;
}

function viewNode(sample: NodeSample, situation: Situation): NodeView {
  const { leader, leadership, now } = situation;
  const lag = leader === undefined ? undefined : lagsOf(sample, leader, now);
  const planted = plantedIn(sample, now);
  return {
    ...sample,
    role: sample.status?.role ?? '',
    isLeader: sample.id === leadership.leader,
    ...(lag === undefined ? {} : { lag }),
    problems: nodeProblems(sample, lag, situation, planted),
    ...(planted.length === 0 ? {} : { planted }),
  };
}

function healthOf(
  answering: number,
  leader: string,
  nodes: readonly NodeView[],
  problems: readonly Problem[],
): Health {
  if (answering === 0) return 'UNREACHABLE';
  if (leader === '') return 'NO_LEADER';
  const all = [...problems, ...nodes.flatMap((node) => node.problems)];
  return all.some(({ severity }) => severity !== 'INFO') ? 'DEGRADED' : 'HEALTHY';
}
