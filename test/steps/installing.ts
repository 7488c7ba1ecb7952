/**
 * A node that sends a snapshot, and one that was away for so long that it needs it. Both begin anew for each run on copies of
 * the same data folders, of a cluster of three whose third node stays down: the two are a quorum.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SqliteStore } from '../../sidecar/store/sqlite-store.ts';
import type { Daemon } from '../support/daemons.ts';
import { Ledger } from './ledger.ts';
import { FLAGS, hasEnded, type Kill, type Place, SCRIPT, snapshotFiles } from './place.ts';

const BEYOND = 200;
/** A node that has had everything for so many looks reaches no further step. */
const LOOKS_MAX = 200;

export interface InstallingOptions {
  readonly sender?: Kill | undefined;
  readonly receiver?: Kill | undefined;
  /** What is on the receiver's disk of a transfer that was cut is wrong. */
  readonly damaged?: boolean;
  /** The receiver was killed before when the snapshot was its own and its log not yet reset: the start has to do that. */
  readonly halfInstalled?: boolean;
}

export interface Reached {
  readonly sender: string[];
  readonly receiver: string[];
}

const NEW_CLUSTER = ['--cluster', 'daemons-2'] as const;
const HALF = { step: 'fetched snapshot kept', nth: 1 } as const;

export class Installing {
  readonly #place: Place;
  readonly #sender: Daemon;
  readonly #receiver: Daemon;
  readonly #ledger: Ledger;

  private constructor(place: Place, sender: Daemon, receiver: Daemon, ledger: Ledger) {
    this.#place = place;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#ledger = ledger;
  }

  /** Makes the data folders that each run begins with. */
  static async prepare(place: Place): Promise<Installing> {
    const { daemons } = place;
    const all = await daemons.cluster(3, { flags: FLAGS, script: SCRIPT });
    for (const daemon of all) place.attach(daemon);
    const sender = (await daemons.leaderOf(all)) ?? assert.fail('no leader');
    const receiver = all.find((daemon) => daemon !== sender) ?? assert.fail();
    const ledger = new Ledger();
    await daemons.until('all have something to drop', async () => {
      if (ledger.last === 0) await ledger.batch(sender);
      const { durableIndex = 0 } = (await daemons.status(receiver)) ?? {};
      return ledger.last > 0 && durableIndex >= ledger.last;
    });
    await receiver.child.kill();
    await daemons.until(`the log of the leader begins behind ${BEYOND}`, async () => {
      await ledger.batch(sender);
      return ((await daemons.status(sender))?.firstIndex ?? 0) > BEYOND;
    });
    await place.tidy(sender);
    await Promise.all(all.map((daemon) => daemon.child.kill()));
    await place.clear();
    for (const { id, dir } of [sender, receiver])
      cpSync(dir, join(daemons.root, 'template', id), { recursive: true });
    return new Installing(place, sender, receiver, ledger);
  }

