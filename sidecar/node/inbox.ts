/** Hands each message of a peer to the part of the node that it is for. */
import type { PeerMessage, RaftMessage } from '../../shared/messages.ts';
import type { Node } from './node.ts';

export function takeMessage(node: Node, message: PeerMessage): void {
  switch (message.type) {
    case 'ForwardPropose':
      return node.peerRequests.takeForwarded(message.from, message.id, message.commands);
    case 'ForwardProposed': {
      const { position } = node.sessions.machine.ahead;
      node.proposals.receiveProposed(message, node.driver.raft.commitIndex, position, node.app.applied);
      return node.wake();
    }
    case 'ForwardRead':
      return node.peerRequests.askReadIndex({ from: message.from, id: message.id });
    case 'ForwardReadIndex':
      node.reads.receiveReadIndex(message);
      return node.wake();
    case 'AskReply':
      return node.peerRequests.tellReply(message);
    case 'TellReply':
      return node.lostReplies.receive(message);
    case 'AskVersion':
      return node.peerRequests.tellVersion(message);
    case 'TellVersion':
      return node.versionPoll.receive(message);
    case 'AppHashes':
      return node.states.receiveHashes(message);
    case 'AppVerdict':
      return node.states.receiveVerdict(message);
    case 'SnapshotAsk':
    case 'SnapshotData':
      return node.snapshots?.receive(message);
    case 'ForwardChange':
      return node.members.receiveChange(message);
    case 'ForwardChanged':
      return node.members.receiveChanged(message);
    case 'ForwardTransfer':
      if (node.driver.raft.role === 'LEADER') node.driver.step({ type: 'transfer', to: message.target });
      return;
    default:
      return node.driver.receive(message satisfies RaftMessage);
  }
}
