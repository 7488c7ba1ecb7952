/** What a node knows of itself, for one scrape of the metrics. */
import { CONSISTENCIES, type Metrics, type Sample } from '../record/metrics.ts';
import type { Node } from './node.ts';

export function sampleNode(node: Node, deliveredIndex: number, certificates: Sample['certificates']): Sample {
  const { raft } = node.driver;
  const store = node.options.store.stats();
  const lag = new Map(raft.progress().map((p) => [p.id, raft.log.lastIndex - p.match]));
  return {
    role: raft.role,
    isLeader: raft.holdsQuorum(performance.now()),
    term: raft.term,
    commitIndex: raft.commitIndex,
    appliedIndex: node.app.applied,
    deliveredIndex,
    durableIndex: raft.durableIndex,
    lastIndex: raft.log.lastIndex,
    storeQueueBytes: store.queuedBytes,
    storeOldestWriteMs: store.oldestWriteMs,
    appState: node.app.state,
    appCondition: node.app.condition,
    appFit: node.app.fit,
    appVersion: node.sessions.machine.table.appVersion,
    appKnows: node.app.knows,
    appsDiffer: new Set(node.states.findings.flatMap(({ nodes }) => nodes)).size,
    appsEqualAt: node.states.equalAt,
    appIncidents: node.app.incidentCounts,
    peers: node.options.transport.links().map((link) => ({
      id: link.id,
      matchLagEntries: lag.get(link.id),
      droppedMessages: link.droppedMessages,
      queueBytes: link.queuedBytes,
    })),
    sessions: node.sessions.machine.table.size,
    sessionCommandsHeld: node.sessions.held,
    sessionReplyBytes: node.sessions.machine.replyBytes,
    snapshots: node.snapshots?.sample(),
    certificates,
  };
}

/** Hands over how requests ended since the last scrape. */
export function reportOutcomes(node: Node, metrics: Metrics): void {
  for (const [outcome, times] of node.proposals.outcomes.take()) metrics.countProposal(outcome, times);
  for (const [outcome, times] of node.proposals.forwards.take()) metrics.countForward(outcome, times);
  for (const consistency of CONSISTENCIES) {
    for (const [outcome, times] of node.readOutcomes[consistency].take())
      metrics.countRead(consistency, outcome, times);
  }
}
