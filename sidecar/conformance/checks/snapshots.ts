/** Checks of snapshots: given when asked for, and taken in the place of a log that is gone. */
import type { AppBench } from '../bench.ts';
import { type Check, Failed } from '../contract.ts';
import { kvCommand } from '../kv.ts';
import { judgeKvState, judgeOutcome, sameOutcome, sameSnapshots } from '../outcome.ts';
import type { Instance } from '../play/instance.ts';
import { type Snapshot, sha256Of } from '../play/snapshot.ts';

const SOME = 20;
/** State enough for several chunks. */
const LARGE_KEYS = 10;
const LARGE_VALUE = 20_000;

const withoutSnapshots = (bench: AppBench): string | undefined =>
  bench.facts.snapshots === 'NONE' ? 'its hello says snapshots NONE' : undefined;

/** A copy with some state that is not small. */
async function grown(bench: AppBench): Promise<Instance> {
  const app = await bench.joined();
  if (bench.kv) {
    for (let at = 0; at < LARGE_KEYS; at += 1) {
      app.log.append(kvCommand({ op: 'put', key: `large ${at}`, value: String(at).repeat(LARGE_VALUE) }));
    }
  }
  await app.delivers(bench.grow(app.log, SOME));
  return app;
}

/** The snapshot of a copy in the middle of a log, and the log. The copy has applied all of it. */
async function halfWay(bench: AppBench): Promise<{ giver: Instance; snapshot: Snapshot }> {
  const giver = await grown(bench);
  const snapshot = await bench.snapshotOf(giver, giver.log.last);
  await giver.delivers(bench.grow(giver.log, SOME), 7);
  return { giver, snapshot };
}

export const snapshot: Check<AppBench> = {
  id: 'snapshot',
  proves:
    'takeSnapshot is answered with the state as of an index it has, in chunks with their sha256, while deliveries go on.',
  needs: ['acknowledges'],
  spares: withoutSnapshots,
  run: async (bench) => {
    const app = await grown(bench);
    await bench.snapshotOf(app, app.log.last);
    // Of an index that it has long passed: of now, then.
    await bench.snapshotOf(app, 1);
    // Of one that it was not given yet: when it has applied that.
    const through = bench.grow(app.log, SOME);
    app.snapshots.ask(through);
    await app.delivers(through, 3);
    await app.snapshots.taken();
    // Deliveries go on while it is written.
    app.snapshots.ask(through);
    await app.delivers(bench.grow(app.log, SOME), 1);
    await app.snapshots.taken();
  },
};

export const restore: Check<AppBench> = {
  id: 'restore',
  proves:
    'A copy without a state that is given a snapshot as of i and the rest is the same as one that was given everything.',
  needs: ['same-snapshots', 'applies'],
  spares: withoutSnapshots,
  run: async (bench) => {
    const { giver, snapshot } = await halfWay(bench);
    const taker = await bench.started(giver.log);
    await taker.meet();
    taker.admit(snapshot.index);
    await taker.restores(snapshot);
    if (bench.kv && bench.facts.http) await judgeKvState(bench, taker, snapshot.index);
    await taker.delivers(giver.log.last, 5);
    await judgeOutcome(bench, taker);
    await sameOutcome(bench, giver, taker, giver.log.last);
    await sameSnapshots(bench, giver, taker, giver.log.last);
  },
};

export const snapshotWhileBusy: Check<AppBench> = {
  id: 'snapshot-index',
  proves:
    'A snapshot that is taken while commands arrive is of exactly the index it names: nothing later is in it, nothing is missing.',
  needs: ['restore'],
  spares: withoutSnapshots,
  run: async (bench) => {
    const giver = await grown(bench);
    for (const size of [1, 4]) {
      const through = bench.grow(giver.log, 2 * SOME);
      await giver.deliver(through - SOME, size);
      giver.snapshots.ask(through - SOME - 2);
      await giver.deliver(through, size);
      const taken = await giver.snapshots.taken();
      await giver.acknowledges(through);
      const taker = await bench.started(giver.log);
      await taker.meet();
      taker.admit(taken.index);
      await taker.restores(taken);
      await taker.delivers(through);
      await judgeOutcome(bench, taker);
      await sameOutcome(bench, giver, taker, through);
      await sameSnapshots(bench, giver, taker, through);
    }
  },
};

