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

/** What was begun with the folder and did not come to its end: nobody may start it then. */
export type Unfinished = 'NOTHING' | 'RESTORE' | 'RECOVER';
const CODES: Readonly<Record<Unfinished, number>> = { NOTHING: 0, RESTORE: 1, RECOVER: 2 };
const ALL = ['NOTHING', 'RESTORE', 'RECOVER'] as const;

export interface Identity extends Owner {
  readonly unfinished: Unfinished;
  /** The incarnation before `recover` gave it another one, which the guard may still say; '' for none. */
  readonly formerly: string;
  /** It began empty, to be given the log of a cluster that was there before. */
  readonly joined: boolean;
}

const TABLE = `CREATE TABLE IF NOT EXISTS identity (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    cluster TEXT NOT NULL CHECK (length(cluster) BETWEEN 1 AND 64),
    node TEXT NOT NULL CHECK (length(node) BETWEEN 1 AND 64),
    unfinished INTEGER NOT NULL CHECK (unfinished IN (0, 1, 2)),
    formerly TEXT NOT NULL CHECK (length(formerly) IN (0, 32)),
    joined INTEGER NOT NULL CHECK (joined IN (0, 1))
  ) STRICT`;

/** SQL that makes the table and says whose the folder is. Throws RangeError for what is no name. */
export function identitySql(
  { cluster, node }: Owner,
  unfinished: Unfinished = 'NOTHING',
  formerly = '',
): string {
  for (const name of [cluster, node])
    if (!NAME_PATTERN.test(name)) throw new RangeError(`${name} is no name of a cluster or a node`);
  const values = `1, '${cluster}', '${node}', ${CODES[unfinished]}, '${formerly}', 0`;
  return `${TABLE}; INSERT OR REPLACE INTO identity VALUES (${values})`;
}

/**
 * Whose folder it is; `owner` takes one that is nobody's yet. Throws StoreError (FOREIGN) where it is somebody else's, or unfinished
 * (`recover` alone may go on with what it began). Without `owner` nothing is compared and nothing written.
 */
export async function ownFolder(
  driver: SqliteDriver,
  folder: string,
  { owner, recovers = false }: { owner?: Owner | undefined; recovers?: boolean | undefined },
): Promise<Identity | undefined> {
  const found = await readIdentity(driver);
  if (found === undefined) return owner === undefined ? undefined : adopt(driver, owner);
  if (found.unfinished === 'RESTORE')
    throw foreign(`${folder} is of a restore that was cut short: remove it, and restore again`);
  if (found.unfinished === 'RECOVER' && !recovers)
    throw foreign(`${folder} is of a recovery that was cut short: run \`outrigger recover\` with it again`);
  if (owner !== undefined && (found.cluster !== owner.cluster || found.node !== owner.node)) {
    const [is, wanted] = [found, owner].map(({ node, cluster }) => `node ${node} of cluster ${cluster}`);
    throw foreign(`the data folder ${folder} is of ${is}, not of ${wanted}`);
  }
  return found;
}

function foreign(message: string): StoreError {
  return new StoreError('FOREIGN', message);
}

async function readIdentity(driver: SqliteDriver): Promise<Identity | undefined> {
  const there = await driver.query(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'identity'`);
  if (there.length === 0) return undefined;
  const [row] = await driver.query('SELECT cluster, node, unfinished, formerly, joined FROM identity');
  if (row === undefined) return undefined;
  const unfinished = ALL.find((one) => CODES[one] === row['unfinished']) ?? 'RESTORE';
  return {
    ...{ cluster: textOf(row, 'cluster'), node: textOf(row, 'node') },
    ...{ unfinished, formerly: textOf(row, 'formerly'), joined: row['joined'] === 1 },
  };
}

async function adopt(driver: SqliteDriver, owner: Owner): Promise<Identity> {
  try {
    await driver.exec(`BEGIN IMMEDIATE; ${identitySql(owner)}; COMMIT`);
  } catch (error) {
    // A start on a full disk must not fail for it: the next one adopts.
    if (!(error instanceof StoreError && error.kind === 'NO_SPACE')) throw error;
    await driver.exec('ROLLBACK').catch(() => undefined);
  }
  return { ...owner, unfinished: 'NOTHING', formerly: '', joined: false };
}
