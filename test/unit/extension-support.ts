/** Clusters, nodes and events for tests of the editor's side, each complete, with what a test wants different. */

import type { ClusterView, NodeView } from '../../shared/cluster-view.ts';
import type { NodeEvent } from '../../shared/events.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import { QUIET_STATUS } from '../support/quiet.ts';

export function status(node: string, given: Partial<NodeStatus> = {}): NodeStatus {
  return {
    protocol: 1,
    cluster: 'orders',
    node,
    group: '',
    version: '0.1.0',
    role: 'FOLLOWER',
    term: 7,
    leader: 'n1',
    votedFor: 'n1',
    commitIndex: 1_204_331,
    appliedIndex: 1_204_331,
    deliveredIndex: 1_204_331,
    durableIndex: 1_204_331,
    firstIndex: 1,
    lastIndex: 1_204_331,
    lastTerm: 7,
    snapshotIndex: 0,
    membership: { voters: ['n1', 'n2', 'n3'], outgoing: [], learners: [] },
    members: [],
    progress: [],
    app: { state: 'CONNECTED', name: 'kv', epoch: 1, reason: '', since: 0 },
    ...QUIET_STATUS,
    uptimeMs: 60_000,
    generation: 'g1',
    now: 0,
    leaderContactMs: 10,
    applyLag: { entries: 0, ms: 0 },
    ...given,
  };
}

const NONE = { entries: 0, ms: 0 };

export function node(id: string, given: Partial<NodeView> = {}): NodeView {
  return {
    id,
    http: `http://127.0.0.1:700${id.slice(1)}`,
    link: { state: 'CONNECTED', reason: '', since: 0 },
    role: 'FOLLOWER',
    isLeader: false,
    status: status(id),
    statusAt: 1_000,
    lag: { replicated: NONE, committed: NONE, applied: NONE },
    problems: [],
    ...given,
  };
}

export function leader(id: string, given: Partial<NodeView> = {}): NodeView {
  return node(id, { role: 'LEADER', isLeader: true, status: status(id, { role: 'LEADER' }), ...given });
}

export function cluster(given: Partial<ClusterView> = {}): ClusterView {
  return {
    name: 'orders',
    health: 'HEALTHY',
    leader: 'n1',
    term: 7,
    commitIndex: 1_204_331,
    nodes: [leader('n1'), node('n2'), node('n3')],
    problems: [],
    ...given,
  };
}

export function event(node: string, seq: number, given: Partial<NodeEvent> = {}): NodeEvent {
  return {
    node,
    generation: 'g1',
    seq,
    at: seq * 10,
    kind: 'COMMIT',
    term: 7,
    cause: 'QUORUM',
    index: seq,
    entries: 1,
    ...given,
  };
}

/** Is there nothing in it that a terminal, a renderer or an eye could be fooled by? */
export function isHarmless(text: string): boolean {
  return !['\u001b', '\n', '\u202e'].some((sign) => text.includes(sign));
}
