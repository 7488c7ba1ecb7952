/**
 * Exactly once with sessions, and visibly not without them: a short campaign, and one cut that loses just the answer.
 * `npm run exactly-once` is the long one.
 */
import assert from 'node:assert/strict';
import { Prng } from '../simulation/prng.ts';
import { AppClient } from '../support/app-client.ts';
import { TEST_MS } from '../support/patience.ts';
import { campaign } from './campaign.ts';
import { sendPairs } from './pairs.ts';
import { Stage } from './stage.ts';

const KILLS = 6;
const PAIRS = 500;

describe('exactly once', function () {
  this.timeout(TEST_MS);

  it(`holds for 8 clients while ${KILLS} leaders, apps and links die`, async () => {
    const random = new Prng(1, 1);
    const verdict = await campaign({
      kills: KILLS,
      clients: 8,
      sessions: true,
      random: () => random.float(),
      progress: () => undefined,
    });
    const { commands, duplicates, indefinite, ...wrong } = verdict;
    console.log(
      `      ${commands} commands, ${indefinite} indefinite outcomes, ${duplicates} duplicates answered`,
    );
    const { surplus, missing, repeats, gaps, problems } = wrong;
    assert.deepEqual(
      { surplus, missing, repeats, gaps, problems },
      { surplus: 0, missing: 0, repeats: 0, gaps: 0, problems: [] },
    );
    assert.ok(duplicates > 0, 'no command was tried twice: the run proves nothing');
  });

  it(`keeps the order of ${PAIRS} pairs that are sent at the same moment through different nodes`, async () => {
    const random = new Prng(2, 1);
    const { overtaken, ...verdict } = await sendPairs({
      pairs: PAIRS,
      sessions: 25,
      lateMs: 10,
      random: () => random.float(),
      progress: () => undefined,
    });
    assert.deepEqual(verdict, { pairs: PAIRS, repeats: 0, gaps: 0, problems: [] });
    console.log(`      ${overtaken} second commands were answered before the first`);
  });

  for (const sessions of [true, false]) {
    it(`an answer that is lost on its way: ${sessions ? 'the retry changes nothing' : 'without a session the command happens twice'}`, async () => {
      const stage = await Stage.open([]);
      try {
        const leader = await stage.leader();
        const [near, far] = stage.ids.filter((id) => id !== leader) as [string, string];
        const asked = await AppClient.greet(stage.socketOf(near), 'json');
        const other = await AppClient.greet(stage.socketOf(far), 'json');
        let more = {};
        if (sessions) {
          other.send({ type: 'openSession', id: 1 });
          more = { session: (await other.next('sessionOpened')).session, sequence: 1 };
        }
        // What the follower says reaches the leader; what the leader says is lost.
        stage.daemons.network.cutOneWay(leader, near);
        const command = Buffer.from('{"key":"a","client":"c","n":1}');
        asked.send({ type: 'propose', id: 2, command, timeoutMs: 400, ...more });
        const lost = await asked.next('error');
        assert.deepEqual([lost.id, lost.definite], [2, false], lost.message);
        other.send({ type: 'propose', id: 3, command, ...more });
        const told = await other.next('proposed');
        const { value } = JSON.parse(Buffer.from(told.result ?? []).toString()) as { value: number };
        assert.deepEqual([value, told.duplicate ?? false], sessions ? [1, true] : [2, false]);
        await Promise.all([asked.close(), other.close()]);
      } finally {
        await stage.close();
      }
    });
  }
});
