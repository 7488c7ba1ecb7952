/**
 * Real daemons whose disk is full, and then has space again: nothing that was acknowledged is lost, reads go on meanwhile, and
 * nobody has to do anything but make space.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LogPage } from '../../../shared/inspect.ts';
import { AppClient } from '../../support/app-client.ts';
import { type Daemon, Daemons } from '../../support/daemons.ts';
import { TEST_MS } from '../../support/patience.ts';
import { SnapshotApp } from '../../support/snapshot-app.ts';
import { Load } from '../load.ts';
import { SmallDisk, whyNot } from './small-disk.ts';

/** Room for the reserve, as much again, and a small log. */
const MEGABYTES = 40;
const FLAGS = ['--snapshot-entries', '300', '--snapshot-bytes', String(96 * 1024)];

function gate(): [Promise<void>, () => void] {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return [opened, open];
}

describe('a disk that is full, and then has space again', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  const disks = new Map<string, SmallDisk>();
  const apps = new Map<string, SnapshotApp>();
  let load: Load;

  before(function () {
    const why = whyNot();
    if (why === '') return;
    console.log(`      SKIPPED: a full disk ${why}`);
    this.skip();
  });

  beforeEach(async () => {
    daemons = await Daemons.begin();
  });

  afterEach(async () => {
    await load?.cut();
    await Promise.all([...apps.values()].map((app) => app.close()));
    apps.clear();
    // The daemons must be gone before their disks are.
    const gone = daemons.end();
    for (const disk of disks.values()) disk.unmount();
    disks.clear();
    await gone;
  });

  async function cluster(size: number): Promise<Daemon[]> {
    for (let at = 1; at <= size; at++)
      disks.set(`n${at}`, SmallDisk.mount(join(daemons.root, `n${at}`), MEGABYTES));
    const all = await daemons.cluster(size, { flags: FLAGS });
    for (const { id, socket } of all) apps.set(id, new SnapshotApp(socket));
    load = new Load(() => all, { gentle: false });
    load.start();
    await load.more(100);
    return all;
  }

  const disk = (id: string): SmallDisk => disks.get(id) ?? assert.fail(id);
  const app = (id: string): SnapshotApp => apps.get(id) ?? assert.fail(id);
  const storeOf = async (daemon: Daemon): Promise<string | undefined> =>
    (await daemons.status(daemon))?.store.state;

  /** Somebody else takes the whole disk, also what the node gives back. */
  async function fill(daemon: Daemon): Promise<void> {
    await daemons.until(`${daemon.id} has no space`, async () => {
      disk(daemon.id).fill();
      return (await storeOf(daemon)) === 'NO_SPACE';
    });
  }

  /** All have everything that was acknowledged, and the same. */
  async function allAreEqual(all: readonly Daemon[]): Promise<void> {
    await load.more(50);
    await load.stop();
    await daemons.until('all have applied everything', async () =>
      all.every(({ id }) => app(id).applied >= load.index),
    );
    const [first] = all as [Daemon];
    assert.deepEqual(load.missing(app(first.id).state.values), []);
    for (const { id } of all) assert.equal(app(id).dump, app(first.id).dump);
  }

  it('a leader says so to its clients, hands over, goes on answering, and follows by itself', async () => {
    const all = await cluster(3);
    const leader = (await daemons.leaderOf(all)) ?? assert.fail('no leader');
    const others = all.filter((daemon) => daemon !== leader);
    await fill(leader);
    await daemons.until('another one leads', async () => (await daemons.leaderOf(others)) !== undefined);
    await load.more(100);

    const { appliedIndex } = (await daemons.status(leader)) ?? assert.fail('it does not answer');
    const page = await daemons.view<LogPage>(leader, `/v1/log?from=${appliedIndex}&to=${appliedIndex}`);
    assert.equal(page.entries[0]?.index, appliedIndex);
    const client = await AppClient.greet(leader.socket, 'protobuf');
    client.send({ type: 'propose', id: 1, command: Buffer.from('no=where'), wait: 'COMMITTED' });
    const refused = await client.next('error');
    assert.deepEqual([refused.code, refused.definite], ['NO_SPACE', true]);
    client.send({ type: 'read', id: 2, consistency: 'STALE' });
    await client.next('readReady');
    await client.close();

    disk(leader.id).free();
    await daemons.until('it has space', async () => (await storeOf(leader)) === 'OK');
    await allAreEqual(all);
    assert.equal(leader.child.running, true);
  });

  it('a lone node goes on by itself', async () => {
    const [daemon] = (await cluster(1)) as [Daemon];
    for (let times = 0; times < 2; times++) {
      await fill(daemon);
      disk(daemon.id).free();
      await daemons.until('it has space', async () => (await storeOf(daemon)) === 'OK');
      await load.more(50);
    }
    await allAreEqual([daemon]);
  });

  it('a node that is killed and started meanwhile reads its log, and goes on once there is space', async () => {
    const [daemon] = (await cluster(1)) as [Daemon];
    await fill(daemon);
    await daemon.child.kill();
    disk(daemon.id).fill();
    await app(daemon.id).close();
    const again = await daemons.launch(daemon, daemon.members, {}, FLAGS);
    assert.equal(again.child.running, true, again.stderr.slice(-3).join('\n'));
    apps.set(daemon.id, new SnapshotApp(again.socket));
    await daemons.until('it says so', async () => (await storeOf(again)) === 'NO_SPACE');
    disk(daemon.id).free();
    await daemons.until('it has space', async () => (await storeOf(again)) === 'OK');
    await allAreEqual([again]);
  });

  for (const logToo of [false, true]) {
    const what = logToo ? 'and of the log with it' : 'and the log has space again at once';
    it(`in the middle of a snapshot, ${what}: the snapshot is given up, and nothing else`, async () => {
      const all = await cluster(3);
      const [daemon] = all as [Daemon];
      const [goOn, release] = gate();
      const [inside, begun] = gate();
      app(daemon.id).beforeChunk = async (at) => {
        if (at === 0) return;
        begun();
        await goOn;
      };
      await inside;
      if (logToo) await fill(daemon);
      else disk(daemon.id).fill();
      if (logToo) {
        disk(daemon.id).free();
        await daemons.until('it has space', async () => (await storeOf(daemon)) === 'OK');
      }
      release();
      app(daemon.id).beforeChunk = () => undefined;
      if (!logToo) await fill(daemon);
      disk(daemon.id).free();
      await daemons.until('it has space', async () => (await storeOf(daemon)) === 'OK');
      await allAreEqual(all);
      assert.equal(daemon.child.running, true, daemon.stderr.slice(-5).join('\n'));
      const left = readdirSync(join(daemon.dir, 'snapshots')).filter((name) => name.endsWith('.tmp'));
      assert.ok(left.length <= 1, `left over: ${left}`);
    });
  }
});
