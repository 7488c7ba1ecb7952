/**
 * Short histories of three real sidecars with real Python apps, taken while their leaders are killed, stopped and cut off
 * and their apps killed. `npm run linearizability` takes many more.
 */
import assert from 'node:assert/strict';
import type { Consistency } from '../../../shared/app-frames.ts';
import { TEST_MS } from '../../support/patience.ts';
import { check } from '../check.ts';
import { explain } from '../explain.ts';
import type { Command, Outcome } from '../history.ts';
import { Recorder } from '../recorder.ts';
import type { Fault } from './faults.ts';
import { KvClient } from './kv-client.ts';
import { KvCluster, type Member } from './kv-cluster.ts';
import { type Taken, takeHistory } from './take-history.ts';
import { FEWEST_OK, mostAtOnce, SUCCESS, successOf } from './tally.ts';
import { CLIENTS_PER_KEY, OPERATIONS_PER_KEY } from './workload.ts';

const DURATION_MS = 3_000;
const LONGEST_MS = 8 * DURATION_MS;

/** What strikes during one history, one after the other. */
const UNDER: readonly (readonly [Fault, Fault])[] = [
  ['kill leader', 'leader unheard'],
  ['stop leader', 'kill app of follower'],
  ['leader deaf', 'cut leader off'],
];

describe('linearizability of real processes', function () {
  this.timeout(TEST_MS);
  let cluster: KvCluster;
  let taken = 0;

  before(async () => {
    cluster = await KvCluster.start(3);
  });

  after(() => cluster?.end());

  /** Takes another one, and a longer one, while too little happened: a slow machine does less in the same time. */
  async function take(
    faults: readonly Fault[],
    enough: (taken: Taken) => boolean,
    consistency: Consistency = 'LINEARIZABLE',
  ): Promise<Taken> {
    for (let durationMs = DURATION_MS; ; durationMs *= 2) {
      taken += 1;
      const planned = faults.map((fault, at) => ({
        ...{ fault, fromMs: durationMs * (0.13 + at * 0.43), forMs: durationMs * 0.3 },
      }));
      const result = await takeHistory({
        ...{ cluster, name: `h${taken}`, seed: taken, durationMs },
        ...{ faults: planned, consistency },
      });
      const wrong = consistency === 'LINEARIZABLE' && result.problems.length > 0;
      if (wrong || enough(result) || durationMs >= LONGEST_MS) return result;
    }
  }

  it('without faults a history is linearizable, and nine of ten operations succeed', async () => {
    const { history, problems } = await take([], (one) => successOf(one.history) >= SUCCESS);
    assert.deepEqual(problems, []);
    assert.ok(successOf(history) >= SUCCESS, `only ${successOf(history)} succeeded`);
  });

  const okOf = ({ history }: Taken): number => history.filter(({ outcome }) => outcome.kind === 'ok').length;

  for (const faults of UNDER) {
    it(`under "${faults.join('" and "')}" a history is linearizable`, async () => {
      const result = await take(faults, (one) => one.elections > 0 && okOf(one) >= FEWEST_OK);
      assert.deepEqual(result.problems, []);
      assert.equal(result.withLog.verdict, 'LEGAL');
      assert.deepEqual([...result.faults].sort(), [...faults].sort());
      assert.ok(result.elections > 0, 'nobody else was elected: the faults were none');
      assert.ok(okOf(result) >= FEWEST_OK, `only ${okOf(result)} operations succeeded`);
      for (const { key, operations } of result.withoutLog.keys) {
        // Reads before and after come on top.
        assert.ok(operations.length <= OPERATIONS_PER_KEY + 2 + cluster.members.length, key);
      }
      assert.ok(mostAtOnce(result.history) <= CLIENTS_PER_KEY);
    });
  }

  it('the same clients reading STALE are found out', async () => {
    const { withLog, withoutLog, problems } = await take(
      ['cut follower off'],
      (one) => one.withLog.verdict === 'ILLEGAL' && one.withoutLog.verdict === 'ILLEGAL',
      'STALE',
    );
    assert.deepEqual([withLog.verdict, withoutLog.verdict], ['ILLEGAL', 'ILLEGAL']);
    assert.match(problems.join('\n'), /not linearizable/);
  });

  for (const [consistency, verdict] of [
    ['STALE', 'ILLEGAL'],
    ['LINEARIZABLE', 'LEGAL'],
  ] as const) {
    it(`one ${consistency} read at a follower that is cut off: ${verdict}`, async () => {
      const { outcome, judgement } = await readAtCutOffFollower(consistency);
      assert.equal(judgement.verdict, verdict);
      if (consistency === 'STALE') {
        assert.deepEqual(outcome, { kind: 'ok', seen: { version: 1, value: 'old' } });
        assert.match(explain(judgement), /get → version 1, "old": would show version 2, "new"/);
      } else assert.notEqual(outcome.kind, 'ok');
    });
  }

  /** Writes, cuts a follower off, writes again, and reads at that follower, which cannot know of the second write. */
  async function readAtCutOffFollower(consistency: Consistency) {
    taken += 1;
    const key = `h${taken}`;
    const recorder = new Recorder(key);
    await cluster.settled();
    const leader = (await cluster.leader()) as Member;
    const follower = cluster.members.find((member) => member !== leader) as Member;
    await perform(recorder, leader, key, { type: 'put', value: 'old' });
    await cluster.settled();
    cluster.network.cutOff(follower.id);
    try {
      await perform(recorder, leader, key, { type: 'put', value: 'new' });
      const outcome = await perform(recorder, follower, key, { type: 'get' }, consistency);
      return { outcome, judgement: check(recorder.operations) };
    } finally {
      cluster.network.heal();
    }
  }

  async function perform(
    recorder: Recorder,
    member: Member,
    key: string,
    command: Command,
    consistency: Consistency = 'LINEARIZABLE',
  ): Promise<Outcome> {
    const client = await KvClient.open(member, 'json', { consistency, claims: [] });
    assert.ok(client);
    try {
      return await recorder.client().perform(
        key,
        () => command,
        (operation) => client.perform({ key, ...operation }),
      );
    } finally {
      client.close();
    }
  }
});
