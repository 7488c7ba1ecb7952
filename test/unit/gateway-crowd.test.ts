/**
 * Ten thousand clients in front of one replica, in virtual time: what the turns and the window together promise to a client
 * that asks less than its share. (`npm run gateway:crowd` measures the same with real processes.)
 */
import assert from 'node:assert/strict';
import { LIMITS } from '../../shared/limits.ts';
import { Fifo } from '../../sidecar/gateway/fifo.ts';
import { Line, Turns } from '../../sidecar/gateway/turns.ts';
import { Window } from '../../sidecar/gateway/window.ts';
import { ticketOf } from '../support/gateway-ticket.ts';
import { TEST_MS } from '../support/patience.ts';

/** What the replica takes for one request without a queue, ms, and how many it answers in one ms at most. */
const BASE_MS = 2;
const PER_MS = 8;
const SECONDS = 15;
/** The well-behaved client asks again so long after each answer. */
const PAUSE_MS = 40;

interface Crowd {
  readonly flooders: number;
  /** Requests that each of those has waiting, always. */
  readonly depth: number;
  /** The others, and how often all of them together ask in one ms. */
  readonly quiet: number;
  readonly quietPerMs: number;
  /** All wait in one line, as they would without turns. */
  readonly oneLine?: boolean;
}

interface Sent {
  /** Of whom it is. */
  readonly client: Line;
  readonly asked: number;
  readonly sent: number;
  readonly full: boolean;
  readonly due: number;
}

/** How long the well-behaved client waited for each answer, ms. */
function run({ flooders, depth, quiet, quietPerMs, oneLine = false }: Crowd): number[] {
  const turns = new Turns();
  const { gatewayWindowFirst: first, gatewayWindowMin: min, gatewayWindowProbeMs: probeMs } = LIMITS;
  const window = new Window({ first, min, max: LIMITS.requestsPerConnection, probeMs }, 0);
  const flood = new Set(Array.from({ length: flooders }, () => new Line()));
  const others = Array.from({ length: quiet }, () => new Line());
  const probe = new Line();
  const everybody = new Line();
  const took: number[] = [];
  const onTheWay = new Fifo<Sent>();
  let number = 0;
  let lastDue = 0;
  let full = false;
  let askAt = 0;
  let quietAsked = 0;
  const clients = new Map<number, Line>();
  const ask = (client: Line, now: number): void => {
    clients.set(++number, client);
    const line = oneLine ? everybody : client;
    turns.add(ticketOf({ number, line, bytes: 100, notBefore: 0, arrived: now }));
  };
  for (const line of flood) for (let i = 0; i < depth; i++) ask(line, 0);

  for (let now = 0; now < SECONDS * 1000; now += 0.25) {
    for (let done = onTheWay.first; done !== undefined && done.due <= now; done = onTheWay.first) {
      onTheWay.shift();
      window.answered(done.due - done.sent, done.full, now);
      if (done.client === probe) {
        took.push(done.due - done.asked);
        askAt = now + PAUSE_MS;
      } else if (flood.has(done.client)) ask(done.client, now);
    }
    if (now >= askAt) {
      askAt = Number.POSITIVE_INFINITY;
      ask(probe, now);
    }
    for (; quietAsked < now * quietPerMs; quietAsked++) ask(others[quietAsked % quiet] as Line, now);
    while (onTheWay.length < window.size) {
      const ticket = turns.next(now);
      if (ticket === undefined) break;
      lastDue = Math.max(now + BASE_MS, lastDue + 1 / PER_MS);
      const client = clients.get(ticket.number) as Line;
      clients.delete(ticket.number);
      onTheWay.push({ client, asked: ticket.arrived, sent: now, full, due: lastDue });
      full = onTheWay.length >= window.size;
    }
  }
  return took;
}

function p99(took: readonly number[]): number {
  assert.ok(took.length > 300, `only ${took.length} answers`);
  return [...took].sort((a, b) => a - b)[Math.ceil(took.length * 0.99) - 1] ?? Number.NaN;
}

describe('gateway: ten thousand clients in virtual time', function () {
  this.timeout(TEST_MS);
  const idle = p99(run({ flooders: 0, depth: 0, quiet: 1, quietPerMs: 0 }));

  it('keep a client that asks less than its share waiting at most five times as long as nobody', () => {
    const crowded = p99(run({ flooders: 100, depth: 256, quiet: 9_900, quietPerMs: 1 }));
    assert.ok(crowded <= 5 * idle, `${crowded} ms, alone ${idle} ms`);
  });

  it('do so too when all of them ask now and then', () => {
    const crowded = p99(run({ flooders: 0, depth: 0, quiet: 10_000, quietPerMs: 6 }));
    assert.ok(crowded <= 5 * idle, `${crowded} ms, alone ${idle} ms`);
  });

  it('would not without turns: the check can fail', () => {
    const crowded = run({ flooders: 100, depth: 256, quiet: 9_900, quietPerMs: 1, oneLine: true });
    assert.ok(Math.max(...crowded) > 100 * idle, `${Math.max(...crowded)} ms, alone ${idle} ms`);
  });

  it('do so too when one floods as hard as a hundred', () => {
    const crowded = p99(run({ flooders: 1, depth: 25_600, quiet: 9_999, quietPerMs: 1 }));
    assert.ok(crowded <= 5 * idle, `${crowded} ms, alone ${idle} ms`);
  });
});
