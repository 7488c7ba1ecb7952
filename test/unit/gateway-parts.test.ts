/** The pure parts of a gateway: whose turn it is, how much may be on its way, who leads, what becomes of a request, pressure. */
import assert from 'node:assert/strict';
import { type ErrorCode, refusal } from '../../shared/codes.ts';
import { afterError, afterLoss, nobodyElse, outOfTime } from '../../sidecar/gateway/fate.ts';
import { Fifo } from '../../sidecar/gateway/fifo.ts';
import { leaderOf, type View } from '../../sidecar/gateway/leadership.ts';
import { Pressure, wanted } from '../../sidecar/gateway/pressure.ts';
import type { Ticket } from '../../sidecar/gateway/ticket.ts';
import { Line, Turns } from '../../sidecar/gateway/turns.ts';
import { Window } from '../../sidecar/gateway/window.ts';
import { ticketOf } from '../support/gateway-ticket.ts';

describe('gateway: turns', () => {
  let turns: Turns;
  let tickets: number;
  beforeEach(() => {
    turns = new Turns();
    tickets = 0;
  });

  const add = (line: Line, bytes = 0, notBefore = 0): Ticket => {
    const ticket = ticketOf({ number: ++tickets, line, bytes, notBefore });
    turns.add(ticket);
    return ticket;
  };
  const served = (names: ReadonlyMap<Line, string>, now = 0): string => {
    let text = '';
    for (let next = turns.next(now); next !== undefined; next = turns.next(now)) text += names.get(next.line);
    return text;
  };
  const lines = (...names: string[]) => new Map(names.map((name) => [new Line(), name] as const));

  it('serves one request of each client in turn', () => {
    const names = lines('a', 'b', 'c');
    const [a, b, c] = [...names.keys()] as [Line, Line, Line];
    for (const line of [a, a, a, b, b, c]) add(line);
    assert.equal(served(names), 'abcaba');
    assert.equal(turns.waiting, 0);
  });

  it('serves a client that had nothing waiting before those that have', () => {
    const names = lines('a', 'b', 'n');
    const [a, b, n] = [...names.keys()] as [Line, Line, Line];
    for (const line of [a, b, a, b, a, b]) add(line);
    assert.equal(
      [turns.next(0), turns.next(0), turns.next(0)].map((t) => names.get(t?.line as Line)).join(''),
      'aba',
    );
    add(n);
    assert.equal(served(names), 'nbab');
  });

  it('is new once a round, not each time that it asks', () => {
    const names = lines('a', 'b', 's');
    const [a, b, s] = [...names.keys()] as [Line, Line, Line];
    for (const line of [a, a, a, a, b, b, b, b]) add(line);
    let text = '';
    add(s);
    for (let i = 0; i < 9; i++) {
      const next = turns.next(0);
      text += names.get(next?.line as Line);
      // It asks again at once, whenever it was served.
      if (next?.line === s && i < 6) add(s);
    }
    assert.match(text, /^.{0,2}s(?!s)/);
    assert.doesNotMatch(text, /ss/);
  });

  it('lets large commands count for more', () => {
    const names = lines('L', 's');
    const [large, small] = [...names.keys()] as [Line, Line];
    for (let i = 0; i < 3; i++) add(large, 3 * 4096);
    for (let i = 0; i < 12; i++) add(small);
    assert.equal(served(names), 'LssssLssssLssss');
  });

  it('keeps the order of a client when one of its requests comes back', () => {
    const line = new Line();
    const [first, second] = [add(line), add(line), add(line)];
    assert.deepEqual([turns.next(0), turns.next(0)], [first, second]);
    turns.addAgain(second as Ticket);
    turns.addAgain(first as Ticket);
    assert.deepEqual([turns.next(0)?.number, turns.next(0)?.number, turns.next(0)?.number], [1, 2, 3]);
  });

  it('passes over a client whose first request must wait, until it need not', () => {
    const names = lines('a', 'b');
    const [a, b] = [...names.keys()] as [Line, Line];
    add(a, 0, 50);
    add(a);
    add(b);
    assert.equal(served(names, 0), 'b');
    assert.equal(turns.nextDue, 50);
    turns.lookAgain();
    assert.equal(served(names, 50), 'aa');
    assert.equal(turns.nextDue, undefined);
  });

  it('forgets a client wherever it stands', () => {
    const names = lines('a', 'b', 'c');
    const [a, b, c] = [...names.keys()] as [Line, Line, Line];
    for (const line of [a, b, c, a, b, c]) add(line);
    turns.next(0);
    turns.forget(b);
    assert.equal(turns.waiting, 3);
    assert.equal(served(names), 'cac');
  });

  it('throws out what is done', () => {
    const line = new Line();
    const [first] = [add(line), add(line)];
    (first as Ticket).state = 'DONE';
    turns.sweep(line);
    assert.equal(turns.waiting, 1);
    assert.equal(turns.next(0)?.number, 2);
  });
});