export const restoreReplaces: Check<AppBench> = {
  id: 'restore-replaces',
  proves:
    'A running app that is told goodbye RESTORE comes again, and a snapshot takes the place of all the state it had.',
  needs: ['restore', 'goodbye'],
  spares: withoutSnapshots,
  run: async (bench) => {
    const { app, snapshot } = await behind(bench);
    await app.restores(snapshot);
    if (bench.kv && bench.facts.http) await judgeKvState(bench, app, snapshot.index);
    await app.delivers(bench.grow(app.log, SOME));
    await judgeOutcome(bench, app);
  },
};

/** A running app that has old state, with keys that are gone since, and was let in to be given a snapshot. */
async function behind(bench: AppBench): Promise<{ app: Instance; snapshot: Snapshot; old: number }> {
  const app = await bench.joined();
  if (bench.kv) app.log.append(kvCommand({ op: 'put', key: 'old', value: 'gone since' }));
  const old = bench.grow(app.log, SOME);
  await app.delivers(old);
  if (bench.kv) app.log.append(kvCommand({ op: 'delete', key: 'old' }));
  const giver = await bench.joined(app.log);
  const through = bench.grow(app.log, SOME);
  await giver.delivers(through);
  const snapshot = await bench.snapshotOf(giver, through);
  await app.goodbye('RESTORE');
  await app.meet();
  app.admit(snapshot.index);
  return { app, snapshot, old };
}

export const restoreCorrupt: Check<AppBench> = {
  id: 'restore-corrupt',
  proves:
    'A snapshot whose bytes do not have its sha256 is refused with restoreRefused, and the app keeps the state it had.',
  needs: ['restore-replaces'],
  spares: withoutSnapshots,
  run: async (bench) => {
    const { app, snapshot, old } = await behind(bench);
    const { data } = snapshot;
    const flipped = Buffer.from(data);
    const middle = Math.floor(data.length / 2);
    flipped[middle] = (flipped[middle] ?? 0) ^ 1;
    const wrong = [
      { what: 'with the sha256 of other bytes', sha256: sha256Of(Buffer.from('other bytes')) },
      ...(data.length === 0 ? [] : [{ what: 'with one bit flipped', data: flipped }]),
      ...(data.length === 0 ? [] : [{ what: 'without its last byte', data: data.subarray(0, -1) }]),
    ];
    for (const { what, ...how } of wrong) {
      await app.snapshots.give(snapshot, how);
      const answer = await app.snapshots.answered();
      if ('restored' in answer) {
        throw new Failed(`a snapshot ${what} was sent, and it said restored {index ${answer.restored}}`);
      }
      await app.goodbye('RESTORE_REFUSED');
      const { machine } = await app.meet();
      if (machine.appliedIndex > old) {
        throw new Failed(
          `it refused a snapshot ${what}, and then its hello says appliedIndex ${machine.appliedIndex}, and not ${old} or less`,
        );
      }
      app.admit(what === wrong.at(-1)?.what ? undefined : snapshot.index);
    }
    // Let in without a snapshot at last: its own state must be as it was.
    await app.delivers(app.log.last);
    await judgeOutcome(bench, app);
  },
};

export const restoreCut: Check<AppBench> = {
  id: 'restore-cut',
  proves:
    'A restore that was cut off leaves the state as it was, and the next one, or the log, goes on from there.',
  needs: ['restore-replaces'],
  spares: withoutSnapshots,
  run: async (bench) => {
    const { app, snapshot, old } = await behind(bench);
    for (const stopAfter of [Math.ceil(snapshot.data.length / 2), 0]) {
      await cutOff(app, snapshot, stopAfter, old);
      app.admit(snapshot.index);
    }
    await app.restores(snapshot);
    await app.delivers(bench.grow(app.log, SOME));
    await judgeOutcome(bench, app);
    // Another sidecar may have the log that the first one had not.
    const other = await behind(bench);
    await cutOff(other.app, other.snapshot, Math.ceil(other.snapshot.data.length / 2), other.old);
    other.app.admit();
    await other.app.delivers(other.app.log.last);
    await judgeOutcome(bench, other.app);
  },
};

/** Gives it that much of the data and breaks the connection. It must come again as it was before. */
async function cutOff(app: Instance, snapshot: Snapshot, stopAfter: number, old: number): Promise<void> {
  await app.snapshots.give(snapshot, { stopAfter });
  const { machine } = await app.cutAndMeet();
  if (machine.appliedIndex <= old) return;
  throw new Failed(
    `a restore was cut off in the middle, and its hello says appliedIndex ${machine.appliedIndex}, and not ${old} or less`,
  );
}
