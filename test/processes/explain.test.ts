/**
 * Does `explain` name the true cause? Each situation is staged for real, on three daemons with an app each, and asked about
 * through the same aggregator that the editor runs.
 *
 * MUST: accept no other cause, and at no moment an answer that is certain and wrong; check that the evidence is there.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Clusters } from '../../extension/aggregator/clusters/clusters.ts';
import type { ClusterView } from '../../shared/cluster-view.ts';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { About, ExplainCause, Explanation } from '../../shared/explain/types.ts';
import type { NodeStatus } from '../../shared/inspect.ts';
import { diffLogs } from '../../shared/log-diff.ts';
import { signalGroup } from '../../sidecar/cli/cluster/managed-process.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { EchoMachine } from '../support/echo-machine.ts';
import { PATIENCE_MS, pause as rest, TEST_MS } from '../support/patience.ts';

const CLUSTER = 'daemons';
const COMMAND = Buffer.alloc(512, 'x');

describe('explain names the true cause when', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  let all: Daemon[];
  let machines: Map<string, EchoMachine>;
  let clusters: Clusters;
  let shim = '';
  const paused: Daemon[] = [];

  beforeEach(async () => {
    daemons = await Daemons.begin();
    shim = join(daemons.root, 'disk-fault.so');
    if (process.platform === 'linux') {
      execFileSync('cc', [
        '-shared',
        '-fPIC',
        '-O1',
        '-o',
        shim,
        resolve('test/support/disk-fault.c'),
        '-ldl',
      ]);
    }
    all = await daemons.cluster(3, { partitions: true, envOf, flags: ['--control'] });
    machines = new Map();
    for (const { id, socket } of all) machines.set(id, await EchoMachine.attach(socket));
    clusters = new Clusters({
      endpointRoot: join(daemons.runtimeDir, 'outrigger'),
      remembered: [],
      detached: [],
      onBug: (error) => {
        throw error;
      },
    });
    clusters.attend(true);
    await daemons.until('the aggregator sees a healthy cluster', async () => view()?.health === 'HEALTHY');
  });

  afterEach(async () => {
    clusters.dispose();
    for (const daemon of paused.splice(0)) signalGroup(daemon.child.pid, 'SIGCONT');
    for (const machine of machines.values()) await machine.close();
    await daemons.end();
  });

  function envOf(id: string): NodeJS.ProcessEnv {
    if (process.platform !== 'linux') return {};
    return { LD_PRELOAD: shim, DISK_FAULT_FILE: join(daemons.root, `fault-${id}`) };
  }

  const view = (): ClusterView | undefined => clusters.cluster(CLUSTER);

  async function roles(): Promise<{ leader: Daemon; follower: Daemon; other: Daemon }> {
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const [follower, other] = all.filter((daemon) => daemon !== leader) as [Daemon, Daemon];
    return { leader, follower, other };
  }

  function pause(daemon: Daemon): void {
    paused.push(daemon);
    signalGroup(daemon.child.pid, 'SIGSTOP');
  }

  async function post(daemon: Daemon, path: string, type: string, body: Buffer | string): Promise<Response> {
    const tokens = await readTokenFile(join(daemon.dir, 'tokens.json'));
    return fetch(`http://${daemon.http}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokens?.admin}`, 'content-type': type },
      body,
    });
  }

  /** Commits `count` commands through `daemon`, one after the other. */
  async function write(daemon: Daemon, count: number): Promise<void> {
    for (let at = 0; at < count; at++) {
      const answer = await post(daemon, '/v1/propose', 'application/octet-stream', COMMAND);
      assert.equal(answer.status, 200, await answer.text());
    }
  }

  async function anotherLeads(old: Daemon): Promise<void> {
    await daemons.until(
      'the view shows another leader',
      async () => ![old.id, ''].includes(view()?.leader ?? ''),
    );
  }

  /**
   * Asks until the answer is `cause` (and, where wanted, certain). An answer that is certain and wrong fails at once;
   * `first` is what is true until the situation has lasted long enough to be one.
   */
  async function explained(
    about: About,
    id: string,
    cause: ExplainCause,
    { first = [], certain = false }: { first?: readonly ExplainCause[]; certain?: boolean } = {},
  ): Promise<Explanation> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const answer = await clusters.explain(CLUSTER, about, id);
      const said = JSON.stringify(answer, null, 1);
      if (answer.cause === cause && (!certain || answer.certainty === 'CERTAIN')) {
        assertEvidence(answer);
        return answer;
      }
      if (answer.cause !== cause && !first.includes(answer.cause)) {
        assert.notEqual(answer.certainty, 'CERTAIN', `certain of something else than ${cause}: ${said}`);
      }
      assert.ok(performance.now() < end, `still not ${cause}: ${said}`);
      await rest();
    }
  }

  function assertEvidence(answer: Explanation): void {
    assert.notEqual(answer.certainty, 'UNKNOWN', answer.answer);
    assert.ok(answer.answer.length > 20, answer.answer);
    assert.ok(answer.evidence.length > 0, 'an answer without evidence');
    const { events } = clusters.events(CLUSTER);
    for (const item of answer.evidence) {
      assert.ok(
        all.some(({ id }) => id === item.node),
        `evidence of ${item.node}`,
      );
      if (item.seq === undefined) continue;
      const found = events.find(
        (event) => event.node === item.node && event.seq === item.seq && event.generation === item.generation,
      );
      assert.ok(
        found,
        `the evidence names event ${item.seq} of ${item.node}, which nobody has: ${item.text}`,
      );
    }
  }

  const mentions = (answer: Explanation, node: Daemon): boolean =>
    answer.answer.includes(node.id) || answer.evidence.some((item) => item.node === node.id);

  it('the leader was killed', async () => {
    const { leader } = await roles();
    await leader.child.kill();
    await anotherLeads(leader);
    assert.ok(mentions(await explained('leader', '', 'LEADER_KILLED'), leader));
  });

  it('the leader was stopped in good order', async () => {
    const { leader } = await roles();
    signalGroup(leader.child.pid, 'SIGTERM');
    await leader.child.exited;
    await anotherLeads(leader);
    const answer = await clusters.explain(CLUSTER, 'leader', '');
    assert.ok(['LEADER_STOPPED', 'LEADER_TRANSFERRED'].includes(answer.cause), JSON.stringify(answer));
    assertEvidence(answer);
  });

  it('the leader was paused, while it is and after it is back', async () => {
    const { leader } = await roles();
    pause(leader);
    await anotherLeads(leader);
    assert.ok(mentions(await explained('leader', '', 'LEADER_PAUSED'), leader));
    signalGroup(leader.child.pid, 'SIGCONT');
    await daemons.until('it is back', async () => view()?.health === 'HEALTHY');
    // Now its own record tells that it did not run.
    const after = await explained('leader', '', 'LEADER_PAUSED', { certain: true });
    assert.ok(after.evidence.some((item) => item.node === leader.id && item.seq !== undefined));
  });

  it('leadership was transferred', async () => {
    const { leader, follower } = await roles();
    const body = JSON.stringify({ to: follower.id });
    const answer = await post(leader, '/v1/leader/transfer', 'application/json', body);
    assert.equal(answer.status, 200, await answer.text());
    await anotherLeads(leader);
    assert.ok(mentions(await explained('leader', '', 'LEADER_TRANSFERRED'), follower));
  });

  it('the leader was cut off', async () => {
    const { leader } = await roles();
    daemons.network.cutOff(leader.id);
    await anotherLeads(leader);
    assert.ok(mentions(await explained('leader', '', 'LEADER_CUT_OFF'), leader));
  });

  it('no majority is left', async () => {
    const { follower, other } = await roles();
    await Promise.all([follower.child.kill(), other.child.kill()]);
    await daemons.until('nobody leads', async () => view()?.leader === '');
    await explained('leader', '', 'NO_QUORUM');
  });

  it('a follower is paused', async () => {
    const { leader, follower } = await roles();
    pause(follower);
    await write(leader, 20);
    assert.ok(
      mentions(await explained('lag', follower.id, 'FOLLOWER_PAUSED', { first: ['NOT_BEHIND'] }), follower),
    );
  });

  it('a follower is dead', async () => {
    const { leader, follower } = await roles();
    await follower.child.kill();
    await write(leader, 20);
    await explained('lag', follower.id, 'FOLLOWER_DOWN', { first: ['NOT_BEHIND'] });
  });

  it('a follower is cut off', async () => {
    const { leader, follower } = await roles();
    daemons.network.cutOff(follower.id);
    await write(leader, 20);
    await explained('lag', follower.id, 'FOLLOWER_CUT_OFF', { first: ['NOT_BEHIND'] });
  });

  it('a follower has a slow disk', async function () {
    if (process.platform !== 'linux') this.skip();
    const { leader, follower } = await roles();
    await writeFile(join(daemons.root, `fault-${follower.id}`), 's');
    let writing = true;
    const load = (async () => {
      while (writing) await write(leader, 5);
    })();
    const answer = await explained('lag', follower.id, 'SLOW_DISK', { first: ['NOT_BEHIND'] });
    writing = false;
    await load;
    assert.ok(answer.evidence.some((item) => item.node === follower.id));
  });

  it('an app stalls', async () => {
    const { leader, follower } = await roles();
    machines.get(follower.id)?.stall();
    await write(leader, 20);
    const answer = await explained('lag', follower.id, 'APP_STALLED', { first: ['NOT_BEHIND', 'APP_SLOW'] });
    assert.match(answer.answer, /app/i);
  });

  it('an app is absent', async () => {
    const { leader, follower } = await roles();
    await machines.get(follower.id)?.close();
    await write(leader, 20);
    await explained('lag', follower.id, 'APP_ABSENT', { first: ['NOT_BEHIND'] });
  });

  it('an entry waits for a quorum, then is committed', async () => {
    const { leader, follower, other } = await roles();
    await write(leader, 1);
    pause(follower);
    pause(other);
    const { lastIndex } = (await daemons.status(leader)) as NodeStatus;
    const pending = post(leader, '/v1/propose', 'application/octet-stream', COMMAND);
    const index = lastIndex + 1;
    await daemons.until(
      'it is in the log',
      async () => ((await daemons.status(leader))?.lastIndex ?? 0) >= index,
    );
    await explained('entry', String(index), 'WAITING_FOR_QUORUM');
    for (const daemon of paused) signalGroup(daemon.child.pid, 'SIGCONT');
    await pending;
    await daemons.until('it is committed', async () => (view()?.commitIndex ?? 0) >= index);
  });

  it('two logs conflict, and the diff names exactly the first index that differs', async () => {
    const { leader, follower } = await roles();
    await write(leader, 3);
    const { lastIndex } = (await daemons.status(leader)) as NodeStatus;
    daemons.network.cutOff(leader.id);
    const stranded = Promise.all(
      Array.from({ length: 4 }, () => post(leader, '/v1/propose', 'application/octet-stream', COMMAND)),
    );
    await daemons.until(
      'its tail grows',
      async () => ((await daemons.status(leader))?.lastIndex ?? 0) > lastIndex,
    );
    await anotherLeads(leader);
    await daemons.until('the new leader has its own entry there', async () => {
      const status = await daemons.status(follower);
      return status !== undefined && status.term > 1 && status.lastIndex > lastIndex;
    });
    const [left, right] = await Promise.all(
      [leader, follower].map(({ id }) => clusters.freshTerms(CLUSTER, id)),
    );
    assert.ok(left !== undefined && right !== undefined);
    const diff = diffLogs(left, right);
    assert.equal(diff.relation, 'CONFLICT');
    assert.equal(diff.firstDifference, lastIndex + 1);
    daemons.network.heal();
    await stranded;
    await explained('entry', String(lastIndex + 1), 'OVERWRITTEN');
  });
});