describe('gateway: a queue', () => {
  it('gives in order, over many rounds', () => {
    const fifo = new Fifo<number>();
    const given: (number | undefined)[] = [];
    for (let i = 0; i < 100; i++) {
      fifo.push(2 * i);
      fifo.push(2 * i + 1);
      given.push(fifo.shift());
    }
    while (fifo.length > 0) given.push(fifo.shift());
    assert.deepEqual(
      given,
      Array.from({ length: 200 }, (_, i) => i),
    );
    assert.equal(fifo.shift(), undefined);
  });
});

describe('gateway: window', () => {
  const LIMITS = { first: 64, min: 16, max: 1000, probeMs: 10_000 };

  /** A replica that answers `perMs` at most, and none sooner than `baseMs`. Returns the windows over time. */
  function run(window: Window, rounds: number, baseMs: number, perMs: number, from = 0): number {
    let now = from;
    for (let round = 0; round < rounds; round++) {
      const { size } = window;
      const took = Math.max(baseMs, size / perMs);
      now += took;
      for (let i = 0; i < size; i++) window.answered(took, true, now);
    }
    return window.size;
  }

  it('grows while answers come as fast as ever, up to what the replica allows', () => {
    assert.equal(run(new Window({ ...LIMITS, probeMs: 1e9 }, 0), 500, 2, 1e9), 1000);
  });

  it('settles where the answers take about twice as long as they must', () => {
    // 20 per ms, 2 ms without a queue: 40 keep it busy, 80 mean 4 ms.
    const window = new Window({ ...LIMITS, probeMs: 1e9 }, 0);
    window.answered(2, false, 0);
    const size = run(window, 300, 2, 20);
    assert.ok(size > 60 && size < 120, `${size}`);
  });

  it('finds the new size of a replica that has become slower for good', () => {
    const window = new Window(LIMITS, 0);
    run(window, 300, 2, 20);
    // 5 per ms, 8 ms without a queue.
    const size = run(window, 10_000, 8, 5, 1_000);
    assert.ok(size > 60 && size < 120, `${size}`);
  });

  it('does not grow while it is not used up', () => {
    const window = new Window(LIMITS, 0);
    for (let i = 0; i < 1000; i++) window.answered(2, false, i);
    assert.equal(window.size, 64);
  });

  it('halves at a refusal, once for all of one window, and never goes below its least', () => {
    const window = new Window(LIMITS, 0);
    window.answered(10, true, 1);
    for (let i = 0; i < 50; i++) window.tooMuch(5);
    assert.equal(window.size, 32);
    for (let now = 100; now < 1000; now += 100) window.tooMuch(now);
    assert.equal(window.size, 16);
  });
});

describe('gateway: who leads', () => {
  const view = (role: View['role'], term: number, leader?: string): View => ({ role, term, leader });
  const cases: readonly [string, Record<string, View>, number, string | undefined][] = [
    ['nobody is connected', {}, 0, undefined],
    ['a follower says who', { n2: view('FOLLOWER', 3, 'n1') }, 3, 'n1'],
    ['the leader says so itself', { n1: view('LEADER', 3, 'n1'), n2: view('FOLLOWER', 3) }, 3, 'n1'],
    ['the higher term wins', { n1: view('LEADER', 3, 'n1'), n2: view('FOLLOWER', 4, 'n3') }, 4, 'n3'],
    [
      'a higher term without a leader',
      { n1: view('LEADER', 3, 'n1'), n2: view('CANDIDATE', 4) },
      4,
      undefined,
    ],
    [
      'it stepped down, others have not heard',
      { n1: view('FOLLOWER', 3), n2: view('FOLLOWER', 3, 'n1') },
      3,
      undefined,
    ],
  ];
  for (const [what, views, term, leader] of cases) {
    it(what, () => assert.deepEqual(leaderOf(new Map(Object.entries(views))), { term, leader }));
  }
});

