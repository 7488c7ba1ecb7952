/**
 * What clients behind a real HAProxy notice of faults, with the example configuration. Times are measured by
 * `npm run balancers`; here only what must happen counts.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ELECTION_MS } from '../support/daemons.ts';
import { TEST_MS } from '../support/patience.ts';
import { type AtLeastReport, readAtLeast } from './at-least.ts';
import { type Answer, ask } from './client.ts';
import { BalancedCluster } from './cluster.ts';
import { haproxyProgram, type Way } from './haproxy.ts';
import { killLeaders, PROPOSAL_WAYS } from './kills.ts';

const KILLS = 3;
const READS = 2_000;

describe('behind HAProxy', function () {
  this.timeout(TEST_MS);
  let cluster: BalancedCluster;

  before(async function () {
    const program = haproxyProgram();
    if (program === undefined) return this.skip();
    cluster = await BalancedCluster.start(program, { newsBy: 'command', electionMs: ELECTION_MS });
  });
  after(() => cluster?.end());

  it('is shown the leader, and every node that is ready, by each way', async () => {
    // `start` has waited for just that; here it is seen that a request passes by each of them.
    for (const way of PROPOSAL_WAYS) {
      const url = cluster.haproxy.url(way);
      const answer = await put(way);
      assert.equal(answer.status, 200, `${way}: ${answer.body}`);
      assert.deepEqual(JSON.parse(answer.body), { existed: false });
      assert.equal((await ask(`${cluster.haproxy.url('app')}/${way}`)).body, 'here');
      // The door of the sidecar is as it was: its other routes are not reached this way.
      assert.equal((await ask(`${url}/v1/status`)).status, 403);
      assert.equal((await ask(`${url}/v1/propose`, { method: 'POST' })).status, 401);
    }
  });

  it(`gets its traffic back after each of ${KILLS} kills of the leader, by each way`, async () => {
    const { gaps, sessions } = await killLeaders(cluster, KILLS);
    for (const way of PROPOSAL_WAYS) assert.equal(gaps.get(way)?.length, KILLS, way);
    // To clients that try again in a session whatever nobody knows the outcome of, nothing worse comes.
    assert.deepEqual(sessions.definite, []);
    assert.ok(sessions.commands > 0);
  });

  it('is not shown a leader that was away and does not know yet that it was replaced', async () => {
    for (let round = 0; round < 5; round++) {
      const old = await cluster.leader();
      cluster.signal(old, 'SIGSTOP');
      // An election can be over before that; until then it may take itself for the leader, as one that was cut off may.
      const longEnough = sleep(ELECTION_MS.max);
      // What it finds in its sockets when it goes on, before it hears of the new leader.
      const waiting = Array.from({ length: 5 }, () => cluster.get(old, '/leader', 60_000));
      const agents = await Promise.all(Array.from({ length: 5 }, () => cluster.askAgent(old)));
      await cluster.until('another leader', async () => {
        const others = cluster.ids.filter((id) => id !== old);
        const answers = await Promise.all(others.map((id) => cluster.get(id, '/leader')));
        return answers.some((answer) => answer?.status === 200);
      });
      await longEnough;
      cluster.signal(old, 'SIGCONT');
      for (const answer of await Promise.all(waiting)) assert.equal(answer?.status, 503);
      for (const agent of agents) assert.match(await agent.line, /^down #/);
      await cluster.settled();
    }
  });

  it('is asked for less by a node whose app is slow, and for nothing by one without an app', async () => {
    const leader = await cluster.leader();
    const id = cluster.ids.find((one) => one !== leader) as string;
    const server = async () => (await cluster.haproxy.servers('app')).find(({ name }) => name === id);
    assert.equal((await server())?.weight, 100);
    cluster.signalApp(id, 'SIGSTOP');
    // Not waited for: one that meets this node is answered when its app is back.
    const puts = Promise.all(cluster.ids.map(() => put('any')));
    await cluster.until('a tenth of the weight', async () => {
      const found = await server();
      return found?.status === 'UP' && found.weight === 10;
    });
    await cluster.killApp(id);
    await cluster.until('no requests', async () => (await server())?.status.startsWith('DOWN') === true);
    await cluster.startApp(id);
    await cluster.settled();
    assert.equal((await server())?.weight, 100);
    await puts;
  });

  async function put(way: Way): Promise<Answer> {
    const body = JSON.stringify({ op: 'put', key: way, value: 'here' });
    const headers = { Authorization: `Bearer ${cluster.token}` };
    return await ask(`${cluster.haproxy.url(way)}/v1/propose`, { method: 'POST', headers, body });
  }

  it('never reads the past with AT_LEAST, whichever node a read meets', async () => {
    const report = await readAtLeast(cluster, { reads: READS, faults: 6, consistency: 'AT_LEAST' });
    assert.deepEqual(report.told, []);
    assert.equal(report.wentBack, 0);
    assert.ok(report.reads.sidecar + report.reads.app >= READS);
    checkThatItWasATest(report);
  });

  it('would notice: STALE reads the past by the same way', async () => {
    const report = await readAtLeast(cluster, { reads: READS / 2, faults: 6, consistency: 'STALE' });
    assert.ok(report.wentBack > 0, 'no read went back: this test proves nothing');
  });

  function checkThatItWasATest(report: AtLeastReport): void {
    assert.ok(report.writes >= 20, `only ${report.writes} writes`);
    assert.ok(report.judged >= report.reads.app / 2, `only ${report.judged} values could be judged`);
  }
});
