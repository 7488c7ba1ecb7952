/** Reads of every consistency at whole nodes: what they answer, what they refuse, and that none of them touches the disk. */
import assert from 'node:assert/strict';
import type { Refusal } from '../../shared/codes.ts';
import type { ProposeResult, ReadRequest } from '../../sidecar/app/host.ts';
import { type TestNode, TestNodes } from '../support/nodes.ts';
import { TEST_MS } from '../support/patience.ts';

type Outcome = { readonly index: number } | Refusal;
const LEASES = { lease: { clockBound: 0.2 } } as const;
const TIMEOUT_MS = 10_000;

function read(
  { host }: TestNode,
  consistency: ReadRequest['consistency'],
  index?: number,
  timeoutMs = TIMEOUT_MS,
): Promise<Outcome> {
  return new Promise((done) => host.read({ consistency, index, timeoutMs }, done));
}

/** A read that must be served. */
async function served(...read_: Parameters<typeof read>): Promise<number> {
  const outcome = await read(...read_);
  if ('code' in outcome) assert.fail(`${outcome.code}: ${outcome.message}`);
  return outcome.index;
}

async function refused(...read_: Parameters<typeof read>): Promise<Refusal> {
  const outcome = await read(...read_);
  assert.ok('code' in outcome, 'it was served');
  return outcome;
}

async function write({ host }: TestNode, text: string): Promise<number> {
  const outcome = await new Promise<ProposeResult | Refusal>((done) =>
    host.propose(
      {
        command: Buffer.from(text),
        session: 0,
        sequence: 0,
        ackBelow: 0,
        expectedTerm: undefined,
        wait: 'APPLIED',
        timeoutMs: TIMEOUT_MS,
      },
      done,
    ),
  );
  if ('code' in outcome) assert.fail(`${outcome.code}: ${outcome.message}`);
  return outcome.index;
}

