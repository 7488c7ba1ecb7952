/**
 * Whose data folder this is: the node and the cluster that its log belongs to, written down when the folder is made (or first used
 * by a version that knows of it). A folder under another name would be a node that says what it never promised.
 *
 * MUST: refuse a folder of another node or another cluster, and one whose restore did not come to its end.
 * MUST NOT: change a name by itself; only `recover` does (`LogWriter.takeOver`).
 */
import { NAME_PATTERN } from '../../shared/names.ts';
import { StoreError } from './contract.ts';
import { type SqliteDriver, textOf } from './sqlite-driver.ts';

export interface Owner {
  readonly cluster: string;
  readonly node: string;
}

export interface Identity extends Owner {
  /** The incarnation before `recover` gave it another one, which the guard may still say; '' for none. */
  readonly formerly: string;
}

const TABLE = `CREATE TABLE IF NOT EXISTS identity (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    cluster TEXT NOT NULL CHECK (length(cluster) BETWEEN 1 AND 64),
    node TEXT NOT NULL CHECK (length(node) BETWEEN 1 AND 64),
    unfinished INTEGER NOT NULL CHECK (unfinished IN (0, 1)),
    formerly TEXT NOT NULL CHECK (length(formerly) IN (0, 32))
  ) STRICT`;

/** SQL that makes the table and says whose the folder is. Throws RangeError for what is no name. */
export function identitySql({ cluster, node }: Owner, unfinished = false, formerly = ''): string {
  for (const name of [cluster, node])
    if (!NAME_PATTERN.test(name)) throw new RangeError(`${name} is no name of a cluster or a node`);
  const values = `1, '${cluster}', '${node}', ${unfinished ? 1 : 0}, '${formerly}'`;
  return `${TABLE}; INSERT OR REPLACE INTO identity VALUES (${values})`;
}

/**
 * Whose folder it is; `owner` takes one that is nobody's yet. Throws StoreError (FOREIGN) where it is somebody else's.
 * Without `owner` nothing is compared and nothing written.
 */
export async function ownFolder(
  driver: SqliteDriver,
  folder: string,
  owner: Owner | undefined,
): Promise<Identity | undefined> {
  const [row] = await hasTable(driver);
  if (row?.['unfinished'] === 1)
    throw new StoreError(
      'FOREIGN',
      `${folder} is of a restore that was cut short: remove it, and restore again`,
    );
  if (row === undefined) return owner === undefined ? undefined : adopt(driver, owner);
  const found = {
    cluster: textOf(row, 'cluster'),
    node: textOf(row, 'node'),
    formerly: textOf(row, 'formerly'),
  };
  if (owner !== undefined && (found.cluster !== owner.cluster || found.node !== owner.node)) {
    const [is, wanted] = [found, owner].map(({ node, cluster }) => `node ${node} of cluster ${cluster}`);
    throw new StoreError('FOREIGN', `the data folder ${folder} is of ${is}, not of ${wanted}`);
  }
  return found;
}

async function hasTable(driver: SqliteDriver): Promise<Awaited<ReturnType<SqliteDriver['query']>>> {
  const there = await driver.query(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'identity'`);
  return there.length === 0 ? [] : driver.query('SELECT cluster, node, unfinished, formerly FROM identity');
}

async function adopt(driver: SqliteDriver, owner: Owner): Promise<Identity> {
  try {
    await driver.exec(`BEGIN IMMEDIATE; ${identitySql(owner)}; COMMIT`);
  } catch (error) {
    // A start on a full disk must not fail for it: the next one adopts.
    if (!(error instanceof StoreError && error.kind === 'NO_SPACE')) throw error;
    await driver.exec('ROLLBACK').catch(() => undefined);
  }
  return { ...owner, formerly: '' };
}