describe('gateway: what becomes of a request', () => {
  const plain = { kind: 'propose', repeatable: false, unsure: false } as const;
  const session = { ...plain, repeatable: true };
  const unsure = { ...session, unsure: true };
  const read = { kind: 'read', repeatable: true, unsure: true } as const;
  const error = (code: ErrorCode) => refusal(code, 'so');

  it('after a loss: again only what is repeatable', () => {
    assert.deepEqual(afterLoss(session, 'n1'), { again: 'LATER', unsure: true });
    const fate = afterLoss(plain, 'n1');
    assert.ok('answer' in fate && !fate.answer.definite && fate.answer.code === 'LEADER_LOST');
  });

  for (const code of ['LEADER_LOST', 'SHUTTING_DOWN', 'INTERNAL'] as const) {
    it(`after ${code}: again what is repeatable, else indefinite`, () => {
      assert.deepEqual(afterError(session, 'n1', error(code)), { again: 'LATER', unsure: true });
      const fate = afterError(plain, 'n1', error(code));
      assert.ok('answer' in fate && !fate.answer.definite);
    });
  }

  it('after TIMEOUT: its time is over', () => {
    assert.deepEqual(afterError(session, 'n1', error('TIMEOUT')), { answer: error('TIMEOUT') });
  });

  for (const code of [
    'BAD_REQUEST',
    'TOO_LARGE',
    'SESSION_UNKNOWN',
    'SEQUENCE_GAP',
    'TERM_CHANGED',
    'UNSUPPORTED',
  ] as const) {
    it(`after ${code}: passed on, unless an earlier try is unknown`, () => {
      assert.deepEqual(afterError(plain, 'n1', error(code)), { answer: error(code) });
      assert.deepEqual(afterError(session, 'n1', error(code)), { answer: error(code) });
      assert.deepEqual(afterError(read, 'n1', error(code)), { answer: error(code) });
      const fate = afterError(unsure, 'n1', error(code));
      assert.ok('answer' in fate && !fate.answer.definite && fate.answer.code === 'LEADER_LOST');
    });
  }

  it('after OVERLOADED: passed on, unless an earlier try is unknown', () => {
    const overloaded = refusal('OVERLOADED', 'so', { retryAfterMs: 9 });
    assert.deepEqual(afterError(session, 'n1', overloaded), { answer: overloaded });
    assert.deepEqual(afterError(unsure, 'n1', overloaded), { again: 'LATER', unsure: true, retryAfterMs: 9 });
  });

  for (const code of ['NOT_LEADER', 'APP_ABSENT', 'NO_SPACE'] as const) {
    it(`after ${code}: elsewhere, and passed on where nobody else is`, () => {
      assert.deepEqual(afterError(plain, 'n1', error(code)), { again: 'ELSEWHERE', unsure: false });
      assert.deepEqual(nobodyElse(plain, error(code)), { answer: error(code) });
      assert.deepEqual(nobodyElse(unsure, error(code)), { again: 'LATER', unsure: true });
    });
  }

  it('out of time: definite only where no try may have worked', () => {
    assert.deepEqual(
      [outOfTime(session, 'so').code, outOfTime(session, 'so').definite],
      ['OVERLOADED', true],
    );
    assert.deepEqual([outOfTime(unsure, 'so').code, outOfTime(unsure, 'so').definite], ['TIMEOUT', false]);
    assert.equal(outOfTime(read, 'so').definite, true);
  });
});

describe('gateway: pressure', () => {
  it('is the most of what the leader asks and of how full the gateway is', () => {
    assert.equal(wanted('OK', 0.49), 'OK');
    assert.equal(wanted('OK', 0.5), 'SLOW_DOWN');
    assert.equal(wanted('STOP', 0), 'STOP');
    assert.equal(wanted('SLOW_DOWN', 0.9), 'STOP');
  });

  it('rises at once and falls after a while', () => {
    const pressure = new Pressure(1000);
    assert.equal(pressure.update('STOP', 0), 'STOP');
    assert.equal(pressure.update('OK', 10), 'STOP');
    assert.equal(pressure.update('STOP', 900), 'STOP');
    assert.equal(pressure.update('OK', 1000), 'STOP');
    assert.equal(pressure.update('SLOW_DOWN', 1999), 'STOP');
    assert.equal(pressure.update('OK', 2000), 'OK');
  });
});