describe('reads at whole nodes', function () {
  this.timeout(TEST_MS);
  let nodes: TestNodes;
  afterEach(() => nodes.stop());

  /** A leader with a lease, and its followers. */
  async function withLease(): Promise<{ leader: TestNode; follower: TestNode }> {
    const leader = await nodes.leader();
    let holds = false;
    await nodes.until('the leader has a lease', () => {
      void read(leader, 'LEASE').then((outcome) => {
        holds = !('code' in outcome);
      });
      return holds;
    });
    return { leader, follower: nodes.all.find((one) => one !== leader) as TestNode };
  }

  it('by lease see every write that was acknowledged before, and are refused elsewhere with the leader’s name', async () => {
    nodes = await TestNodes.start(3, LEASES);
    const { leader, follower } = await withLease();
    for (let i = 0; i < 20; i++) {
      const index = await write(i % 2 === 0 ? leader : follower, `w${i}`);
      const outcome = await read(leader, 'LEASE');
      // The machine that runs this test may stand still at any time; then there is no lease for a moment.
      if ('code' in outcome) assert.equal(outcome.code, 'NOT_READY', outcome.message);
      else assert.ok(outcome.index >= index, `${outcome.index}, written at ${index}`);
    }
    const { code, definite, leader: named, message } = await refused(follower, 'LEASE');
    assert.deepEqual([code, definite, named], ['NOT_LEADER', true, leader.id]);
    assert.match(message, new RegExp(`served by the leader, which this node is not: ${leader.id} does`));
  });

  it('by lease wait for the app', async () => {
    nodes = await TestNodes.start(3, LEASES);
    const { leader, follower } = await withLease();
    leader.stalled = true;
    const index = await write(follower, 'w');
    await nodes.until('the leader has committed it', () => leader.node.driver.raft.commitIndex >= index);
    const indexes: number[] = [];
    await nodes.until('a read was let in', () => {
      if (leader.node.reads.pending > 0) return true;
      void read(leader, 'LEASE').then((outcome) => {
        if (!('code' in outcome)) indexes.push(outcome.index);
      });
      return leader.node.reads.pending > 0;
    });
    assert.deepEqual(indexes, []);
    leader.stalled = false;
    leader.apply();
    await nodes.until('it is answered', () => indexes.length > 0);
    assert.ok((indexes[0] ?? 0) >= index);
  });

  it('by lease are refused by a leader that hears nobody, definitely and with a time', async () => {
    nodes = await TestNodes.start(3, LEASES);
    const { leader } = await withLease();
    nodes.alone.add(leader.id);
    let last: Refusal | undefined;
    await nodes.until('it gives up', () => {
      void read(leader, 'LEASE').then((outcome) => {
        if ('code' in outcome) last = outcome;
      });
      return last?.code === 'NOT_READY' || leader.node.driver.raft.role !== 'LEADER';
    });
    if (last?.code === 'NOT_READY') {
      assert.equal(last.definite, true);
      assert.match(last.message, /^this leader has no lease now: /);
      assert.ok((last.retryAfterMs ?? 0) > 0);
    }
    await nodes.until('it does not lead any more', () => leader.node.driver.raft.role !== 'LEADER');
    const { code, leader: named } = await refused(leader, 'LEASE');
    assert.deepEqual([code, named], ['NOT_LEADER', undefined]);
  });

  it('by lease are unsupported where leases are off', async () => {
    nodes = await TestNodes.start(1);
    const { code, definite, message } = await refused(await nodes.leader(), 'LEASE');
    assert.deepEqual([code, definite], ['UNSUPPORTED', true]);
    assert.match(message, /switched off on this sidecar/);
  });

  it('never go back: AT_LEAST with the index of any earlier answer, at any node', async () => {
    nodes = await TestNodes.start(3, LEASES);
    const { leader, follower } = await withLease();
    let last = 0;
    for (let i = 0; i < 30; i++) {
      if (i % 3 === 0) last = await write(i % 2 === 0 ? leader : follower, `w${i}`);
      for (const one of nodes.all) {
        const index = await served(one, 'AT_LEAST', last);
        assert.ok(index >= last && one.node.app.applied >= index, `${index} after ${last}`);
        last = index;
      }
    }
  });

  it('that ask for an index beyond what exists are answered when it is there, or in time that it is not', async () => {
    nodes = await TestNodes.start(1);
    const leader = await nodes.leader();
    const index = await write(leader, 'first');
    const early = await refused(leader, 'AT_LEAST', index + 1_000_000, 150);
    assert.equal(early.code, 'TIMEOUT');
    assert.match(early.message, /the app did not apply that far in time/);
    assert.equal(leader.node.reads.pending, 0);
    const later = served(leader, 'AT_LEAST', index + 2);
    await write(leader, 'second');
    await write(leader, 'third');
    assert.ok((await later) >= index + 2);
  });

  it('without any promise say how far the app is, at once, on a node that is cut off', async () => {
    nodes = await TestNodes.start(3);
    const leader = await nodes.leader();
    const index = await write(leader, 'w');
    nodes.alone.add(leader.id);
    assert.equal(await served(leader, 'STALE'), index);
    assert.equal(await served(leader, 'AT_LEAST', index), index);
  });

  it('touch no disk, whatever they promise', async () => {
    nodes = await TestNodes.start(3, LEASES);
    const { leader, follower } = await withLease();
    const index = await write(leader, 'w');
    for (const one of nodes.all) await served(one, 'AT_LEAST', index);
    const asked = (): number[] => nodes.all.map(({ store }) => store.asked);
    const terms = (): number[] => nodes.all.map(({ node }) => node.driver.raft.term);
    await nodes.until('everything written is durable', () =>
      nodes.all.every(({ node }) => node.driver.raft.durableIndex === index),
    );
    for (;;) {
      const [before, term] = [asked(), terms()];
      const outcomes = await Promise.all(
        Array.from({ length: 500 }, () => [
          read(leader, 'LEASE'),
          read(leader, 'LINEARIZABLE'),
          read(follower, 'LINEARIZABLE'),
          read(follower, 'AT_LEAST', index),
          read(follower, 'STALE'),
        ]).flat(),
      );
      const calm = terms().every((now, at) => now === term[at]);
      const all = outcomes.every((outcome) => !('code' in outcome));
      // The machine stood still: an election, or no lease. That is another case.
      if (!calm || !all) {
        await withLease();
        continue;
      }
      assert.deepEqual(asked(), before);
      return;
    }
  });
});
