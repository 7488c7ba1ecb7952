/**
 * Order in what the nodes remember.
 *
 * MUST: order events of one node by process and sequence, and nodes among each other by term alone: wall clocks of nodes
 * differ. A duration measured by one clock, and two times of the same clock, may be compared. MUST be pure.
 */
import type { EventKind, NodeEvent } from '../events.ts';
import type { NodeStatus } from '../inspect.ts';
import type { Evidence, NodeEvidence } from './types.ts';

/** What one run of a node's process recorded, by sequence. */
export interface Life {
  readonly node: string;
  readonly generation: string;
  readonly events: readonly NodeEvent[];
}

/** Who led a term. By Raft's election safety a term has one leader at most. */
export interface Reign {
  readonly term: number;
  readonly leader: string;
}

/** Used where no node told its own: the defaults of the sidecar. */
const DEFAULT_TIMING: NodeStatus['timing'] = { electionMinMs: 150, electionMaxMs: 300, heartbeatMs: 50 };

export function timingOf({ nodes }: Evidence): NodeStatus['timing'] {
  return nodes.find(({ status }) => status !== undefined)?.status?.timing ?? DEFAULT_TIMING;
}

export function nodeOf(evidence: Evidence, id: string): NodeEvidence | undefined {
  return evidence.nodes.find(({ node }) => node === id);
}

/** Its runs in the order in which they are first told of; events that are told twice or are not its own are left out. */
export function livesOf({ node, events }: NodeEvidence): Life[] {
  const lives = new Map<string, Map<number, NodeEvent>>();
  for (const event of events) {
    if (event.node !== node) continue;
    const life = lives.get(event.generation) ?? new Map<number, NodeEvent>();
    lives.set(event.generation, life.set(event.seq, event));
  }
  return [...lives].map(([generation, life]) => ({
    node,
    generation,
    events: [...life.values()].sort((a, b) => a.seq - b.seq),
  }));
}

/** All of its events, in order. */
export function eventsOf(node: NodeEvidence | undefined): NodeEvent[] {
  return node === undefined ? [] : livesOf(node).flatMap(({ events }) => events);
}

export function last(
  events: readonly NodeEvent[],
  test: (event: NodeEvent) => boolean,
): NodeEvent | undefined {
  for (let i = events.length - 1; i >= 0; i--) {
    const event = events[i];
    if (event !== undefined && test(event)) return event;
  }
  return undefined;
}

export function lastOfKinds(
  events: readonly NodeEvent[],
  kinds: readonly EventKind[],
  peer?: string,
): NodeEvent | undefined {
  return last(events, (event) => kinds.includes(event.kind) && (peer === undefined || event.peer === peer));
}

/** All terms whose leader some node named, ascending. */
export function reignsOf(evidence: Evidence): Reign[] {
  const leaders = new Map<number, string>();
  const tell = (term: number, leader: string | null | undefined): void => {
    if (leader !== null && leader !== undefined && leader !== '' && !leaders.has(term))
      leaders.set(term, leader);
  };
  for (const node of evidence.nodes) {
    for (const event of eventsOf(node)) {
      if (event.kind === 'ROLE') tell(event.term, event.role === 'LEADER' ? node.node : event.leader);
    }
    const { status } = node;
    if (status !== undefined) tell(status.term, status.role === 'LEADER' ? node.node : status.leader);
  }
  return [...leaders].map(([term, leader]) => ({ term, leader })).sort((a, b) => a.term - b.term);
}

/** The event with which a node took the leadership of a term. */
export function electionOf(evidence: Evidence, { term, leader }: Reign): NodeEvent | undefined {
  return eventsOf(nodeOf(evidence, leader)).find(
    (event) => event.kind === 'ROLE' && event.role === 'LEADER' && event.term === term,
  );
}

/** Why the winner of `won` had begun to campaign: the last reason before its victory. */
export function triggerOf(evidence: Evidence, won: Reign): NodeEvent | undefined {
  const election = electionOf(evidence, won);
  if (election === undefined) return undefined;
  const before = lifeOf(evidence, election).filter(({ seq }) => seq < election.seq);
  return last(
    before,
    ({ kind, role, cause }) => kind === 'ROLE' && role === 'CANDIDATE' && cause !== 'PRE_VOTE_WON',
  );
}

/** The events of the process that recorded `event`. */
export function lifeOf(evidence: Evidence, { node, generation }: NodeEvent): readonly NodeEvent[] {
  const owner = nodeOf(evidence, node);
  if (owner === undefined) return [];
  return livesOf(owner).find((life) => life.generation === generation)?.events ?? [];
}

/** Votes that elected the leader of a term, as it received them. */
export function votesFor(evidence: Evidence, { term, leader }: Reign): NodeEvent[] {
  return eventsOf(nodeOf(evidence, leader)).filter(
    (event) =>
      event.kind === 'VOTE_RECEIVED' &&
      event.term === term &&
      event.granted === true &&
      event.preVote !== true,
  );
}
