/** Data folders of survivors: opened, compared, and one of them made the first of a new cluster, also after a crash on the way. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Entry, EntryKind } from '../../shared/entry.ts';
import { encodeMembership } from '../../shared/wire/membership-entry.ts';
import { sealEntries } from '../../shared/wire/record.ts';
import { RecoveryError } from '../../sidecar/recovery/errors.ts';
import {
  closeSurvivors,
  compareOpened,
  type Opened,
  openSurvivors,
  takeOver,
} from '../../sidecar/recovery/recover.ts';
import { SqliteStore } from '../../sidecar/store/sqlite-store.ts';
import { batch, Driven, TEMPORARY } from './store-support.ts';

const FIVE = { voters: ['n1', 'n2', 'n3', 'n4', 'n5'], outgoing: [], learners: [] };

describe('folders of survivors', () => {
  let root: string;
  let opened: Opened[] = [];
  /** What both logs begin with. */
  let common: Entry[];

  beforeEach(() => {
    root = mkdtempSync(join(TEMPORARY, 'outrigger-survivors-'));
    common = batch(1, 10, 1);
  });

  afterEach(async () => {
    await closeSurvivors(opened.splice(0));
    rmSync(root, { recursive: true });
  });

  const folderOf = (node: string): string => join(root, node);

  async function survivor(node: string, more: readonly Entry[], cluster = 'orders'): Promise<void> {
    const store = new SqliteStore({ folder: folderOf(node), owner: { cluster, node } });
    const driven = await new Driven(store).open();
    await store.bootstrap(FIVE);
    const entries = [...common, ...more];
    await driven.settled(driven.append(entries, { hardState: { term: more.at(-1)?.term ?? 1, vote: node } }));
    await store.close();
  }

  async function openAll(...nodes: string[]): Promise<Opened[]> {
    opened = await openSurvivors(nodes.map(folderOf));
    return opened;
  }

  const fails = (exitCode: number, why: RegExp, work: Promise<unknown>): Promise<void> =>
    assert.rejects(
      work,
      (error) => error instanceof RecoveryError && error.exitCode === exitCode && why.test(error.message),
    );

  it('keeps the log of the later term, and takes it over as it is', async () => {
    await survivor('n1', batch(11, 5, 1));
    await survivor('n2', batch(11, 2, 3));
    const both = await openAll('n1', 'n2');
    const { best, beside, quorum, lost, uncertain } = await compareOpened(both);
    assert.deepEqual([best.node, quorum, lost], ['n2', false, ['n3', 'n4', 'n5']]);
    assert.deepEqual(uncertain, { from: 1, through: 12 });
    assert.deepEqual(beside[0]?.discarded, { from: 11, through: 15 });
    const chosen = both.find(({ survivor: { node } }) => node === 'n2') ?? assert.fail();
    const made = await takeOver(both, chosen, { cluster: 'orders-2', node: 'n2' }, '127.0.0.1:7002');
    assert.deepEqual(made, { index: 13, term: 1_003 });
    await closeSurvivors(opened.splice(0));

    const store = new SqliteStore({ folder: folderOf('n2'), owner: { cluster: 'orders-2', node: 'n2' } });
    const state = await store.open();
    assert.deepEqual([state.lastIndex, state.hardState], [13, { term: 1_003, vote: 'n2' }]);
    const { voters, book } = state.configs.at(-1)?.membership ?? assert.fail();
    assert.deepEqual([voters, book], [['n2'], [{ id: 'n2', peer: '127.0.0.1:7002' }]]);
    const entries = await store.read(1, 13, 1 << 20);
    assert.deepEqual(
      entries.map(({ term }) => term),
      [...Array(10).fill(1), 3, 3, 1_003],
    );
    assert.equal(entries[12]?.kind, EntryKind.CONFIG);
    await store.close();
    // The other one is as it was.
    const untouched = new SqliteStore({ folder: folderOf('n1'), owner: { cluster: 'orders', node: 'n1' } });
    assert.equal((await untouched.open()).lastIndex, 15);
    await untouched.close();
  });

  it('goes on after a crash in the middle, and nobody starts the folder before that', async () => {
    await survivor('n1', []);
    const owner = { cluster: 'orders-2', node: 'n1' };
    const [first] = (await openAll('n1')) as [Opened];
    const entry: Entry = {
      ...{ index: 11, term: 1_001, kind: EntryKind.CONFIG, time: 1, session: 0, sequence: 0 },
      command: encodeMembership({ voters: ['n1'], outgoing: [], learners: [] }),
    };
    sealEntries([entry], first.stored.lastHash);
    await first.store.takeOver(owner, { term: 1_001, vote: 'n1' }, entry);
    await closeSurvivors(opened.splice(0));
    await assert.rejects(
      new SqliteStore({ folder: folderOf('n1'), owner }).open(),
      /recovery that was cut short/,
    );

    const [again] = (await openAll('n1')) as [Opened];
    assert.equal(again.resumes, true);
    await takeOver(opened, again, owner, '127.0.0.1:7001');
    await closeSurvivors(opened.splice(0));
    const store = new SqliteStore({ folder: folderOf('n1'), owner });
    assert.deepEqual((await store.open()).configs.at(-1)?.membership.voters, ['n1']);
    await store.close();
  });

  it('makes a node vote again whose disk cannot prove its log, and says what is missing', async () => {
    await survivor('n1', batch(11, 5, 1));
    rmSync(join(folderOf('n1'), 'guard'));
    const [only] = (await openAll('n1')) as [Opened];
    const { quorum } = await compareOpened(opened);
    assert.equal(quorum, false);
    assert.match(only.survivor.damage?.reason ?? '', /the guard file is missing/);
    await takeOver(opened, only, { cluster: 'orders-2', node: 'n1' }, '127.0.0.1:7001');
    await closeSurvivors(opened.splice(0));
    const store = new SqliteStore({ folder: folderOf('n1') });
    assert.deepEqual((await store.open()).proof, { whole: true });
    await store.close();
  });

  it('refuses folders that are not of one cluster: by name, by node, by what stands in them', async () => {
    await survivor('n1', []);
    await survivor('n2', [], 'other');
    await fails(2, /of several clusters: orders, other/, compareOpened(await openAll('n1', 'n2')));
    await closeSurvivors(opened.splice(0));
    common = batch(1, 10, 1);
    await survivor('n3', []);
    await fails(
      1,
      /not of one cluster: entry 10 has the same term/,
      compareOpened(await openAll('n1', 'n3')),
    );
    await closeSurvivors(opened.splice(0));
    await fails(2, /is no data folder/, openAll('n1', 'n9'));
    // The lock of the first one was given back.
    await openAll('n1');
    await fails(4, /another daemon has this data folder/, openSurvivors([folderOf('n1')]));
  });
});
