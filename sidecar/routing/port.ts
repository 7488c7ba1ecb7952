/**
 * What routing asks of whoever hosts it (the daemon, the simulator, later the gateway). Routing itself is pure: no
 * clock, no I/O; time comes in with each call.
 */
import type { Refusal } from '../../shared/codes.ts';
import type { Command, RoutingMessage } from '../../shared/messages.ts';

export interface ProposalOutcome {
  readonly index: number;
  readonly term: number;
  readonly result?: Uint8Array;
}

/** One command that a client gave to this node, until it is answered. */
export interface Ticket extends Command {
  /** Only in this term, and only by this node as leader; undefined: whoever leads. */
  readonly expectedTerm: number | undefined;
  readonly wait: 'APPLIED' | 'COMMITTED';
  /** On the host's monotonic clock, ms. */
  readonly deadline: number;
  /** Called exactly once. */
  readonly done: (outcome: ProposalOutcome | Refusal) => void;
  // -- routing's own
  /** Where the command stands in some leader's log; 0 while it is in none that we know of. */
  index: number;
  term: number;
  /** How often it was surely lost by a change of leader. */
  lost: number;
}

export interface RoutingPort {
  readonly id: string;
  readonly group: string;
  /**
   * Requests are numbered from here: somewhere else in each life of a node (at random, or by the number of its life), so
   * that a late answer to an earlier life is not taken for an answer to ours.
   */
  readonly firstRequestId: number;
  send(message: RoutingMessage): void;
  /**
   * Appends to our own log, if we lead. Returns where, or undefined when the core surely refused (and why it is worth
   * trying elsewhere, or not).
   */
  propose(
    commands: readonly Command[],
  ): { firstIndex: number; term: number } | { refused: 'NOT_LEADER' | 'OVERLOADED' };
  /** For the record: a batch of our own clients stands at `first`…`last` of a leader's log; its oldest command waited since then. */
  placed?(first: number, last: number, waitedSince: number): void;
  /** Asks our own core for a read index; it answers through `ReadRouter.localReadIndex` with the same number. */
  requestReadIndex(ref: number): void;
  /** Term of our own log at a committed index. */
  termAt(index: number): number | undefined;
  /** The app's result at an index it has applied lately, if it gave one and we still have it. */
  resultAt(index: number): Uint8Array | undefined;
}
