/**
 * What the node asks of the sidecar-to-sidecar transport.
 *
 * The transport MUST keep the order of messages of one connection, and MAY lose any of them: Raft does not
 * mind. It MUST NOT block, retry a message, or deliver one from another cluster or another node than said.
 */
import type { PeerMessage } from '../../shared/messages.ts';

export interface PeerAddress {
  readonly id: string;
  readonly host: string;
  readonly port: number;
}

export interface PeerLinkStatus {
  readonly id: string;
  readonly address: string;
  /** State of our outgoing connection to that peer. */
  readonly state: 'CONNECTING' | 'CONNECTED' | 'WAITING' | 'REFUSED';
  /** Why it is not connected, one sentence; '' when connected. */
  readonly reason: string;
  readonly queuedBytes: number;
  readonly droppedMessages: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** That peer's HTTP base URL, once the handshake told us; '' before. */
  readonly http: string;
  /** What that peer knows (`features.ts`), as it said when we met last; undefined before. */
  readonly features: number | undefined;
}

export interface TransportListener {
  message(message: PeerMessage): void;
  /** A link came up or went down; for events and metrics. OUT is the one we dialled and send on. */
  link?(id: string, up: boolean, reason: string, direction: 'OUT' | 'IN'): void;
}

export interface Transport {
  /** Binds the listener and starts dialling. Resolves with what was bound. Rejects with one clear sentence. */
  start(listener: TransportListener): Promise<{ host: string; port: number }>;
  /** Replaces the members (ourselves may be among them). Links to those that left close, new ones are dialled. */
  setMembers(members: readonly PeerAddress[]): void;
  /** Our own HTTP base URL, told to peers in each later handshake. */
  announceHttp(url: string): void;
  /** Queues one message for `message.to`; drops it (and counts) when the queue is full or there is no link. */
  send(message: PeerMessage): void;
  links(): PeerLinkStatus[];
  /** Flushes what can be flushed at once, then closes everything. */
  close(): Promise<void>;
}
