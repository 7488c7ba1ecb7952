/** Forwarding and the watch-point, case by case (the simulation has them in whole clusters). */
import assert from 'node:assert/strict';
import type { Refusal } from '../../shared/codes.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { ForwardPropose, RoutingMessage } from '../../shared/messages.ts';
import {
  type ProposalOutcome,
  type RoutingPort,
  type Ticket,
  type TicketRequest,
  ticketOf,
} from '../../sidecar/routing/port.ts';
import { type ProposalLimits, ProposalRouter } from '../../sidecar/routing/proposals.ts';

const LOST_REPLY_MS = 300;

const REQUEST = {
  command: Buffer.from('x'),
  session: 0,
  sequence: 0,
  expectedTerm: undefined,
  wait: 'APPLIED',
  deadline: 10_000,
} as const;

class Host implements RoutingPort {
  readonly id = 'n1';
  readonly group = '';
  readonly firstRequestId = 1;
  readonly sent: RoutingMessage[] = [];
  readonly terms = new Map<number, number>();
  readonly outcomes: (ProposalOutcome | Refusal)[] = [];
  readonly router: ProposalRouter;
  constructor(limits: Partial<ProposalLimits> = {}) {
    this.router = new ProposalRouter(this, {
      pendingRequests: 10,
      pendingBytes: 1_000,
      window: 100,
      windowBytes: 1_000_000,
      reforwards: 2,
      lostReplyMs: LOST_REPLY_MS,
      ...limits,
    });
  }
  answer: ReturnType<RoutingPort['propose']> = { refused: 'NOT_LEADER' };
  send(message: RoutingMessage): void {
    this.sent.push(message);
  }
  propose(): ReturnType<RoutingPort['propose']> {
    return this.answer;
  }
  requestReadIndex(): void {
    assert.fail('no reads here');
  }
  termAt(index: number): number | undefined {
    return this.terms.get(index);
  }
  outcomeOf({ index, term, wait }: Ticket): ProposalOutcome | Refusal {
    return wait === 'COMMITTED' ? { index, term } : { index, term, result: Buffer.from(`result ${index}`) };
  }

  take(more: Partial<TicketRequest> = {}): void {
    this.router.take(ticketOf({ ...REQUEST, done: (outcome) => this.outcomes.push(outcome), ...more }));
    this.router.flush();
  }

  /** What was last forwarded. */
  get forwarded(): ForwardPropose {
    return this.sent.filter((m) => m.type === 'ForwardPropose').at(-1) as ForwardPropose;
  }

  /** `from` answers a part of the batch `id`. */
  saysOf(id: number, from: string, offset: number, count: number, firstIndex: number, refused = ''): void {
    const head = { type: 'ForwardProposed', group: '', from, to: 'n1', id, offset, count } as const;
    this.router.receiveProposed({ ...head, firstIndex, term: 4, refused, leader: '' }, 0, 0, 0);
  }

  /** `from` says where it put the batch `id`, or refuses it. */
  says(
    id: number,
    from: string,
    firstIndex: number,
    term: number,
    refused = '',
    commit = 0,
    applied = 0,
  ): void {
    const head = { type: 'ForwardProposed', group: '', from, to: 'n1', id, offset: 0, count: 0 } as const;
    const message = { ...head, firstIndex, term, refused, leader: '' };
    this.router.receiveProposed(message, commit, applied, applied);
  }

  commits(before: number, now: number, term: number): void {
    for (let index = before + 1; index <= now; index++) this.terms.set(index, term);
    this.router.committed(before, now);
  }

  codes(): (string | undefined)[] {
    return this.outcomes.map((outcome) => ('code' in outcome ? outcome.code : undefined));
  }
}

