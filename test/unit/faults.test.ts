import assert from 'node:assert/strict';
import type { FaultPlan } from '../../shared/faults.ts';
import { describeFault, planBody, planProblem } from '../../shared/faults.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { PeerMessage } from '../../shared/messages.ts';
import { type Fate, type FaultOptions, Faults, standStill } from '../../sidecar/faults/faults.ts';
import { FaultyTransport } from '../../sidecar/faults/faulty-transport.ts';
import { faultBody } from '../../sidecar/http/input.ts';
import type { Transport, TransportListener } from '../../sidecar/peers/contract.ts';
import { until } from '../support/patience.ts';

const HOUR_MS = 3_600_000;

function plan(more: Partial<FaultPlan>): FaultPlan {
  return {
    ...{ kind: 'CUT', peer: '', direction: 'BOTH', delayMs: 0, jitterMs: 0, share: 0, ttlMs: HOUR_MS },
    ...more,
  };
}

describe('planted faults', () => {
  const open: Faults[] = [];
  afterEach(() => {
    for (const faults of open.splice(0)) faults.close();
  });

  function faultsWith(more: Partial<FaultOptions> = {}): Faults {
    const nothing = (): void => undefined;
    const faults = new Faults({ random: () => 0.5, pause: nothing, began: nothing, ended: nothing, ...more });
    open.push(faults);
    return faults;
  }

  it('cut one peer, or all, in one direction or both', () => {
    const faults = faultsWith();
    const all = (): Fate[] => [
      ...[faults.fate('n2', 'IN'), faults.fate('n2', 'OUT')],
      ...[faults.fate('n3', 'IN'), faults.fate('n3', 'OUT')],
    ];
    assert.deepEqual(all(), [0, 0, 0, 0]);
    const cut = faults.plant(plan({ peer: 'n2', direction: 'OUT' }));
    assert.deepEqual(all(), [0, 'LOST', 0, 0]);
    faults.plant(plan({ kind: 'ISOLATE', direction: 'IN' }));
    assert.deepEqual(all(), ['LOST', 'LOST', 'LOST', 0]);
    assert.deepEqual(
      faults.list().map(({ id, messages }) => [id, messages]),
      [
        ['f1', 2],
        ['f2', 2],
      ],
    );
    assert.equal(faults.end(cut?.id ?? '')?.messages, 2);
    assert.deepEqual(all(), ['LOST', 0, 'LOST', 0]);
    assert.equal(faults.end('f1'), undefined);
  });

  it('lose a share of the messages, and add delays up', () => {
    const draws = [0.2, 0.3, 0.29];
    const faults = faultsWith({ random: () => draws.shift() ?? 0.5 });
    faults.plant(plan({ kind: 'DROP', share: 0.3 }));
    assert.deepEqual(
      [faults.fate('n2', 'IN'), faults.fate('n2', 'IN'), faults.fate('n2', 'OUT')],
      ['LOST', 0, 'LOST'],
    );
    faults.end('f1');
    faults.plant(plan({ kind: 'DELAY', delayMs: 100 }));
    faults.plant(plan({ kind: 'DELAY', delayMs: 20, jitterMs: 10, peer: 'n3' }));
    assert.deepEqual([faults.fate('n2', 'IN'), faults.fate('n3', 'IN')], [100, 125]);
  });

  it('end by themselves, and tell who or what ended them', async () => {
    const news: string[] = [];
    const over = new Promise<void>((resolve) => {
      const faults = faultsWith({
        began: ({ id }) => news.push(`${id} began`),
        ended: ({ id }, cause) => {
          news.push(`${id} ${cause}`);
          if (cause === 'EXPIRED') resolve();
        },
      });
      faults.plant(plan({ ttlMs: 1 }));
      faults.plant(plan({}));
      faults.end('f2');
    });
    await over;
    assert.deepEqual(news, ['f1 began', 'f2 began', 'f2 OPERATOR', 'f1 EXPIRED']);
  });

  it('stop the thread for a pause, once whoever asked for it is answered', async () => {
    const faults = await new Promise<Faults>((resolve) => {
      let paused = 0;
      const planted: Faults = faultsWith({
        pause: (ms) => {
          paused = ms;
        },
        ended: () => {
          assert.equal(paused, 40);
          resolve(planted);
        },
      });
      planted.plant(plan({ kind: 'PAUSE', ttlMs: 40 }));
      assert.equal(paused, 0);
      assert.equal(planted.fate('n2', 'IN'), 0);
    });
    assert.deepEqual(faults.list(), []);
    const from = performance.now();
    standStill(20);
    assert.ok(performance.now() - from >= 19);
  });

  it('are not more than their limit', () => {
    const faults = faultsWith();
    for (let n = 0; n < LIMITS.faults; n++) assert.ok(faults.plant(plan({})));
    assert.equal(faults.plant(plan({})), undefined);
  });

  it('are told in words', () => {
    assert.deepEqual(
      [
        plan({ peer: 'n2', direction: 'IN' }),
        plan({ kind: 'ISOLATE' }),
        plan({ kind: 'DELAY', delayMs: 100, peer: 'n2', direction: 'OUT' }),
        plan({ kind: 'DELAY', delayMs: 100, jitterMs: 50 }),
        plan({ kind: 'DROP', share: 0.125 }),
        plan({ kind: 'PAUSE' }),
      ].map(describeFault),
      [
        'loses all messages from n2',
        'loses all messages to and from all peers',
        'delays messages to n2 by 100 ms',
        'delays messages to and from all peers by 100 to 150 ms',
        'loses 12.5 % of the messages to and from all peers',
        'stands still',
      ],
    );
  });
});

