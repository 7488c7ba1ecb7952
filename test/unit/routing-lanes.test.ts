/** Clients in turn: whoever asks now and then does not wait for all that others have asked before. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Lanes } from '../../sidecar/routing/lanes.ts';
import { type Ticket, ticketOf } from '../../sidecar/routing/port.ts';

const LANES = { a: {}, b: {}, c: {} } as const;

function ticket(name: string, bytes = 10, deadline = 0): Ticket {
  const lane = LANES[name.slice(0, 1) as keyof typeof LANES];
  return ticketOf({
    command: Buffer.alloc(bytes, name),
    session: 0,
    sequence: 0,
    expectedTerm: undefined,
    wait: 'APPLIED',
    deadline,
    done: () => undefined,
    lane,
  });
}

const nameOf = ({ command }: Ticket): string => Buffer.from(command).toString().slice(0, 2);
const names = (tickets: readonly Ticket[]): string => tickets.map(nameOf).join(' ');

describe('lanes', () => {
  let lanes: Lanes;
  beforeEach(() => {
    lanes = new Lanes();
  });
  const push = (...some: string[]): void => {
    for (const name of some) lanes.push(ticket(name));
  };
  const take = (most = 100, bytes = 1_000_000): string => names(lanes.take(most, bytes));

  it('serve clients in turn, each in its own order', () => {
    push('a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'c2');
    assert.equal(take(), 'a1 b1 c1 a2 c2 a3 a4');
    assert.equal(lanes.length, 0);
  });

  it('go on with whose turn it is', () => {
    push('a1', 'a2', 'a3', 'b1', 'b2');
    assert.equal(take(1), 'a1');
    push('c1');
    assert.equal(take(2), 'b1 a2');
    assert.equal(take(), 'c1 b2 a3');
  });

  it('take what was put back first, as it was', () => {
    push('a1', 'a2', 'b1');
    const taken = lanes.take(2, 1_000);
    lanes.putBack(taken);
    push('c1');
    assert.equal(lanes.length, 4);
    assert.equal(take(), 'a1 b1 a2 c1');
  });

  it('stop at so many bytes, but give one that is larger', () => {
    lanes.push(ticket('a1', 5_000));
    push('b1');
    assert.equal(take(100, 1_000), 'a1');
    assert.equal(take(100, 1_000), 'b1');
  });

  it('take out what waited too long', () => {
    lanes.putBack([ticket('a0', 10, 1)]);
    lanes.push(ticket('a1', 10, 9));
    lanes.push(ticket('a2', 10, 1));
    lanes.push(ticket('b1', 10, 1));
    assert.equal(names(lanes.remove(({ deadline }) => deadline < 5)), 'a0 a2 b1');
    assert.equal(lanes.length, 1);
    assert.equal(names(lanes.all()), 'a1');
    assert.equal(take(), 'a1');
  });

  it('lose nothing, and keep every order, whatever is done with them', () => {
    const act = fc.oneof(
      fc.record({ push: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ take: fc.integer({ min: 1, max: 5 }), back: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 200 }), (acts) => {
        const some = new Lanes();
        const counts = { a: 0, b: 0, c: 0 };
        const out: Record<string, number[]> = { a: [], b: [], c: [] };
        let inside = 0;
        const give = (tickets: readonly Ticket[]): void => {
          for (const one of tickets)
            out[nameOf(one).slice(0, 1)]?.push(Buffer.from(one.command).readUInt32LE(2));
        };
        for (const one of acts) {
          if ('push' in one) {
            const name = one.push as 'a' | 'b' | 'c';
            const made = ticket(`${name}x`);
            Buffer.from(made.command.buffer, made.command.byteOffset).writeUInt32LE(counts[name]++, 2);
            some.push(made);
            inside++;
            continue;
          }
          const taken = some.take(one.take, 1_000_000);
          if (one.back) some.putBack(taken);
          else {
            give(taken);
            inside -= taken.length;
          }
          assert.equal(some.length, inside);
        }
        give(some.take(1_000, 1_000_000));
        for (const name of ['a', 'b', 'c'] as const) {
          assert.deepEqual(
            out[name],
            Array.from({ length: counts[name] }, (_, i) => i),
          );
        }
      }),
    );
  });

  it('cost the same for a client that never has nothing waiting', () => {
    for (let i = 0; i < 100_000; i++) {
      push('a1', 'a2');
      assert.equal(lanes.take(2, 1_000).length, 2);
    }
    assert.equal(lanes.length, 0);
  });
});
