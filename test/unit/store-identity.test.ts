/** Whose a data folder is: written down once, refused to everybody else, and changed by `recover` alone. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { encodeMembership } from '../../shared/wire/membership-entry.ts';
import { sealEntries } from '../../shared/wire/record.ts';
import { StoreError } from '../../sidecar/store/contract.ts';
import { GuardFile } from '../../sidecar/store/guard.ts';
import { SqliteStore, type SqliteStoreOptions } from '../../sidecar/store/sqlite-store.ts';
import { batch, Driven, TEMPORARY } from './store-support.ts';

const OWNER = { cluster: 'orders', node: 'n1' };

describe('the identity of a data folder', () => {
  let root: string;
  let folder: string;
  let open: SqliteStore[] = [];

  beforeEach(() => {
    root = mkdtempSync(join(TEMPORARY, 'outrigger-identity-'));
    folder = join(root, 'n1');
  });

  afterEach(async () => {
    await Promise.all(open.map((store) => store.close()));
    open = [];
    rmSync(root, { recursive: true });
  });

  function store(more: Partial<SqliteStoreOptions> = {}): SqliteStore {
    const made = new SqliteStore({ folder, ...more });
    open.push(made);
    return made;
  }

  async function foreign(more: Partial<SqliteStoreOptions>, why: RegExp): Promise<void> {
    await assert.rejects(
      store(more).open(),
      (error) => error instanceof StoreError && error.kind === 'FOREIGN' && why.test(error.message),
    );
  }

  it('is that of the first node, and every other one is refused', async () => {
    const first = store({ owner: OWNER });
    await first.open();
    await first.close();
    await foreign({ owner: { ...OWNER, node: 'n2' } }, /is of node n1 of cluster orders, not of node n2 of/);
    await foreign({ owner: { ...OWNER, cluster: 'other' } }, /not of node n1 of cluster other/);
    const again = store();
    await again.open();
    assert.deepEqual(again.identity, { ...OWNER, unfinished: 'NOTHING', formerly: '', joined: false });
  });

  it('remembers that it began empty, for the log of another cluster', async () => {
    const first = store({ owner: OWNER });
    await first.open();
    await first.joins();
    await first.close();
    const again = store({ owner: OWNER });
    await again.open();
    assert.equal(again.identity?.joined, true);
  });

  it('is given to a folder of before that had none', async () => {
    const first = store();
    await first.open();
    assert.equal(first.identity, undefined);
    await first.close();
    const second = store({ owner: OWNER });
    await second.open();
    await second.close();
    await foreign({ owner: { ...OWNER, cluster: 'other' } }, /not of node n1 of cluster other/);
  });

  it('refuses what a restore left unfinished', async () => {
    const first = store({ owner: OWNER, restores: true });
    await first.open();
    await first.close();
    await foreign({}, /of a restore that was cut short/);
    await foreign({ owner: OWNER }, /of a restore that was cut short/);
  });

  it('is another one after it was taken over, also where the guard did not follow', async () => {
    const driven = await new Driven(store({ owner: OWNER })).open();
    const { incarnation } = driven.state;
    await driven.settled(driven.append(batch(1, 5, 2), { hardState: { term: 2, vote: 'n2' } }));
    await driven.store.rememberDisk('n2', incarnation);
    const before = await guardState();
    const entry: Entry = {
      ...{ index: 6, term: 9, kind: EntryKind.CONFIG, time: 1, session: 0, sequence: 0 },
      command: encodeMembership({ voters: ['n1'], outgoing: [], learners: [] }),
    };
    sealEntries([entry], driven.hash);
    const mine = { ...OWNER, cluster: 'orders-2' };
    await (driven.store as SqliteStore).takeOver(mine, { term: 9, vote: 'n1' }, entry);
    await driven.store.close();
    await foreign({ owner: mine }, /of a recovery that was cut short: run `outrigger recover` with it again/);
    const resumed = store({ recovers: true });
    await resumed.open();
    assert.equal(resumed.identity?.unfinished, 'RECOVER');
    await resumed.finished();
    await resumed.close();

    for (const guardFollowed of [true, false]) {
      if (!guardFollowed) await writeGuard(before);
      const again = store({ owner: mine });
      const state = await again.open();
      assert.equal(state.lastIndex, 6);
      assert.deepEqual(state.hardState, { term: 9, vote: 'n1' });
      assert.deepEqual(state.proof, { whole: true });
      assert.notEqual(state.incarnation, incarnation);
      assert.equal(state.disks.size, 0);
      assert.deepEqual(state.configs.at(-1)?.membership.voters, ['n1']);
      assert.equal(again.identity?.formerly, incarnation);
      await again.close();
    }
    await foreign({ owner: OWNER }, /is of node n1 of cluster orders-2/);
  });

  async function guardState(): Promise<NonNullable<GuardFile['found']>> {
    // What is noted is written a moment later; a second handle reads what is there.
    const guard = new GuardFile(folder, assert.fail);
    guard.close();
    return guard.found ?? assert.fail();
  }

  async function writeGuard(state: NonNullable<GuardFile['found']>): Promise<void> {
    const guard = new GuardFile(folder, assert.fail);
    guard.writeThrough(state);
    guard.close();
  }
});
