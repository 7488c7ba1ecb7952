/** Reads in routing, case by case (the simulation has them in whole clusters). */
import assert from 'node:assert/strict';
import type { Refusal } from '../../shared/codes.ts';
import type { ForwardRead, RoutingMessage } from '../../shared/messages.ts';
import type { RoutingPort } from '../../sidecar/routing/port.ts';
import { ReadRouter } from '../../sidecar/routing/reads.ts';

const ASK_AGAIN_MS = 150;
const PENDING = 10;
const NEVER = Number.MAX_SAFE_INTEGER;

class Host implements RoutingPort {
  readonly id = 'n1';
  readonly group = '';
  readonly firstRequestId = 7;
  readonly sent: RoutingMessage[] = [];
  readonly asked: number[] = [];
  readonly outcomes: ({ readonly index: number } | Refusal)[] = [];
  readonly router = new ReadRouter(this, { pendingRequests: PENDING, askAgainMs: ASK_AGAIN_MS });

  send(message: RoutingMessage): void {
    this.sent.push(message);
  }
  requestReadIndex(ref: number): void {
    this.asked.push(ref);
  }
  propose(): never {
    assert.fail('no proposals here');
  }
  termAt(): never {
    assert.fail('no proposals here');
  }
  outcomeOf(): never {
    assert.fail('no proposals here');
  }

  take(index: number | undefined, deadline = NEVER): void {
    this.router.take({ index, deadline, done: (outcome) => this.outcomes.push(outcome) });
  }

  get codes(): (string | number)[] {
    return this.outcomes.map((outcome) => ('code' in outcome ? outcome.code : outcome.index));
  }

  answer({ id }: ForwardRead, index: number, from = 'n2', refused = ''): void {
    this.router.receiveReadIndex({
      type: 'ForwardReadIndex',
      group: '',
      from,
      to: 'n1',
      id,
      index,
      refused,
      leader: from,
    });
  }
}

function questions(host: Host): ForwardRead[] {
  return host.sent.filter((message) => message.type === 'ForwardRead');
}

describe('reads in routing', () => {
  it('share one question, and wait for the app', () => {
    const host = new Host();
    host.router.leaderIs('n2');
    for (let i = 0; i < 3; i++) host.take(undefined);
    host.router.flush(0);
    const [question, ...more] = questions(host);
    assert.ok(question !== undefined && more.length === 0);
    host.answer(question, 5);
    host.router.appliedIs(4);
    assert.deepEqual(host.codes, []);
    host.router.appliedIs(6);
    assert.deepEqual(host.codes, [6, 6, 6]);
  });

  it('ask with a fresh number each time, and take no late answer to an old one', () => {
    const host = new Host();
    host.router.appliedIs(100);
    host.router.leaderIs('n2');
    host.take(undefined);
    host.router.flush(0);
    host.router.expire(ASK_AGAIN_MS);
    host.router.flush(ASK_AGAIN_MS);
    const [first, second] = questions(host);
    assert.ok(first !== undefined && second !== undefined && first.id !== second.id);
    host.answer(first, 3);
    assert.deepEqual(host.codes, []);
    host.answer(second, 9, 'n3');
    assert.deepEqual(host.codes, [], 'an answer of somebody who was not asked');
    host.answer(second, 9);
    assert.deepEqual(host.codes, [100]);
  });

  it('that come while a question is out wait for the next: the index may be from before they came', () => {
    const host = new Host();
    host.router.appliedIs(100);
    host.router.leaderIs('n1');
    host.take(undefined);
    host.router.flush(0);
    host.take(undefined);
    host.router.flush(0);
    assert.deepEqual(host.asked, [7]);
    host.router.localReadIndex(7, 5);
    assert.deepEqual(host.codes, [100]);
    host.router.flush(0);
    assert.deepEqual(host.asked, [7, 8]);
  });

  it('ask the next leader when it is known, and nobody before', () => {
    const host = new Host();
    host.take(undefined);
    host.router.flush(0);
    assert.deepEqual(host.sent, []);
    host.router.leaderIs('n2');
    host.router.flush(0);
    host.router.leaderIs('n3');
    host.router.flush(0);
    assert.deepEqual(
      questions(host).map(({ to }) => to),
      ['n2', 'n3'],
    );
  });

  it('AT_LEAST an index ask nobody: at once where the app has it, else when it has', () => {
    const host = new Host();
    host.router.leaderIs('n2');
    host.router.appliedIs(5);
    host.take(5);
    host.take(0);
    assert.deepEqual(host.codes, [5, 5]);
    host.take(8);
    host.take(7);
    host.router.appliedIs(7);
    host.router.appliedIs(9);
    assert.deepEqual(host.codes, [5, 5, 7, 9]);
    host.router.flush(0);
    assert.deepEqual(host.sent, []);
  });

  it('AT_LEAST an index are not served from less when the app has started afresh', () => {
    const host = new Host();
    host.router.appliedIs(10);
    host.router.appliedIs(0);
    host.take(10);
    host.router.appliedIs(9);
    assert.deepEqual(host.codes, []);
    host.router.appliedIs(10);
    assert.deepEqual(host.codes, [10]);
  });

  it('AT_LEAST an index that never comes end at their own time, and leave nothing behind', () => {
    const host = new Host();
    host.take(Number.MAX_SAFE_INTEGER, 1_000);
    host.take(Number.MAX_SAFE_INTEGER, 3_000);
    host.router.expire(999);
    assert.deepEqual(host.codes, []);
    host.router.expire(1_000);
    assert.deepEqual(host.codes, ['TIMEOUT']);
    host.router.expire(3_000);
    assert.deepEqual(host.codes, ['TIMEOUT', 'TIMEOUT']);
    assert.equal(host.router.pending, 0);
  });

  it('are refused over the limit, whatever they wait for, and taken again when there is room', () => {
    const host = new Host();
    host.router.leaderIs('n2');
    for (let i = 0; i < PENDING / 2; i++) host.take(undefined);
    host.router.flush(0);
    for (let i = 0; i < PENDING / 2; i++) host.take(50);
    host.take(undefined);
    host.take(50);
    assert.deepEqual(host.codes, ['OVERLOADED', 'OVERLOADED']);
    host.router.appliedIs(50);
    host.take(50);
    assert.deepEqual(host.codes.slice(2), [50, 50, 50, 50, 50, 50]);
  });

  it('that nobody answers end at their time, also while a question is out', () => {
    const host = new Host();
    host.router.leaderIs('n2');
    host.take(undefined, 1_000);
    host.router.flush(950);
    host.router.expire(1_000);
    host.router.expire(950 + ASK_AGAIN_MS);
    assert.deepEqual(host.codes, ['TIMEOUT']);
  });
});
