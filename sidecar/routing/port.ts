/**
 * What routing asks of whoever hosts it (the daemon, the simulator). Routing itself is pure: no clock, no I/O; time comes
 * in with each call.
 */
import type { Refusal } from '../../shared/codes.ts';
import type { Command, RoutingMessage } from '../../shared/messages.ts';

export interface ProposalOutcome {
  /** Where it took effect: for a duplicate, where the first one did. */
  readonly index: number;
  readonly term: number;
  readonly result?: Uint8Array;
  /** It took effect before: an earlier try of the same command. */
  readonly duplicate?: boolean;
  /** A duplicate whose result this node no longer has, if there ever was one. */
  readonly resultLost?: boolean;
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
  /** Whose it is: clients are served in turn. Those without one share a lane. */
  readonly lane?: object | undefined;
  // -- routing's own
  /** Given to a leader, and not known to be committed. */
  underWay: boolean;
  /** Where the command stands in some leader's log; 0 while it is in none that we know of. */
  index: number;
  term: number;
  /** How often it went out again: surely lost by a change of leader, or in a session. */
  lost: number;
  /** An earlier try may have been taken: no refusal of a later one is definite for the command. */
  unsure: boolean;
}

/** Everything about a ticket that its caller decides. */
export type TicketRequest = Omit<Ticket, 'underWay' | 'index' | 'term' | 'lost' | 'unsure'>;

export function ticketOf(request: TicketRequest): Ticket {
  return { ...request, underWay: false, index: 0, term: 0, lost: 0, unsure: false };
}

export interface RoutingPort {
  readonly id: string;
  readonly group: string;
  /**
   * Requests are numbered from here: somewhere else in each life of a node (at random, or by the number of its life), so
   * that a late answer to an earlier life is not taken for an answer to ours.
   */
  readonly firstRequestId: number;
  /** A message to this node itself comes back to it before the call returns. */
  send(message: RoutingMessage): void;
  /**
   * Appends to our own log, if we lead. Returns where, or undefined when the core surely refused (and why it is worth
   * trying elsewhere, or not). Never called with commands of sessions: those go through `send`, also to ourselves.
   */
  propose(
    commands: readonly Command[],
  ): { firstIndex: number; term: number } | { refused: 'NOT_LEADER' | 'OVERLOADED' };
  /** For the record: a batch of our own clients stands at `first`…`last` of a leader's log; its oldest command waited since then. */
  placed?(first: number, last: number, waitedSince: number): void;
  /** Asks our own core for a read index; it answers through `ReadRouter.localReadIndex` with the same number. */
  requestReadIndex(ref: number): void;
  /** Term of our own log at a committed index; undefined where the log does not reach back to it any more. */
  termAt(index: number): number | undefined;
  /** What a ticket's client is told, now that the entry at the ticket's index is decided (and applied, where it waits for that). */
  outcomeOf(ticket: Ticket): ProposalOutcome | Refusal;
}