describe('the plan of a fault', () => {
  const PLANS: readonly (readonly [given: Partial<FaultPlan>, problem: RegExp | undefined])[] = [
    [{ kind: 'CUT', peer: 'n2', direction: 'IN' }, undefined],
    [{ kind: 'CUT' }, /needs a peer/],
    [{ kind: 'ISOLATE', direction: 'OUT' }, undefined],
    [{ kind: 'ISOLATE', peer: 'n2' }, /not of one peer/],
    [{ kind: 'DELAY', delayMs: 20, jitterMs: 5, peer: 'n2' }, undefined],
    [{ kind: 'DELAY' }, /delays by 1 to 10000 ms/],
    [{ kind: 'DELAY', delayMs: 1.5 }, /delays by/],
    [{ kind: 'DELAY', delayMs: 1, jitterMs: -1 }, /jitter/],
    [{ kind: 'DROP', share: 1 }, undefined],
    [{ kind: 'DROP' }, /over 0, up to 100 percent/],
    [{ kind: 'DROP', share: 1.01 }, /over 0, up to 100 percent/],
    [{ kind: 'DROP', share: 0.5, delayMs: 1 }, /delays nothing/],
    [{ kind: 'PAUSE', ttlMs: LIMITS.faultPauseMs }, undefined],
    [{ kind: 'PAUSE', ttlMs: LIMITS.faultPauseMs + 1 }, /lasts at most 60 s/],
    [{ kind: 'PAUSE', ttlMs: 1, direction: 'IN' }, /no direction/],
    [{ kind: 'ISOLATE', share: 0.5 }, /no share/],
    [{ kind: 'ISOLATE', ttlMs: LIMITS.faultTtlMs + 1 }, /lasts at most 10 min/],
    [{ kind: 'ISOLATE', ttlMs: 0 }, /lasts at most/],
  ];

  it('is refused for what a sidecar would refuse, and for nothing else', () => {
    for (const [given, problem] of PLANS) {
      const whole = plan({ ttlMs: 1_000, ...given });
      const said = planProblem(whole);
      const taken = faultBody.safeParse(planBody(whole));
      assert.equal(said === '', taken.success, JSON.stringify(given));
      if (problem === undefined) assert.deepEqual(taken.data, whole);
      else assert.match(said, problem);
    }
  });
});

