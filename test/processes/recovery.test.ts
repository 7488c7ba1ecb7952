/**
 * Backup, restore and recovery of real clusters: what comes back is what was there, byte for byte, and what cannot be done is
 * refused with one line before anything is touched.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LogPage } from '../../shared/inspect.ts';
import { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import { dump, put } from '../../sidecar/cli/demo/kv-client.ts';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons, membersOf, type Plan } from '../support/daemons.ts';
import { type Finished, outrigger } from '../support/outrigger-command.ts';
import { SnapshotApp } from '../support/snapshot-app.ts';

const AS = (cluster: string): string[] => ['--cluster', cluster];

describe('backup, restore and recover', function () {
  this.timeout(240_000);
  let daemons: Daemons;
  const apps = new Map<string, SnapshotApp>();
  const clients: AppClient[] = [];
  const processes: ManagedProcess[] = [];
  let ids = 0;

  beforeEach(async () => {
    daemons = await Daemons.begin();
  });

  afterEach(async () => {
    await closeAll();
    await Promise.all(processes.splice(0).map((child) => child.kill()));
    await daemons.end();
  });

  async function closeAll(): Promise<void> {
    await Promise.all([...apps.values()].map((app) => app.close()));
    apps.clear();
    await Promise.all(clients.splice(0).map((client) => client.close()));
  }

  const command = (...args: string[]): Promise<Finished> => outrigger(daemons.runtimeDir, args);

  /** It must succeed; its JSON. */
  async function says<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await command(...args, '--json');
    assert.equal(code, 0, `outrigger ${args.join(' ')}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** It must end with this code and one line. */
  async function refused(code: number, why: RegExp, ...args: string[]): Promise<void> {
    const ended = await command(...args);
    assert.match(ended.stderr, why);
    assert.deepEqual([ended.code, ended.stderr.trim().split('\n').length], [code, 1], ended.stderr);
  }

  async function begin(size: number, flags: readonly string[] = []): Promise<Daemon[]> {
    const all = await daemons.cluster(size, { flags });
    for (const daemon of all) apps.set(daemon.id, new SnapshotApp(daemon.socket));
    return all;
  }

  async function client(daemon: Daemon): Promise<AppClient> {
    const made = await AppClient.greet(daemon.socket, 'json', undefined, false);
    clients.push(made);
    return made;
  }

  async function write(through: AppClient, count: number): Promise<number> {
    let last = 0;
    for (let at = 0; at < count; at++) {
      const id = ++ids;
      const text = `k${id % 40}=${id} ${'x'.repeat(100)}`;
      through.send({ type: 'propose', id, command: Buffer.from(text), wait: 'COMMITTED' });
      last = (await through.next('proposed', (frame) => frame.id === id)).index;
    }
    return last;
  }

  async function once(through: AppClient, session: number, sequence: number) {
    const id = ++ids;
    through.send({ type: 'propose', id, command: Buffer.from(`s${sequence}=once`), session, sequence });
    const { index, result, duplicate } = await through.next('proposed', (frame) => frame.id === id);
    return { index, result: Buffer.from(result ?? []).toString(), duplicate: duplicate === true };
  }

  const appliedBy = (ids: readonly string[], index: number): Promise<void> =>
    daemons.until(`the apps of ${ids.join(' ')} have applied ${index}`, async () =>
      ids.every((id) => (apps.get(id)?.applied ?? 0) >= index),
    );

  /** The state of an app that applied the whole log up to `index`, as `SnapshotApp.dump` says it. */
  async function stateAt(daemon: Daemon, index: number): Promise<string> {
    const state = new Map<string, string>();
    for (let from = 1; from <= index; ) {
      const page = await daemons.view<LogPage>(daemon, `/v1/log?from=${from}&to=${index}`);
      assert.equal(page.from, from, 'the log was compacted');
      for (const entry of page.entries) {
        if (entry.kind !== 'COMMAND') continue;
        const [key = '', value = ''] = Buffer.from(entry.command, 'base64').toString().split('=');
        state.set(key, value);
      }
      from = page.to + 1;
    }
    return JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async function destroy(all: readonly Daemon[]): Promise<void> {
    await closeAll();
    await Promise.all(all.map((daemon) => daemon.child.kill()));
    for (const { dir } of all) rmSync(dir, { recursive: true });
  }

  const plansIn = async (folder: string, ids: readonly string[]): Promise<Plan[]> => {
    const plans: Plan[] = [];
    for (const id of ids) plans.push({ ...(await daemons.plan(id)), dir: join(folder, id) });
    return plans;
  };

  async function start(plans: readonly Plan[], members: string, cluster: string): Promise<Daemon[]> {
    const all = await Promise.all(plans.map((plan) => daemons.launch(plan, members, {}, AS(cluster))));
    for (const daemon of all) apps.set(daemon.id, new SnapshotApp(daemon.socket));
    await daemons.until('a leader is there', async () => (await daemons.leaderOf(all)) !== undefined);
    return all;
  }

  interface BackupSaid {
    readonly index: number;
    readonly bytes: number;
    readonly sessions: number;
    readonly cluster: string;
    readonly node: string;
    readonly digest: string;
    readonly confirmed?: boolean;
  }

  it('brings back under another name what was backed up under load, with its sessions', async () => {
    const old = await begin(3);
    const [one] = old as [Daemon];
    const asking = await client(one);
    asking.send({ type: 'openSession', id: ++ids, ttlMs: 600_000 });
    const { session } = await asking.next('sessionOpened');
    const first = await once(asking, session, 1);
    const before = await write(asking, 100);
    let loading = true;
    const load = (async () => {
      const writer = await client(old[1] as Daemon);
      while (loading) await write(writer, 5);
    })();
    const file = join(daemons.root, 'orders.backup');
    const made = await says<BackupSaid>('backup', '--out', file);
    loading = false;
    await load;
    assert.ok(
      made.index >= before,
      `it ends at ${made.index}, and ${before} was acknowledged before it began`,
    );
    assert.deepEqual([made.confirmed, made.cluster, made.sessions], [true, 'daemons', 1]);
    assert.deepEqual([statSync(file).mode & 0o777, statSync(file).size], [0o600, made.bytes]);
    const leader = (await daemons.leaderOf(old)) ?? assert.fail();
    assert.notEqual(made.node, leader.id, 'a follower gives it');
    await refused(2, /is there already: choose another file, or give --force/, 'backup', '--out', file);
    assert.equal((await says<BackupSaid>('backup', '--inspect', file)).digest, made.digest);
    const expected = await stateAt(one, made.index);
    await destroy(old);

    const folder = join(daemons.root, 'restored');
    const plans = await plansIn(folder, ['n1', 'n2', 'n3']);
    const members = membersOf(plans);
    const restore = ['restore', file, '--members', members, '--all', folder];
    await refused(2, /of the cluster daemons: give the new one another name/, ...restore, ...AS('daemons'));
    await says('restore', file, '--members', members, '--all', folder, ...AS('reborn'));
    await refused(2, /n1 is not empty: a restore goes into a folder of its own/, ...restore, ...AS('reborn'));
    const all = await start(plans, members, 'reborn');
    await appliedBy(['n1', 'n2', 'n3'], made.index);
    for (const [id, app] of apps) assert.equal(app.dump, expected, `the state beside ${id}`);
    assert.ok([...apps.values()].every(({ plans: [plan] }) => plan !== undefined && 'snapshotIndex' in plan));
    for (const daemon of all)
      assert.deepEqual(await once(await client(daemon), session, 1), { ...first, duplicate: true });

    const through = await client(all[0] as Daemon);
    assert.equal((await once(through, session, 2)).duplicate, false);
    const last = await write(through, 20);
    await appliedBy(['n1', 'n2', 'n3'], last);
    // A node that joins is given the restored snapshot.
    const joins = await daemons.launch(await daemons.plan('n4'), `http://${all[0]?.http}`, {}, AS('reborn'));
    apps.set('n4', new SnapshotApp(joins.socket));
    await appliedBy(['n4'], last);
    assert.equal(new Set([...apps.values()].map((app) => app.dump)).size, 1);

    const [n1] = all as [Daemon];
    await n1.child.kill();
    const stranger = await daemons.launch(n1, members);
    assert.equal((await stranger.child.exited).code, 2);
    assert.match(
      stranger.stderr.join('\n'),
      /is of node n1 of cluster reborn, not of node n1 of cluster daemons/,
    );
  });

  it('restores the Python app to the byte', async () => {
    const python = async (daemon: Daemon): Promise<string> => {
      let found: (url: string) => void = () => undefined;
      const url = new Promise<string>((done) => {
        found = done;
      });
      const child = await ManagedProcess.start({
        command: 'python3',
        args: ['-u', 'examples/python-kv/kv.py'],
        env: { ...process.env, OUTRIGGER_SOCKET: daemon.socket, OUTRIGGER_NODE: daemon.id },
        stdin: 'held',
        onLine: (_stream, text) => {
          const [at] = /http:\/\/127\.0\.0\.1:\d+/.exec(text) ?? [];
          if (at !== undefined) found(at);
        },
      });
      processes.push(child);
      return url;
    };
    const [old] = (await daemons.cluster(1)) as [Daemon];
    const app = await python(old);
    await daemons.until('the app serves', async () => {
      const outcome = await put(app, 'schlüssel', 'grün "1"', new AbortController().signal);
      return outcome.kind === 'acked';
    });
    for (let at = 0; at < 30; at++) await put(app, `k${at}`, `v${at}`, new AbortController().signal);
    const file = join(daemons.root, 'python.backup');
    const made = await says<BackupSaid>('backup', '--out', file);
    const expected = (await dump(app)) ?? assert.fail();
    assert.equal(expected.appliedIndex, made.index);
    await Promise.all(processes.splice(0).map((child) => child.kill()));
    await destroy([old]);
    const [plan] = (await plansIn(daemons.root, ['p1'])) as [Plan];
    const member = `p1=${plan.peer}`;
    await says('restore', file, '--members', member, '--id', 'p1', '--data', plan.dir, ...AS('again'));
    const fresh = await daemons.launch(plan, member, {}, AS('again'));
    const again = await python(fresh);
    await daemons.until(
      'the app has its state',
      async () => ((await dump(again))?.appliedIndex ?? 0) >= made.index,
    );
    // The leader's own entries come behind it.
    const stateOf = (text: string | undefined): string | undefined => text?.slice(text.indexOf('"state"'));
    assert.equal(stateOf((await dump(again))?.text), stateOf(expected.text));
  });

  it('refuses a file that is no whole backup, by a single bit, and leaves no folder behind', async () => {
    const [daemon] = await begin(1);
    await write(await client(daemon as Daemon), 20);
    const file = join(daemons.root, 'b');
    await says('backup', '--out', file);
    const bytes = readFileSync(file);
    const bad = join(daemons.root, 'bad');
    const data = join(daemons.root, 'never');
    const restore = [
      'restore',
      bad,
      '--id',
      'n1',
      '--members',
      'n1=127.0.0.1:7001',
      '--data',
      data,
      ...AS('x'),
    ];
    for (const at of [3, 60, bytes.length - 120, bytes.length - 1]) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      writeFileSync(bad, damaged);
      await refused(1, /is damaged: its bytes|no backup, or was cut short or damaged/, ...restore);
    }
    writeFileSync(bad, bytes.subarray(0, -1));
    await refused(1, /no backup, or was cut short/, 'backup', '--inspect', bad);
    writeFileSync(bad, 'something else');
    await refused(1, /no backup, or was cut short/, ...restore);
    assert.equal(existsSync(data), false);
    mkdirSync(data);
    writeFileSync(join(data, 'mine'), '');
    writeFileSync(bad, bytes);
    await refused(2, /is not empty/, ...restore);
    assert.deepEqual(readdirSync(data), ['mine']);
    assert.deepEqual(
      readdirSync(daemons.root).filter((name) => name.includes('partial')),
      [],
    );
  });

  it('recovers from one survivor of three, says what may be lost, and grows again', async () => {
    const old = await begin(3, ['--snapshot-entries', '200']);
    const leader = (await daemons.leaderOf(old)) ?? assert.fail();
    const survivor = old.find((daemon) => daemon !== leader) ?? assert.fail();
    const writer = await client(leader);
    let last = 0;
    await daemons.until('its log begins behind a snapshot', async () => {
      last = await write(writer, 100);
      return ((await daemons.status(survivor))?.firstIndex ?? 0) > 1;
    });
    await appliedBy([survivor.id], last);
    const expected = apps.get(survivor.id)?.dump ?? assert.fail();
    const data = ['--data', survivor.dir];
    await refused(4, /another daemon has this data folder/, 'recover', ...data);
    await closeAll();
    await Promise.all(old.map((daemon) => daemon.child.kill()));
    for (const { dir } of old) if (dir !== survivor.dir) rmSync(dir, { recursive: true });

    const lost = old.filter((daemon) => daemon !== survivor).map(({ id }) => id);
    const looked = await command('recover', ...data);
    assert.equal(looked.code, 0, looked.stderr);
    assert.match(
      looked.stdout,
      new RegExp(`What ${lost.join(' and ')} acknowledged and no folder here has is LOST`),
    );
    assert.match(looked.stdout, /Nothing was changed\. To go on/);
    assert.match(looked.stdout, /--cluster daemons-2/);
    const as = ['--as', `${survivor.id}=${survivor.peer}`];
    await refused(2, /no folder of n9 was given/, 'recover', ...data, '--as', 'n9=127.0.0.1:1', ...AS('x'));
    await refused(
      2,
      /give the new cluster a name of its own, such as --cluster daemons-2/,
      'recover',
      ...data,
      ...as,
    );
    await refused(2, /daemons is the name of the old cluster/, 'recover', ...data, ...as, ...AS('daemons'));
    await refused(2, /is no data folder/, 'recover', '--data', join(daemons.root, 'nowhere'));
    const unconfirmed = await command('recover', ...data, ...as, ...AS('daemons-2'));
    assert.equal(unconfirmed.code, 1);
    assert.match(unconfirmed.stderr, /not confirmed, and nothing was changed: give --yes/);

    const done = await says<{ done: boolean; mayBeLost: string[]; lost: string[]; committed: number }>(
      ...['recover', ...data, ...as, ...AS('daemons-2'), '--yes'],
    );
    assert.deepEqual([done.done, [...done.lost].sort()], [true, [...lost].sort()]);
    assert.ok(done.committed > 0 && done.mayBeLost.length >= 2);
    const stranger = await daemons.launch(survivor, survivor.members);
    assert.equal((await stranger.child.exited).code, 2);

    const [alone] = (await start([survivor], `${survivor.id}=${survivor.peer}`, 'daemons-2')) as [Daemon];
    await appliedBy([alone.id], last);
    assert.equal(apps.get(alone.id)?.dump, expected);
    const through = await client(alone);
    await write(through, 20);
    for (const id of ['n7', 'n8']) {
      const fresh = await daemons.launch(await daemons.plan(id), `http://${alone.http}`, {}, AS('daemons-2'));
      apps.set(id, new SnapshotApp(fresh.socket));
      await daemons.until(
        `${id} votes`,
        async () => (await daemons.status(alone))?.membership.voters.includes(id) === true,
      );
    }
    await appliedBy([alone.id, 'n7', 'n8'], await write(through, 20));
    assert.equal(new Set([...apps.values()].map((app) => app.dump)).size, 1);
    // They took the survivor's snapshot, which is one of the new cluster.
    assert.ok(apps.get('n7')?.plans.some((plan) => 'snapshotIndex' in plan));
  });
});
