/** Changes of the membership of real daemons: nodes join, get their vote, leave and are replaced, while clients write. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { MemberStatus } from '../../shared/inspect.ts';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { EventReader } from '../support/event-reader.ts';
import { SnapshotApp } from '../support/snapshot-app.ts';

const FLAGS = ['--snapshot-entries', '200', '--snapshot-bytes', String(64 * 1024)];

describe('membership', function () {
  this.timeout(120_000);
  let daemons: Daemons;
  let all: Daemon[] = [];
  const apps = new Map<string, SnapshotApp>();
  const clients: AppClient[] = [];
  let ids = 0;

  beforeEach(async () => {
    daemons = await Daemons.begin();
  });

  afterEach(async () => {
    await Promise.all([...apps.values()].map((app) => app.close()));
    apps.clear();
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await daemons.end();
  });

  async function begin(size: number): Promise<Daemon> {
    all = await daemons.cluster(size, { flags: FLAGS });
    for (const daemon of all) apps.set(daemon.id, new SnapshotApp(daemon.socket));
    return (await daemons.leaderOf(all)) ?? assert.fail('no leader');
  }

  /** Starts one more, which asks to become a member. */
  async function joins(id: string, by: Daemon): Promise<Daemon> {
    const daemon = await daemons.launch(await daemons.plan(id), `http://${by.http}`, {}, FLAGS);
    apps.set(id, new SnapshotApp(daemon.socket));
    all.push(daemon);
    return daemon;
  }

  async function ask(daemon: Daemon, method: string, path: string, body?: object): Promise<Response> {
    const tokens = await readTokenFile(join(daemon.dir, 'tokens.json'));
    return fetch(`http://${daemon.http}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${tokens?.admin}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async function changed(
    daemon: Daemon,
    method: string,
    path: string,
    body?: object,
  ): Promise<readonly string[]> {
    let answer = await ask(daemon, method, path, body);
    // One change at a time: the one before it may be under way still.
    await daemons.until(`${method} ${path} is taken`, async () => {
      if (answer.status === 503) answer = await ask(daemon, method, path, body);
      return answer.status !== 503;
    });
    const said = (await answer.json()) as { voters?: readonly string[]; message?: string };
    assert.ok(answer.ok, `${method} ${path}: ${said.message}`);
    return said.voters ?? [];
  }

  const votersAre = (expected: readonly string[]): Promise<void> =>
    daemons.until(`the voters are ${expected.join(' ')}`, async () => {
      const members = all.filter((daemon) => expected.includes(daemon.id));
      const statuses = await Promise.all(members.map((daemon) => daemons.status(daemon)));
      return statuses.every(
        (status) =>
          status !== undefined &&
          status.membership.outgoing.length === 0 &&
          [...status.membership.voters].sort().join() === [...expected].sort().join(),
      );
    });

  async function write(daemon: Daemon, count: number): Promise<number> {
    const through = await AppClient.greet(daemon.socket, 'json', undefined, false);
    clients.push(through);
    let last = 0;
    for (let at = 0; at < count; at++) {
      const id = ++ids;
      through.send({
        type: 'propose',
        id,
        command: Buffer.from(`k${id % 50}=${id} ${'x'.repeat(200)}`),
        wait: 'COMMITTED',
      });
      last = (await through.next('proposed', (frame) => frame.id === id)).index;
    }
    return last;
  }

  async function sameState(index: number, of: readonly string[]): Promise<void> {
    await daemons.until('all apps have applied it', async () =>
      of.every((id) => (apps.get(id)?.applied ?? 0) >= index),
    );
    assert.equal(new Set(of.map((id) => apps.get(id)?.dump)).size, 1);
  }

  it('grows from one node to three: each new one learns, and then gets its vote', async () => {
    const first = await begin(1);
    await write(first, 600);
    const second = await joins('n2', first);
    await votersAre(['n1', 'n2']);
    await joins('n3', second);
    await votersAre(['n1', 'n2', 'n3']);
    await sameState(await write(second, 20), ['n1', 'n2', 'n3']);
    await first.child.kill();
    const rest = all.filter((daemon) => daemon !== first);
    await daemons.until('one of the others leads', async () => (await daemons.leaderOf(rest)) !== undefined);
    await sameState(await write(second, 20), ['n2', 'n3']);
  });

  it('replaces a dead member in one change, and lets a leader remove itself', async () => {
    const leader = await begin(3);
    await write(leader, 50);
    const dead = all.find((daemon) => daemon !== leader) ?? assert.fail();
    await dead.child.kill();
    const plan = await daemons.plan('n4');
    await changed(leader, 'POST', '/v1/members', { id: 'n4', peer: plan.peer, replaces: dead.id });
    const fresh = await daemons.launch(plan, `http://${leader.http}`, {}, FLAGS);
    apps.set('n4', new SnapshotApp(fresh.socket));
    all = [...all.filter((daemon) => daemon !== dead), fresh];
    const voters = ['n1', 'n2', 'n3', 'n4'].filter((id) => id !== dead.id);
    await votersAre(voters);

    assert.deepEqual(
      [...(await changed(fresh, 'DELETE', `/v1/members/${leader.id}`))].sort(),
      voters.filter((id) => id !== leader.id),
    );
    const rest = all.filter((daemon) => daemon !== leader);
    await daemons.until('another one leads', async () => (await daemons.leaderOf(rest)) !== undefined);
    const left = voters.filter((id) => id !== leader.id);
    await votersAre(left);
    await sameState(await write(fresh, 20), left);
    const removed = (await daemons.status(leader)) ?? assert.fail();
    assert.equal(removed.role, 'LEARNER');
  });

  it('speaks with no node that comes back with another disk, until it has left and is added again', async () => {
    const leader = await begin(3);
    await write(leader, 50);
    const wiped = all.find((daemon) => daemon !== leader) ?? assert.fail();
    await wiped.child.kill();
    await apps.get(wiped.id)?.close();
    rmSync(wiped.dir, { recursive: true });
    const again = await daemons.launch(wiped, wiped.members, {}, FLAGS);
    all = all.map((daemon) => (daemon === wiped ? again : daemon));
    apps.set(again.id, new SnapshotApp(again.socket));
    await daemons.until('it is refused', async () => {
      const status = await daemons.status(again);
      return (
        status?.members.filter(({ reason }) => /WRONG_DISK: .* has another disk/.test(reason)).length === 2
      );
    });
    assert.equal((await daemons.status(again))?.commitIndex, 0);

    await again.child.kill();
    rmSync(again.dir, { recursive: true });
    await changed(leader, 'DELETE', `/v1/members/${again.id}`);
    const fresh = await daemons.launch(again, `http://${leader.http}`, {}, FLAGS);
    all = all.map((daemon) => (daemon === again ? fresh : daemon));
    await votersAre(['n1', 'n2', 'n3']);
    await sameState(await write(leader, 20), ['n1', 'n2', 'n3']);
  });

  it('knows the new disk of a node that was added again while it slept', async () => {
    const leader = await begin(4);
    await write(leader, 50);
    const [asleep, wiped] = all.filter((daemon) => daemon !== leader) as [Daemon, Daemon];
    await asleep.child.kill();
    await changed(leader, 'DELETE', `/v1/members/${wiped.id}`);
    await wiped.child.kill();
    await apps.get(wiped.id)?.close();
    rmSync(wiped.dir, { recursive: true });
    const fresh = await daemons.launch(wiped, `http://${leader.http}`, {}, FLAGS);
    all = all.map((daemon) => (daemon === wiped ? fresh : daemon));
    apps.set(fresh.id, new SnapshotApp(fresh.socket));
    await daemons.until(
      'it votes again',
      async () => (await daemons.status(leader))?.membership.voters.length === 4,
    );
    const awake = await daemons.launch(asleep, asleep.members, {}, FLAGS);
    all = all.map((daemon) => (daemon === asleep ? awake : daemon));
    await votersAre(['n1', 'n2', 'n3', 'n4']);
    await daemons.until('they speak with each other', async () => {
      const statuses = await Promise.all([awake, fresh].map((daemon) => daemons.status(daemon)));
      return statuses.every((status) => status?.members.every(({ connected }) => connected) === true);
    });
    await sameState(await write(awake, 20), ['n1', 'n2', 'n3', 'n4']);
  });

  it('brings a member back that slept through changes and knows none of the others', async () => {
    const leader = await begin(3);
    await write(leader, 50);
    const asleep = all.find((daemon) => daemon !== leader) ?? assert.fail();
    await asleep.child.kill();
    const first = await joins('n4', leader);
    await daemons.until(
      'four vote',
      async () => (await daemons.status(first))?.membership.voters.length === 4,
    );
    await joins('n5', first);
    const others = all.filter((daemon) => daemon !== asleep);
    await daemons.until(
      'five vote',
      async () => (await daemons.status(first))?.membership.voters.length === 5,
    );
    for (const old of others.filter(({ id }) => id !== 'n4' && id !== 'n5')) {
      await changed(first, 'DELETE', `/v1/members/${old.id}`);
      await old.child.kill();
    }
    const back = await daemons.launch(asleep, asleep.members, {}, FLAGS);
    all = [back, ...others.filter(({ id }) => id === 'n4' || id === 'n5')];
    await votersAre([back.id, 'n4', 'n5']);
    await sameState(await write(first, 20), [back.id, 'n4', 'n5']);
  });

  it('lets the voter lead that an operator prefers', async () => {
    const leader = await begin(3);
    const preferred = all.find((daemon) => daemon !== leader) ?? assert.fail();
    const token = (await readTokenFile(join(leader.dir, 'tokens.json')))?.view ?? '';
    const events = await EventReader.open(`http://${leader.http}`, { token });
    await changed(leader, 'POST', '/v1/members', { id: preferred.id, priority: 10 });
    await daemons.until('it leads', async () => (await daemons.leaderOf(all)) === preferred);
    const told = await events.find(({ kind }) => kind === 'TRANSFER_STARTED');
    assert.deepEqual([told.cause, told.peer], ['PRIORITY', preferred.id]);
    await events.cut();
    // It keeps it where something else of it changes.
    await changed(leader, 'POST', '/v1/members', { id: preferred.id, peer: preferred.peer });
    const members = await daemons.view<readonly MemberStatus[]>(leader, '/v1/members');
    assert.deepEqual(
      members.map(({ id, priority }) => [id, priority]),
      all.map(({ id }) => [id, id === preferred.id ? 10 : 0]),
    );
  });

  it('refuses what makes no sense, with one sentence', async () => {
    const leader = await begin(1);
    const refused = async (
      method: string,
      path: string,
      body: object | undefined,
      why: RegExp,
    ): Promise<void> => {
      const answer = await ask(leader, method, path, body);
      const said = (await answer.json()) as { code: string; definite: boolean; message: string };
      assert.equal(answer.status, 400);
      assert.deepEqual([said.code, said.definite], ['BAD_REQUEST', true]);
      assert.match(said.message, why);
    };
    await refused('DELETE', '/v1/members/n1', undefined, /n1 is the only voter/);
    await refused('DELETE', '/v1/members/n9', undefined, /n9 is not a member/);
    await refused('POST', '/v1/members/n1/promote', {}, /n1 votes already/);
    await refused('POST', '/v1/members', { id: 'n2' }, /peer in the body is missing/);
    await refused('POST', '/v1/members', { id: 'n2', peer: 'nowhere' }, /give HOST:PORT/);
    await refused('POST', '/v1/members', { id: 'n2', peer: leader.peer }, /n1 has the address/);
  });
});