  async run(options: InstallingOptions): Promise<Reached> {
    const place = this.#place;
    const { daemons } = place;
    const ledger = this.#ledger.copy();
    for (const plan of [this.#sender, this.#receiver]) {
      place.forget(plan);
      cpSync(join(daemons.root, 'template', plan.id), plan.dir, { recursive: true });
    }
    await this.#leaveParts(options.damaged === true);
    if (options.halfInstalled) await this.#installHalf();
    const { members } = this.#sender;
    const sending = await place.launch(this.#sender, members, options.sender);
    const receiving = await place.launch(this.#receiver, members, options.receiver);
    const kill = options.sender ?? options.receiver;
    let [sender, receiver] = [sending.daemon, receiving.daemon];
    const apps = [place.attach(sender), place.attach(receiver)] as const;
    let killed = false;
    await daemons.until('both have all, and the kill was', async () => {
      if (kill !== undefined && !killed) {
        const victim = options.sender === undefined ? receiver : sender;
        if (!(await hasEnded(victim))) return this.#unlessCaughtUp(apps[1].applied, ledger, kill);
        killed = true;
        const back = await place.again(victim);
        if (victim === sender) sender = back;
        else receiver = back;
      }
      return (await ledger.batch(sender)) && apps[1].applied > 0;
    });
    const reached = { sender: sending.reached(), receiver: receiving.reached() };
    await daemons.until('both apps have applied all', async () =>
      apps.every((app) => app.applied >= ledger.last),
    );
    for (const app of apps) ledger.judge(app.dump);
    assert.equal(apps[1].dump, apps[0].dump);
    const { firstIndex } = (await daemons.status(receiver)) ?? assert.fail();
    assert.ok(firstIndex > BEYOND, `the log of the receiver begins at ${firstIndex}`);
    for (const daemon of [sender, receiver]) await place.tidy(daemon);
    await place.closeApps();
    for (const daemon of [sender, receiver]) await place.prove(daemon);
    return reached;
  }

  /** The sender is all that is left: `recover` on its folder, with a kill or without, and it goes on alone. */
  async recover(kill: Kill | undefined): Promise<string[]> {
    const place = this.#place;
    const ledger = this.#ledger.copy();
    const { id, peer, dir } = this.#sender;
    place.forget(this.#sender);
    cpSync(join(place.daemons.root, 'template', id), dir, { recursive: true });
    const command = ['recover', '--data', dir, '--as', `${id}=${peer}`, ...NEW_CLUSTER, '--yes'];
    const reached = place.command(kill, ...command);
    // Cut short, it is given again.
    if (kill !== undefined) place.command(undefined, ...command);
    const { daemon } = await place.launch(this.#sender, `${id}=${peer}`, undefined, NEW_CLUSTER);
    const app = place.attach(daemon);
    await place.daemons.until('it takes writes', () => ledger.batch(daemon));
    await place.daemons.until('its app has applied all', async () => app.applied >= ledger.last);
    ledger.judge(app.dump);
    await place.tidy(daemon);
    await place.closeApps();
    await place.prove(daemon);
    return reached;
  }

  #looks = 0;

  /** The step may be the last thing that happens, so the kill is waited for, though not for ever. */
  #unlessCaughtUp(applied: number, ledger: Ledger, { step, nth }: Kill): boolean {
    this.#looks = applied >= ledger.last ? this.#looks + 1 : 0;
    if (this.#looks > LOOKS_MAX) {
      this.#looks = 0;
      assert.fail(`it never reached "${step}" for the ${nth}. time`);
    }
    return false;
  }

  /** As transfers that were cut leave them: of another snapshot, and of this one with bytes that were never synced. */
  async #leaveParts(damaged: boolean): Promise<void> {
    const folder = join(this.#receiver.dir, 'snapshots');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `3-1-${'0'.repeat(16)}.part`), 'of another one');
    if (!damaged) return;
    const store = new SqliteStore({ folder: this.#sender.dir });
    await store.open();
    const { newestFull } = store.snapshots;
    await store.close();
    assert.ok(newestFull !== undefined);
    const { index, term } = newestFull.meta.point;
    const bytes = readFileSync(join(this.#sender.dir, 'snapshots', `${index}-${term}.snap`));
    bytes[1_000] = (bytes[1_000] as number) ^ 1;
    const name = `${index}-${term}-${newestFull.digest.toString('hex').slice(0, 16)}.part`;
    writeFileSync(join(folder, name), bytes.subarray(0, bytes.length / 2));
  }

  async #installHalf(): Promise<void> {
    const { members } = this.#sender;
    const { daemon: sender } = await this.#place.launch(this.#sender, members, undefined);
    const { daemon: receiver } = await this.#place.launch(this.#receiver, members, HALF);
    const { signal } = await receiver.child.exited;
    assert.equal(signal, 'SIGKILL');
    await sender.child.kill();
    assert.ok(snapshotFiles(receiver).some((name) => name.endsWith('.snap')));
  }
}
