/** Statuses, samples and events of a made-up cluster of n1, n2 and n3, with what a test wants to be different. */
import type { NodeSample } from '../../shared/cluster-view.ts';
import type { EventCause, EventKind, NodeEvent } from '../../shared/events.ts';
import type { Evidence, NodeEvidence } from '../../shared/explain/types.ts';
import type { NodeStatus, ProgressStatus } from '../../shared/inspect.ts';

export const NOW = 1_700_000_000_000;
export const IDS = ['n1', 'n2', 'n3'];

export function progressOf(id: string, over: Partial<ProgressStatus> = {}): ProgressStatus {
  return {
    id,
    matchIndex: 100,
    nextIndex: 101,
    state: 'REPLICATE',
    inflightBytes: 0,
    lagEntries: 0,
    lagMs: 0,
    lastContactMs: 20,
    appliedIndex: 100,
    commitIndex: 100,
    behind: 'NONE',
    ...over,
  };
}

type StatusOver = Omit<Partial<NodeStatus>, 'app' | 'store'> & {
  readonly app?: Partial<NodeStatus['app']>;
  readonly store?: Partial<NodeStatus['store']>;
};

/** A follower of n1 in term 5, in order; `role: 'LEADER'` fills in the progress of the others. */
export function statusOf(node: string, over: StatusOver = {}): NodeStatus {
  const { app, store, ...rest } = over;
  const leads = rest.role === 'LEADER';
  return {
    protocol: 1,
    cluster: 'orders',
    node,
    group: '',
    version: '0.1.0',
    role: 'FOLLOWER',
    term: 5,
    leader: leads ? node : 'n1',
    votedFor: 'n1',
    commitIndex: 100,
    appliedIndex: 100,
    deliveredIndex: 100,
    durableIndex: 100,
    firstIndex: 1,
    lastIndex: 100,
    lastTerm: 5,
    snapshotIndex: 0,
    membership: { voters: IDS, outgoing: [], learners: [] },
    members: IDS.map((id) => ({
      id,
      peer: `127.0.0.1:70${id.slice(1)}`,
      http: `http://127.0.0.1:80${id.slice(1)}`,
      kind: 'VOTER',
      self: id === node,
      connected: true,
      reason: '',
    })),
    progress: leads ? IDS.filter((id) => id !== node).map((id) => progressOf(id)) : [],
    sessions: { open: 0 },
    uptimeMs: 60_000,
    generation: `${node}-a`,
    now: NOW,
    timing: { electionMinMs: 150, electionMaxMs: 300, heartbeatMs: 50 },
    leaderContactMs: leads ? null : 20,
    applyLag: { entries: 0, ms: 0 },
    control: false,
    ...rest,
    app: { state: 'CONNECTED', name: 'kv', epoch: 1, reason: '', since: NOW - 60_000, ...app },
    store: {
      state: 'OK',
      reason: '',
      whole: true,
      queuedWrites: 0,
      queuedBytes: 0,
      oldestWriteMs: 0,
      commits: 10,
      lastCommitMs: 1,
      ...store,
    },
  };
}

export function sampleOf(id: string, over: Partial<NodeSample> = {}): NodeSample {
  return {
    id,
    http: `http://127.0.0.1:80${id.slice(1)}`,
    link: { state: 'CONNECTED', reason: '', since: NOW - 60_000 },
    status: statusOf(id, id === 'n1' ? { role: 'LEADER' } : {}),
    statusAt: NOW,
    ...over,
  };
}

type EventOver = Partial<Omit<NodeEvent, 'kind' | 'cause' | 'seq' | 'node'>>;
export type Told = readonly [kind: EventKind, cause: EventCause, over?: EventOver];

/** Events of one node: numbered from 1, a second apart unless they say otherwise, of term 5. */
export function eventsOf(node: string, told: readonly Told[], generation = `${node}-a`): NodeEvent[] {
  return told.map(([kind, cause, over], i) => ({
    node,
    generation,
    seq: i + 1,
    at: NOW - 30_000 + i * 1_000,
    term: 5,
    kind,
    cause,
    ...over,
  }));
}

export function answers(node: string, status: NodeStatus, told: readonly Told[] = []): NodeEvidence {
  return { node, reachable: true, reason: '', link: 'CONNECTED', status, events: eventsOf(node, told) };
}

export function evidenceOf(...nodes: NodeEvidence[]): Evidence {
  return { cluster: 'orders', now: NOW, nodes };
}
