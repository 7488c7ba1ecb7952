/**
 * Snapshots of real daemons: the log is compacted behind them, apps and nodes that are far behind begin with one, and nothing is
 * lost, twice or different for it.
 */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons } from '../support/daemons.ts';
import { freshState, SnapshotApp } from '../support/snapshot-app.ts';

/** A snapshot after every 200 entries or so. */
const FLAGS = ['--snapshot-entries', '200', '--snapshot-bytes', String(64 * 1024)];

describe('snapshots', function () {
  this.timeout(120_000);
  let daemons: Daemons;
  const apps: SnapshotApp[] = [];
  const clients: AppClient[] = [];
  let ids = 0;

  beforeEach(async () => {
    daemons = await Daemons.begin();
  });

  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.close()));
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await daemons.end();
  });

  function attach(daemon: Daemon, options: ConstructorParameters<typeof SnapshotApp>[1] = {}): SnapshotApp {
    const app = new SnapshotApp(daemon.socket, options);
    apps.push(app);
    return app;
  }

  async function client(daemon: Daemon): Promise<AppClient> {
    const made = await AppClient.greet(daemon.socket, 'json', undefined, false);
    clients.push(made);
    return made;
  }

  /** So many writes to 50 keys, one after the other in batches; returns the index of the last. */
  async function write(through: AppClient, count: number): Promise<number> {
    let last = 0;
    for (let done = 0; done < count; done += 50) {
      const batch = Array.from({ length: 50 }, (_, at) => {
        const id = ++ids;
        through.send({
          type: 'propose',
          id,
          command: Buffer.from(`k${at}=${id} ${'x'.repeat(200)}`),
          wait: 'COMMITTED',
        });
        return through.next('proposed', (frame) => frame.id === id);
      });
      for (const { index } of await Promise.all(batch)) last = Math.max(last, index);
    }
    return last;
  }

  const applied = (app: SnapshotApp, index: number): Promise<void> =>
    daemons.until(`an app has applied ${index}`, async () => app.applied >= index);

  /** Writes until the log of `daemon` begins behind an index; returns the index of the last write. */
  async function compacted(daemon: Daemon, through: AppClient, beyond: number): Promise<number> {
    let last = 0;
    await daemons.until(`the log of ${daemon.id} begins behind ${beyond}`, async () => {
      last = await write(through, 200);
      const status = await daemons.status(daemon);
      return status !== undefined && status.firstIndex > beyond;
    });
    return last;
  }

  it('compacts the log behind them, and gives one to an app that comes back without its state', async () => {
    const [daemon] = (await daemons.cluster(1, { flags: FLAGS })) as [Daemon];
    const first = attach(daemon);
    const last = await compacted(daemon, await client(daemon), 100);
    await applied(first, last);
    const { firstIndex, snapshotIndex } = (await daemons.status(daemon)) ?? assert.fail();
    assert.ok(snapshotIndex >= firstIndex - 1 && snapshotIndex <= last, `snapshot ${snapshotIndex}`);
    assert.ok(first.given >= 2);

    const second = attach(daemon);
    await applied(second, last);
    assert.equal(second.dump, first.dump);
    const [plan] = second.plans;
    assert.ok(plan !== undefined && 'snapshotIndex' in plan, `it was told ${JSON.stringify(plan)}`);
    assert.deepEqual(
      [...first.errors, ...second.errors].filter((error) => !error.startsWith('closed')),
      [],
    );
  });

  it('replays what the log has to an app that keeps its own state', async () => {
    const [daemon] = (await daemons.cluster(1, { flags: FLAGS })) as [Daemon];
    const state = freshState();
    const before = attach(daemon, { state });
    const through = await client(daemon);
    await applied(before, await compacted(daemon, through, 100));
    await before.close();
    const after = attach(daemon, { state });
    const last = await write(through, 50);
    await applied(after, last);
    assert.ok(after.plans[0] !== undefined && 'replayFrom' in after.plans[0]);
  });

  it('gives one to a node whose entries are gone, and all have the same state after a restart', async () => {
    const all = await daemons.cluster(3, { flags: FLAGS });
    for (const daemon of all) attach(daemon);
    const leader = (await daemons.leaderOf(all)) ?? assert.fail('no leader');
    const behind = all.find((daemon) => daemon !== leader) ?? assert.fail();
    const through = await client(leader);
    await write(through, 100);
    await behind.child.kill();
    await compacted(leader, through, 150);
    const back = await daemons.launch(behind, behind.members, {}, FLAGS);
    const of = all.map((daemon) => (daemon === behind ? back : daemon));
    const last = await write(through, 100);
    for (const app of apps) await applied(app, last);
    const [dump] = new Set(apps.map((app) => app.dump));
    assert.equal(new Set(apps.map((app) => app.dump)).size, 1);
    const { firstIndex } = (await daemons.status(back)) ?? assert.fail();
    assert.ok(firstIndex > 150, `its log begins at ${firstIndex}`);

    await Promise.all(of.map((daemon) => daemon.child.kill()));
    for (const app of apps.splice(0)) await app.close();
    const again = await Promise.all(of.map((daemon) => daemons.launch(daemon, daemon.members, {}, FLAGS)));
    for (const daemon of again) attach(daemon);
    await daemons.until('a leader is there', async () => (await daemons.leaderOf(again)) !== undefined);
    for (const app of apps) await applied(app, last);
    assert.deepEqual([...new Set(apps.map((app) => app.dump))], [dump]);
  });

  it('gives nobody what an app with a wrong state gave, also not that app when it comes without its state', async () => {
    const EVERY = 1_000;
    const all = await daemons.cluster(3, { flags: FLAGS });
    const hashing = { hashEvery: EVERY };
    const leader = (await daemons.leaderOf(all)) ?? assert.fail('no leader');
    const wrong = all.find((daemon) => daemon !== leader) ?? assert.fail();
    const first = attach(wrong, hashing);
    const others = all.filter((daemon) => daemon !== wrong).map((daemon) => attach(daemon, hashing));
    const through = await client(leader);
    await write(through, EVERY + 50);
    await applied(first, EVERY + 50);
    first.state.values.set('poison', 'a bug of this app');
    await write(through, EVERY - 200);
    await daemons.until('there is a snapshot of the wrong state', async () => {
      return ((await daemons.status(wrong))?.snapshotIndex ?? 0) > EVERY + 200;
    });
    await write(through, 400);
    await daemons.until('it is found out', async () => {
      return (await daemons.status(wrong))?.app.condition === 'DIVERGED';
    });
    await first.close();
    const folder = join(wrong.dir, 'snapshots');
    await daemons.until('its snapshots have no state any more', async () =>
      readdirSync(folder).every((name) => statSync(join(folder, name)).size < 4_000),
    );
    // What it knows of that is in its memory; what it has of it on its disk must be gone.
    await wrong.child.kill();
    await daemons.launch(wrong, wrong.members, {}, FLAGS);
    const again = attach(wrong, hashing);
    const last = await write(through, 50);
    for (const app of [again, ...others]) await applied(app, last);
    assert.deepEqual([...new Set([again, ...others].map((app) => app.dump))], [again.dump]);
    assert.ok(!again.state.values.has('poison'));
  });

  it('keeps the replies of sessions', async () => {
    const [daemon] = (await daemons.cluster(1, { flags: FLAGS })) as [Daemon];
    const first = attach(daemon);
    const through = await client(daemon);
    through.send({ type: 'openSession', id: ++ids, ttlMs: 600_000 });
    const { session } = await through.next('sessionOpened');
    const propose = async (by: AppClient) => {
      const id = ++ids;
      by.send({ type: 'propose', id, command: Buffer.from('once=1'), session, sequence: 1 });
      return by.next('proposed', (frame) => frame.id === id);
    };
    const { index, result } = await propose(through);
    await applied(first, await compacted(daemon, through, index));
    await daemon.child.kill();
    await first.close();
    const again = await daemons.launch(daemon, daemon.members, {}, FLAGS);
    await applied(attach(again), index);
    const retry = await propose(await client(again));
    assert.deepEqual(
      { index: retry.index, result: Buffer.from(retry.result ?? []).toString(), duplicate: retry.duplicate },
      { index, result: Buffer.from(result ?? []).toString(), duplicate: true },
    );
  });
});
