/**
 * Data folders of a cluster that has lost its majority: opened, compared, and one of them made the first node of a new cluster.
 *
 * MUST: hold the lock of every folder from the first look to the end; change none but the chosen one; leave that one unstartable
 * until everything in it is the new cluster's.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Entry, EntryKind, type Membership } from '../../shared/entry.ts';
import { encodeMembership } from '../../shared/wire/membership-entry.ts';
import { sealEntries } from '../../shared/wire/record.ts';
import type { StoredState } from '../store/contract.ts';
import type { Owner } from '../store/identity.ts';
import { SqliteStore } from '../store/sqlite-store.ts';
import { type Comparison, compareSurvivors, type Survivor } from './compare.ts';
import { asRecoveryError, RecoveryError } from './errors.ts';
import { adoptSnapshot, TERMS_LEFT_OUT } from './new-cluster.ts';

const NOBODY: Membership = { voters: [], outgoing: [], learners: [] };

export interface Opened {
  readonly survivor: Survivor;
  /** An earlier recovery of this folder was cut short. */
  readonly resumes: boolean;
  readonly store: SqliteStore;
  readonly stored: StoredState;
}

/** Opens them all. Throws RecoveryError: exit code 2 where there is no folder, 3 for a bad disk, 4 where a daemon has it. */
export async function openSurvivors(folders: readonly string[]): Promise<Opened[]> {
  const opened: Opened[] = [];
  try {
    for (const folder of folders) opened.push(await openSurvivor(folder));
    return opened;
  } catch (error) {
    await closeSurvivors(opened);
    throw error;
  }
}

export async function closeSurvivors(opened: readonly Opened[]): Promise<void> {
  for (const { store } of opened) await store.close();
}

async function openSurvivor(folder: string): Promise<Opened> {
  // Opening would make one.
  if (!existsSync(join(folder, 'log.sqlite')))
    throw new RecoveryError(`${folder} is no data folder: there is no log.sqlite in it`, 2);
  const store = new SqliteStore({ folder, recovers: true });
  try {
    const stored = await store.open();
    const survivor = describe(folder, store, stored);
    return { survivor, store, stored, resumes: store.identity?.unfinished === 'RECOVER' };
  } catch (error) {
    await store.close();
    throw asRecoveryError(error, folder);
  }
}

function describe(folder: string, { identity, snapshots }: SqliteStore, stored: StoredState): Survivor {
  const { hardState, base, runs, lastIndex, configs, proof } = stored;
  const newest = snapshots.newest?.meta;
  const lastTime = stored.tail.at(-1)?.time ?? base.time;
  return {
    ...{ folder, cluster: identity?.cluster ?? newest?.cluster ?? '', node: identity?.node ?? '' },
    ...{ term: hardState.term, baseIndex: base.index, baseTerm: base.term, runs, lastIndex, lastTime },
    lastTerm: runs.at(-1)?.term ?? base.term,
    committed: Math.max(base.index, newest?.point.index ?? 0),
    membership: configs.at(-1)?.membership ?? NOBODY,
    damage: proof.whole ? undefined : { reason: proof.reason, mustReach: proof.mustReach },
  };
}

/** Throws RecoveryError where the folders are not of one cluster: by their names, or by what stands in their logs. */
export async function compareOpened(opened: readonly Opened[]): Promise<Comparison> {
  const clusters = new Set(opened.map(({ survivor }) => survivor.cluster).filter((name) => name !== ''));
  if (clusters.size > 1)
    throw new RecoveryError(`the folders are of several clusters: ${[...clusters].join(', ')}`, 2);
  const nodes = opened.map(({ survivor }) => survivor.node).filter((name) => name !== '');
  const twice = nodes.find((node, at) => nodes.indexOf(node) !== at);
  if (twice !== undefined)
    throw new RecoveryError(`several folders are of node ${twice}: give the one that ran last`, 2);
  const comparison = compareSurvivors(opened.map(({ survivor }) => survivor));
  const best = storeAt(opened, comparison.best.folder);
  for (const { folder, agreeThrough, relation } of comparison.beside) {
    if (relation === 'UNKNOWN' || agreeThrough === 0) continue;
    const [ours, theirs] = await Promise.all([
      hashAt(best, comparison.best.folder, agreeThrough),
      hashAt(storeAt(opened, folder), folder, agreeThrough),
    ]);
    if (ours !== theirs)
      throw new RecoveryError(
        `the logs in ${comparison.best.folder} and ${folder} are not of one cluster: entry ${agreeThrough} has the same term and another content`,
        1,
      );
  }
  return comparison;
}

function storeAt(opened: readonly Opened[], folder: string): SqliteStore {
  const found = opened.find(({ survivor }) => survivor.folder === folder);
  if (found === undefined) throw new RangeError(`${folder} is not open`);
  return found.store;
}

function hashAt(store: SqliteStore, folder: string, index: number): Promise<string | undefined> {
  return store.hashAt(index).catch((error: unknown) => {
    throw asRecoveryError(error, folder);
  });
}

/**
 * Makes `chosen` the only voter of `owner.cluster`, at `peer`. All its entries count from then on, and are committed when the node
 * starts. Returns the entry that says so. Throws RecoveryError.
 */
export async function takeOver(
  opened: readonly Opened[],
  chosen: Opened,
  owner: Owner,
  peer: string,
): Promise<{ index: number; term: number }> {
  const { store, stored, survivor } = chosen;
  const term = Math.max(...opened.map((one) => one.survivor.term)) + TERMS_LEFT_OUT;
  const membership: Membership = {
    ...{ voters: [owner.node], outgoing: [], learners: [] },
    book: [{ id: owner.node, peer }],
  };
  const entry: Entry = {
    ...{ index: stored.lastIndex + 1, term, kind: EntryKind.CONFIG, time: survivor.lastTime },
    ...{ session: 0, sequence: 0, command: encodeMembership(membership) },
  };
  sealEntries([entry], stored.lastHash);
  try {
    await store.takeOver(owner, { term, vote: owner.node }, entry);
    await relabel(store, owner.cluster, membership);
    await store.finished();
  } catch (error) {
    throw asRecoveryError(error, survivor.folder);
  }
  return { index: entry.index, term };
}

/** Nodes of the new cluster take snapshots of no other one; and whoever begins with one must not think that the lost ones vote. */
async function relabel(store: SqliteStore, cluster: string, membership: Membership): Promise<void> {
  const { snapshots } = store;
  for (const snapshot of [...snapshots.all]) {
    const { meta } = snapshot;
    const [sessions, replies] = [
      await snapshots.read(snapshot, 'sessions'),
      await snapshots.read(snapshot, 'replies'),
    ];
    await adoptSnapshot(
      snapshots,
      { meta, sessions, replies, app: () => snapshots.app(snapshot) },
      cluster,
      membership,
    );
  }
}
