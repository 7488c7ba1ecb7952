/** Where a node stands, for one scrape of the metrics. */
import type { Sample } from '../record/metrics.ts';
import type { Node } from './node.ts';

export function sampleNode(node: Node, deliveredIndex: number): Sample {
  const { raft } = node.driver;
  const store = node.options.store.stats();
  const lag = new Map(raft.progress().map((p) => [p.id, raft.log.lastIndex - p.match]));
  return {
    role: raft.role,
    isLeader: raft.holdsQuorum(),
    term: raft.term,
    commitIndex: raft.commitIndex,
    appliedIndex: node.app.applied,
    deliveredIndex,
    durableIndex: raft.durableIndex,
    lastIndex: raft.log.lastIndex,
    storeQueueBytes: store.queuedBytes,
    storeOldestWriteMs: store.oldestWriteMs,
    appState: node.app.state,
    peers: node.options.transport.links().map((link) => ({
      id: link.id,
      matchLagEntries: lag.get(link.id),
      droppedMessages: link.droppedMessages,
      queueBytes: link.queuedBytes,
    })),
  };
}
