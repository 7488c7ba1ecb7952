/**
 * A leader whose disk fails or hangs, with real daemons: its fsync is replaced by one that does (test/support/disk-fault.c).
 * Linux only, since it is done by LD_PRELOAD.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { LogPage } from '../../shared/inspect.ts';
import { AppClient } from '../support/app-client.ts';
import { type Daemon, Daemons, exitOf, membersOf } from '../support/daemons.ts';
import { TEST_MS, tellTime } from '../support/patience.ts';

/** SLOW_MS of disk-fault.c. */
const SLOW_MS = 400;

describe('a leader whose disk', function () {
  this.timeout(TEST_MS);
  let daemons: Daemons;
  let shim: string;

  before(function () {
    if (process.platform !== 'linux') this.skip();
  });

  beforeEach(async () => {
    daemons = await Daemons.begin();
    shim = join(daemons.root, 'disk-fault.so');
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', shim, resolve('test/support/disk-fault.c'), '-ldl']);
  });

  afterEach(() => daemons.end());

  const switchOf = (id: string): string => join(daemons.root, `fault-${id}`);
  const envOf = (id: string): NodeJS.ProcessEnv => ({ LD_PRELOAD: shim, DISK_FAULT_FILE: switchOf(id) });

  async function committed(daemon: Daemon, text: string): Promise<number> {
    const client = await AppClient.greet(daemon.socket, 'json');
    client.send({ type: 'propose', id: 1, command: Buffer.from(text), wait: 'COMMITTED' } as never);
    const { index } = await client.next('proposed');
    await client.close();
    return index;
  }

  /** Did the leader know that it is committed before its own disk had it? */
  async function committedFirst(leader: Daemon, index: number): Promise<boolean> {
    const path = `/v1/log?from=${index}&to=${index}&stages=true`;
    const stages = async () => (await daemons.view<LogPage>(leader, path)).entries[0]?.stages;
    await daemons.until('it is on the disk', async () => (await stages())?.durable !== undefined);
    const { committed: known = Number.NaN, durable = Number.NaN } = (await stages()) ?? {};
    return known < durable;
  }

  it('fails an fsync acknowledges nothing more, exits with 3, and comes back as a follower', async () => {
    const all = await daemons.cluster(3, { envOf });
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const others = all.filter((daemon) => daemon !== leader);
    await committed(leader, 'before');

    await writeFile(switchOf(leader.id), 'e');
    const client = await AppClient.greet(leader.socket, 'json');
    client.send({ type: 'propose', id: 1, command: Buffer.from('doomed'), wait: 'COMMITTED' } as never);
    assert.equal((await exitOf(leader)).code, 3);
    await client.closed;

    await daemons.until('another leads', async () => (await daemons.leaderOf(others)) !== undefined);
    const index = await committed(others[0] as Daemon, 'after');
    await rm(switchOf(leader.id));
    const again = await daemons.launch(leader, membersOf(all), envOf(leader.id));
    await daemons.until(
      'it has caught up',
      async () => ((await daemons.status(again))?.commitIndex ?? 0) >= index,
    );
    assert.equal((await daemons.status(again))?.store.whole, true);
  });

  it('hangs steps down by itself, and follows when the disk is back', async () => {
    const all = await daemons.cluster(3, { envOf });
    const leader = (await daemons.leaderOf(all)) as Daemon;
    const others = all.filter((daemon) => daemon !== leader);
    await committed(leader, 'before');

    await writeFile(switchOf(leader.id), 'h');
    // The write that hangs is committed by the others' disks; the leader must notice all the same.
    await committed(leader, 'while the disk hangs');
    await daemons.until('it has stepped down', async () =>
      leader.stderr.some((line) => line.includes('DISK_STUCK')),
    );
    await daemons.until('another leads', async () => (await daemons.leaderOf(others)) !== undefined);
    const index = await committed(others[0] as Daemon, 'after');
    assert.equal((await daemons.status(leader))?.role, 'FOLLOWER');

    await rm(switchOf(leader.id));
    const durable = async (): Promise<number> => (await daemons.status(leader))?.durableIndex ?? 0;
    await daemons.until('its disk has caught up', async () => (await durable()) >= index);
  });

  it('is slow keeps committing on the disks of the others, and says how slow it is', async () => {
    const all = await daemons.cluster(3, { envOf });
    const leader = (await daemons.leaderOf(all)) as Daemon;
    await committed(leader, 'before');
    await writeFile(switchOf(leader.id), 's');
    // One such write proves it, and only a slow machine needs another: the others' disks are fast.
    await daemons.until('a write is committed before it is on the disk of the leader', async () => {
      const began = performance.now();
      const index = await committed(leader, 'while the disk is slow');
      tellTime('a write beside a slow disk', performance.now() - began, SLOW_MS);
      const lastCommitMs = async (): Promise<number> =>
        (await daemons.status(leader))?.store.lastCommitMs ?? 0;
      await daemons.until('the slow write is done', async () => (await lastCommitMs()) >= SLOW_MS);
      return committedFirst(leader, index);
    });
  });
});
