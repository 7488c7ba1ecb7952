/** A proposal as it waits in a gateway, for tests of the parts that hold it. */
import type { Ticket } from '../../sidecar/gateway/ticket.ts';

export function ticketOf(
  more: Pick<Ticket, 'number' | 'line' | 'bytes' | 'notBefore'> & Partial<Ticket>,
): Ticket {
  return {
    kind: 'propose',
    lane: 'LEADER',
    repeatable: false,
    leaderOnly: false,
    timeoutMs: 1,
    frame: (id) => ({ type: 'ping', id }),
    done: () => undefined,
    arrived: 0,
    deadline: 1,
    state: 'WAITING',
    unsure: false,
    tries: 0,
    sentAt: 0,
    refusedBy: [],
    ...more,
  };
}