describe('proposals on a node that does not lead', () => {
  let host: Host;
  beforeEach(() => {
    host = new Host();
    host.router.leaderIs('n2', 4, 0);
  });

  it('are answered when our own app has applied what our own log committed in the same term', () => {
    host.take();
    host.says(host.forwarded.id, 'n2', 7, 4);
    host.commits(0, 7, 4);
    assert.deepEqual(host.outcomes, []);
    host.router.applied(0, 7);
    assert.deepEqual(host.outcomes, [{ index: 7, term: 4, result: Buffer.from('result 7') }]);
    assert.equal(host.router.pending, 0);
  });

  it('with COMMITTED are answered at the commit', () => {
    host.take({ wait: 'COMMITTED' });
    host.says(host.forwarded.id, 'n2', 7, 4);
    host.commits(0, 7, 4);
    assert.deepEqual(host.outcomes, [{ index: 7, term: 4 }]);
  });

  it('go out again when another term is committed at their index: they are surely lost', () => {
    host.take();
    host.says(host.forwarded.id, 'n2', 7, 4);
    host.router.leaderIs('n3', 5, 10);
    host.commits(0, 7, 5);
    host.router.flush();
    assert.equal(host.forwarded.to, 'n3');
    assert.equal(host.sent.length, 2);
    assert.deepEqual(host.outcomes, []);
    assert.equal(host.router.reforwarded, 1);
  });

  it('do not go out again while their reply is missing: LEADER_LOST, indefinite', () => {
    host.take();
    host.router.leaderIs('n3', 5, 10);
    host.router.flush();
    assert.equal(host.sent.length, 1);
    host.router.expire(10 + LOST_REPLY_MS - 1);
    assert.deepEqual(host.outcomes, []);
    host.router.expire(10 + LOST_REPLY_MS);
    assert.deepEqual(host.codes(), ['LEADER_LOST']);
  });

  it('go elsewhere when the leader surely did not take them', () => {
    host.take();
    host.says(host.forwarded.id, 'n2', 0, 0, 'NOT_LEADER');
    host.router.leaderIs('n3', 5, 10);
    host.router.flush();
    assert.equal(host.forwarded.to, 'n3');
  });

  it('that are lost too often are refused, definitely', () => {
    host.take();
    for (const term of [4, 6, 8]) {
      host.router.leaderIs('n2', term, 0);
      host.router.flush();
      host.says(host.forwarded.id, 'n2', term, term);
      host.commits(term - 1, term, term + 1);
    }
    assert.deepEqual(host.codes(), ['OVERLOADED']);
  });

  it('are answered though the log went past their index before the reply came', () => {
    host.take();
    for (let index = 1; index <= 9; index++) host.terms.set(index, 4);
    host.says(host.forwarded.id, 'n2', 7, 4, '', 9, 8);
    assert.equal(host.outcomes.length, 1);
    assert.equal('index' in (host.outcomes[0] ?? {}), true);
  });

  it('ignore an answer of a node they were not sent to', () => {
    host.take();
    host.says(host.forwarded.id, 'n3', 7, 4);
    host.commits(0, 7, 4);
    host.router.applied(0, 7);
    assert.deepEqual(host.outcomes, []);
  });

  it('wait for a leader, and time out without one', () => {
    host.router.leaderIs('', 4, 0);
    host.take({ deadline: 50 });
    host.router.expire(49);
    assert.deepEqual(host.outcomes, []);
    host.router.expire(50);
    assert.deepEqual(host.codes(), ['TIMEOUT']);
    assert.equal(host.sent.length, 0);
  });

  it('with a term of their own are refused here, and never forwarded', () => {
    host.take({ expectedTerm: 4 });
    assert.deepEqual(host.codes(), ['NOT_LEADER']);
    assert.equal(host.sent.length, 0);
  });

  it('over the limit are refused, and the others are not harmed', () => {
    for (let i = 0; i < 11; i++) host.take();
    assert.deepEqual(host.codes(), ['OVERLOADED']);
    assert.equal(host.router.pending, 10);
  });

  it('are given to the leader as far as the window is open, from all clients in turn', () => {
    const narrow = new Host({ window: 3 });
    narrow.router.leaderIs('n2', 4, 0);
    const [crowd, single] = [{}, {}];
    const command = (text: string) => Buffer.from(text);
    for (const text of ['c1', 'c2', 'c3', 'c4', 'c5']) {
      narrow.router.take(
        ticketOf({ ...REQUEST, command: command(text), lane: crowd, done: () => undefined }),
      );
    }
    narrow.router.take(ticketOf({ ...REQUEST, command: command('s1'), lane: single, done: () => undefined }));
    narrow.router.flush();
    const texts = (): string[] => narrow.forwarded.commands.map((one) => Buffer.from(one.command).toString());
    assert.deepEqual(texts(), ['c1', 's1', 'c2']);
    narrow.router.flush();
    assert.deepEqual([narrow.sent.length, narrow.router.waiting], [1, 3]);
    narrow.says(narrow.forwarded.id, 'n2', 7, 4);
    narrow.terms.set(7, 4);
    narrow.terms.set(8, 4);
    narrow.commits(6, 8, 4);
    narrow.router.flush();
    assert.deepEqual(texts(), ['c3', 'c4'], 'two are committed, though not applied');
    assert.equal(narrow.router.pending, 6);
  });

  it('over the limit of bytes are refused, and there is room again when they are answered', () => {
    host.take({ command: Buffer.alloc(999) });
    host.take({ command: Buffer.alloc(5_000) });
    host.take();
    assert.deepEqual(host.codes(), ['OVERLOADED']);
    assert.equal(host.router.pendingBytes, 5_999);
    host.router.expire(REQUEST.deadline);
    assert.deepEqual([host.router.pending, host.router.pendingBytes], [0, 0]);
    host.take();
    assert.equal(host.router.pending, 1);
  });

  it('are answered in parts where some of a batch wait for others', () => {
    for (const sequence of [3, 1, 2]) {
      host.router.take(ticketOf({ ...REQUEST, session: 9, sequence, done: (o) => host.outcomes.push(o) }));
    }
    host.router.flush();
    const { id } = host.forwarded;
    host.saysOf(id, 'n2', 1, 2, 7);
    host.saysOf(id, 'n2', 1, 2, 20);
    host.saysOf(id, 'n2', 0, 1, 0, 'SEQUENCE_GAP');
    host.saysOf(id, 'n2', 0, 3, 30);
    host.commits(0, 30, 4);
    host.router.applied(0, 30);
    assert.deepEqual(host.codes(), ['SEQUENCE_GAP', undefined, undefined]);
    assert.deepEqual(
      host.outcomes.map((outcome) => ('index' in outcome ? outcome.index : 0)),
      [0, 7, 8],
    );
    assert.equal(host.router.pending, 0);
  });

  it('of a session go out again though their reply is missing, and no later refusal is definite', () => {
    host.take({ session: 9, sequence: 1 });
    host.router.leaderIs('n3', 5, 10);
    host.router.expire(10 + LOST_REPLY_MS);
    host.router.flush();
    assert.deepEqual([host.sent.length, host.forwarded.to, host.router.reforwarded], [2, 'n3', 1]);
    host.says(host.forwarded.id, 'n3', 0, 0, 'OVERLOADED');
    assert.deepEqual(host.codes(), ['LEADER_LOST']);
  });

  it('of a session with COMMITTED are answered when they are decided', () => {
    host.take({ session: 9, sequence: 1, wait: 'COMMITTED' });
    host.says(host.forwarded.id, 'n2', 7, 4);
    host.commits(0, 7, 4);
    assert.deepEqual(host.outcomes, []);
    host.router.decided(0, 7);
    assert.deepEqual(host.outcomes, [{ index: 7, term: 4 }]);
  });

  it('are not sent round and round by nodes that each take another for the leader', () => {
    host.take();
    const { id } = host.forwarded;
    const bounce = (from: string, leader: string): void => {
      const head = { type: 'ForwardProposed', group: '', from, to: 'n1', offset: 0, count: 1 } as const;
      const message = {
        ...head,
        id: host.forwarded.id,
        firstIndex: 0,
        term: 0,
        refused: 'NOT_LEADER',
        leader,
      };
      host.router.receiveProposed(message, 0, 0, 0);
      host.router.flush();
    };
    for (let i = 0; i < 10; i++) bounce(i % 2 === 0 ? 'n2' : 'n3', i % 2 === 0 ? 'n3' : 'n2');
    assert.equal(host.sent.length, 1 + LIMITS.forwardHops);
    assert.equal(host.router.waiting, 1);
    host.router.leaderIs('n2', 4, 20);
    host.router.flush();
    assert.ok(host.forwarded.id > id);
    assert.equal(host.router.waiting, 0);
  });

  it('are all answered once when the node stops', () => {
    host.take();
    host.take();
    host.says(host.forwarded.id, 'n2', 7, 4);
    host.router.close();
    assert.deepEqual(host.codes(), ['SHUTTING_DOWN', 'SHUTTING_DOWN']);
    host.commits(0, 7, 4);
    host.router.applied(0, 7);
    assert.equal(host.outcomes.length, 2);
  });
});

describe('proposals on the leader', () => {
  it('in an expected term fail with TERM_CHANGED when that term ended before they were committed', () => {
    const host = new Host();
    host.router.leaderIs('n1', 4, 0);
    host.answer = { firstIndex: 7, term: 4 };
    host.take({ expectedTerm: 4 });
    host.take({ expectedTerm: 3 });
    host.commits(0, 7, 5);
    assert.deepEqual(host.codes(), ['TERM_CHANGED', 'TERM_CHANGED']);
  });

  it('wait when the core does not take them now', () => {
    const host = new Host();
    host.router.leaderIs('n1', 4, 0);
    host.take();
    assert.equal(host.router.waiting, 1);
    host.answer = { firstIndex: 7, term: 4 };
    host.router.flush();
    assert.equal(host.router.waiting, 0);
    assert.equal(host.sent.length, 0);
  });
});
