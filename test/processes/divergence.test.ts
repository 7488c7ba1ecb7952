/**
 * Apps that do not do the same with the same entries, found by comparing hashes of their states: real sidecars, real apps. The
 * alarm names whose app it is and the entries in which it happened.
 */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import type { RaftEvent } from '../../shared/events.ts';
import { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import type { AppClient } from '../support/app-client.ts';
import { AppStage } from '../support/app-stage.ts';
import type { Daemon } from '../support/daemons.ts';
import type { MoodyApp } from '../support/moody-app.ts';
import { TEST_MS } from '../support/patience.ts';

const EVERY = 10;
const HASHES = ['--hash-every', String(EVERY)];
const GRACE = ['--app-grace-ms', '400'];

describe('apps that diverge', function () {
  this.timeout(TEST_MS);
  let stage: AppStage;
  let all: Daemon[];
  let apps: Map<Daemon, MoodyApp>;

  beforeEach(async () => {
    stage = await AppStage.begin();
    apps = new Map();
  });

  afterEach(() => stage.end());

  async function begin(size: number): Promise<void> {
    all = await stage.cluster(size, GRACE);
    for (const daemon of all) apps.set(daemon, await stage.attach(daemon, ...HASHES));
    for (const daemon of all) await stage.isWell(daemon, 0);
  }

  const leader = async (): Promise<Daemon> => {
    await stage.daemons.until(
      'somebody leads',
      async () => (await stage.daemons.leaderOf(all)) !== undefined,
    );
    return (await stage.daemons.leaderOf(all)) as Daemon;
  };

  /**
   * Commits up to that index at least, and waits until every app has applied it. In steps: an acknowledgement has room for one
   * hash, and an app that is given so much at once that several are due says only the last.
   */
  async function upTo(index: number, through: AppClient): Promise<void> {
    let last = (await stage.statusOf(all[0] as Daemon)).appliedIndex;
    while (last < index) {
      const step = last - (last % EVERY) + EVERY;
      while (last < step) last = await stage.commit(through, `command ${stage.nextId()}`);
      await stage.daemons.until(`all have applied ${last}`, async () => {
        const statuses = await Promise.all(all.map((daemon) => stage.statusOf(daemon)));
        return statuses.every(({ app, appliedIndex }) => app.state === 'ABSENT' || appliedIndex >= last);
      });
    }
  }

  /** The state of that app becomes another one, now. */
  async function flip(daemon: Daemon): Promise<void> {
    const app = apps.get(daemon) as MoodyApp;
    app.be('flip');
    await app.says(/^flipped/);
  }

  const isAlarm =
    (cause: 'MINORITY' | 'UNDECIDED') =>
    ({ kind, cause: its }: RaftEvent): boolean =>
      kind === 'APP_DIVERGED' && its === cause;

  it('the one of three that is wrong is named, with the entries, and stopped; and comes back without state', async () => {
    await begin(3);
    const leads = await leader();
    const wrong = all.find((daemon) => daemon !== leads) as Daemon;
    const through = await stage.client(leads);
    await upTo(2 * EVERY, through);
    await stage.daemons.until('the apps were compared', async () => {
      return (await stage.metric(leads, 'outrigger_apps_equal_index')) >= 2 * EVERY;
    });
    await flip(wrong);
    const flipped = (await stage.statusOf(wrong)).appliedIndex;
    await upTo(4 * EVERY, through);

    const alarm = await stage.reader(leads).find(isAlarm('MINORITY'));
    assert.equal(alarm.peer, wrong.id);
    const [after, until] = [alarm.index ?? 0, alarm.through ?? 0];
    assert.ok(after >= 2 * EVERY && after <= flipped && flipped < until, JSON.stringify(alarm));
    assert.equal(until - after, EVERY);
    const reason = new RegExp(
      `the app of ${wrong.id} has another state than a majority has.* after ${after} and at the latest ${until}`,
    );
    assert.match(alarm.reason ?? '', reason);
    const own = await stage.reader(wrong).find(isAlarm('MINORITY'));
    assert.deepEqual([own.peer, own.index, own.through], [wrong.id, after, until]);
    await stage.sees(wrong, 'DIVERGED', { reason, entry: until, cause: 'APP_DIVERGED' });
    const app = apps.get(wrong) as MoodyApp;
    assert.match(await app.says(/^error/), /^error APP_DIVERGED after the same entries/);
    await app.says(/^goodbye APP_DIVERGED/);

    const { divergence } = await stage.statusOf(leads);
    assert.deepEqual(
      divergence?.map(({ verdict, nodes }) => [verdict, nodes]),
      [['MINORITY', [wrong.id]]],
    );
    assert.equal(await stage.metric(leads, 'outrigger_apps_differ'), 1);

    // With its state it is not let in again; without, it is given the whole log, and is like the others.
    const stubborn = await stage.knock(wrong, ...HASHES, '--at', String(until));
    assert.match(await stubborn.says(/^error/), new RegExp(`only one as of ${after} or before is let in`));
    const before = stage.eventsSoFar(wrong);
    await stage.attach(wrong, ...HASHES);
    await stage.isWell(wrong, before);
    await stage.daemons.until('nobody differs any more', async () => {
      const { divergence: now } = await stage.statusOf(leads);
      return now?.length === 0 && (await stage.metric(leads, 'outrigger_apps_differ')) === 0;
    });
  });

  it('a leader that is wrong finds it out itself, and hands over', async () => {
    await begin(3);
    const leads = await leader();
    const through = await stage.client(all.find((daemon) => daemon !== leads) as Daemon);
    await upTo(EVERY, through);
    await flip(leads);
    await upTo(3 * EVERY, through);
    await stage.sees(leads, 'DIVERGED', { reason: new RegExp(`the app of ${leads.id} has another state`) });
    const started = await stage.reader(leads).find(({ kind }) => kind === 'TRANSFER_STARTED');
    assert.equal(started.cause, 'APP_UNHEALTHY');
    await stage.daemons.until('another leads', async () => {
      const next = await stage.daemons.leaderOf(all);
      return next !== undefined && next !== leads;
    });
    // Its successor was told everything anew, and finds the same.
    const next = await leader();
    const again = await stage.reader(next).find(isAlarm('MINORITY'));
    assert.equal(again.peer, leads.id);
    await stage.daemons.until('it says so in its status', async () => {
      return (await stage.statusOf(next)).divergence?.[0]?.nodes[0] === leads.id;
    });
    assert.equal((await stage.explained(leads)).cause, 'APP_DIVERGED');
  });

  it('of two that differ both are named, and it is said that nobody can tell which is right', async () => {
    await begin(2);
    const leads = await leader();
    const through = await stage.client(leads);
    await upTo(EVERY, through);
    await flip(all[1] as Daemon);
    await upTo(2 * EVERY, through);
    for (const daemon of all) {
      const alarm = await stage.reader(daemon).find(isAlarm('UNDECIDED'));
      assert.match(
        alarm.reason ?? '',
        /the apps of n1 and n2 have different states, and no majority says which is right/,
      );
      assert.equal(alarm.through, 2 * EVERY);
      assert.equal((await stage.statusOf(daemon)).app.condition, 'HEALTHY');
    }
    assert.equal(await stage.metric(leads, 'outrigger_apps_differ'), 2);
    const { cause, certainty } = await stage.explained(leads);
    assert.deepEqual([cause, certainty], ['APP_DIVERGED', 'LIKELY']);
  });

  it('an app that is not deterministic is found while it is developed: the key-value example, made careless', async () => {
    all = await stage.cluster(3);
    const copies = await Promise.all(
      all.map(({ socket }) =>
        ManagedProcess.start({
          command: 'python3',
          args: [resolve('test/processes/careless_kv.py')],
          env: { ...process.env, OUTRIGGER_SOCKET: socket, KV_FOLDER: resolve('examples/python-kv') },
          stdin: 'none',
          onLine: () => undefined,
        }),
      ),
    );
    try {
      for (const daemon of all) await stage.isWell(daemon, 0);
      const leads = await leader();
      const through = await stage.client(leads);
      const put = (key: string) => stage.commit(through, JSON.stringify({ op: 'put', key, value: 'v' }));
      let last = 0;
      while (last < 150) last = await put(`careful ${last}`);
      await stage.daemons.until('the copies were compared', async () => {
        return (await stage.metric(leads, 'outrigger_apps_equal_index')) === 100;
      });
      const careless = await put('careless');
      while (last < 250) last = await put(`careful ${last}`);
      const alarm = await stage.reader(leads).find(isAlarm('UNDECIDED'));
      assert.match(alarm.reason ?? '', /the apps of n1, n2 and n3 have different states/);
      assert.deepEqual([alarm.index, alarm.through], [100, 200]);
      assert.ok(careless > 100 && careless <= 200);
    } finally {
      await Promise.all(copies.map((copy) => copy.kill()));
    }
  });
});