describe('a transport with faults', () => {
  const message = (from: string, to: string, term: number): PeerMessage =>
    ({
      ...{ type: 'VoteReply', group: '', from, to, term },
      ...{ preVote: false, granted: true, reason: '' },
    }) as unknown as PeerMessage;

  /** Plays the wire: what was sent, and how to let something come in. */
  class Wire implements Transport {
    readonly sent: number[] = [];
    listener: TransportListener | undefined;
    closed = false;
    start(listener: TransportListener): Promise<{ host: string; port: number }> {
      this.listener = listener;
      return Promise.resolve({ host: '127.0.0.1', port: 1 });
    }
    setMembers(): void {
      // No members are dialled.
    }
    announceHttp(): void {
      // Nobody asks for it.
    }
    send(sent: PeerMessage): void {
      this.sent.push(termOf(sent));
    }
    links(): [] {
      return [];
    }
    close(): Promise<void> {
      this.closed = true;
      return Promise.resolve();
    }
  }
  const termOf = (sent: PeerMessage): number => ('term' in sent ? sent.term : -1);

  it('passes on at once what has no fault, and nothing of what is lost', async () => {
    const wire = new Wire();
    let fate: Fate = 0;
    const transport = new FaultyTransport(wire, { fate: () => fate });
    const got: number[] = [];
    await transport.start({ message: (came) => got.push(termOf(came)) });
    transport.send(message('n1', 'n2', 1));
    wire.listener?.message(message('n2', 'n1', 2));
    fate = 'LOST';
    transport.send(message('n1', 'n2', 3));
    wire.listener?.message(message('n2', 'n1', 4));
    assert.deepEqual([wire.sent, got], [[1], [2]]);
    await transport.close();
    assert.ok(wire.closed);
  });

  it('keeps the order of what it delays, also when the fault is over', async () => {
    const wire = new Wire();
    const fates = [8, 1, 0, 5, 0];
    const transport = new FaultyTransport(wire, { fate: () => fates.shift() ?? 0 });
    const all = new Promise<number[]>((resolve) => {
      const got: number[] = [];
      void transport.start({
        message: (came) => {
          got.push(termOf(came));
          // What comes of it while others wait.
          if (got.length === 1) wire.listener?.message(message('n2', 'n1', 6));
          if (got.length === 6) resolve(got);
        },
      });
    });
    for (let term = 1; term <= 5; term++) wire.listener?.message(message('n2', 'n1', term));
    assert.deepEqual(await all, [1, 2, 3, 4, 5, 6]);
    // The other direction did not wait.
    transport.send(message('n1', 'n2', 7));
    assert.deepEqual(wire.sent, [7]);
    await transport.close();
  });

  it('holds no more back than its limit, and delivers nothing once it is closed', async () => {
    const wire = new Wire();
    const transport = new FaultyTransport(wire, { fate: () => 3 });
    const count = LIMITS.faultHeldMessages + 10;
    for (let term = 1; term <= count; term++) transport.send(message('n1', 'n2', term));
    await until('as many came as are held', () => wire.sent.length >= LIMITS.faultHeldMessages);
    assert.equal(wire.sent.length, LIMITS.faultHeldMessages);
    // Few messages, and more bytes than are held.
    const data = Buffer.alloc(LIMITS.faultHeldBytes / 4);
    for (let count = 0; count < 5; count++)
      transport.send({ ...message('n1', 'n2', 0), type: 'SnapshotData', data } as never);
    const held = LIMITS.faultHeldMessages + 4;
    await until('as many came as are held', () => wire.sent.length >= held);
    transport.send(message('n1', 'n2', 0));
    assert.equal(wire.sent.length, held);
    await transport.close();
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(wire.sent.length, held);
  });
});
