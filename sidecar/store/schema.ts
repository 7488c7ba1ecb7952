/**
 * The tables, and the settings of SQLite the promises of the store stand on.
 *
 * MUST: set every PRAGMA, read it back, and refuse to start where SQLite answers anything else: a silent
 * default is the classic way to lose data.
 * MUST NOT: read or write the log.
 */
import { randomBytes } from 'node:crypto';
import { StoreError } from './contract.ts';
import { integerOf, type SqliteDriver } from './sqlite-driver.ts';

export interface Pragma {
  readonly name: string;
  /** The value to set; left out for settings that are only checked. */
  readonly set?: string | number;
  readonly expect: string | number;
}

/** Before 3.51.3 a WAL could be reset under a writer (sqlite.org, "WAL-reset bug"). */
const OLDEST_SQLITE = [3, 51, 3] as const;
/** After a burst the WAL file shrinks to this at its next restart. */
const WAL_FILE_LIMIT = 64 * 1024 * 1024;
/** 2: the log may begin later than at entry 1 (table `base`). A version of before would take such a log for a damaged one. */
const FORMAT = 2;
const OLDEST_FORMAT = 1;
const APPLICATION_ID = 0x4f75_7452;

export const PRAGMAS: readonly Pragma[] = [
  // First: in exclusive mode SQLite keeps the lock from its first read on, and makes no -shm file, for which a full disk has no space.
  { name: 'locking_mode', set: 'EXCLUSIVE', expect: 'exclusive' },
  { name: 'encoding', expect: 'UTF-8' },
  { name: 'journal_mode', set: 'WAL', expect: 'wal' },
  // 2 is FULL: one fsync of the WAL per commit.
  { name: 'synchronous', set: 2, expect: 2 },
  // fsync on macOS does not reach the platter without these two. Elsewhere they do nothing.
  { name: 'fullfsync', set: 1, expect: 1 },
  { name: 'checkpoint_fullfsync', set: 1, expect: 1 },
  // SQLite ignores the errors of an automatic checkpoint, a failed fsync among them, and tries again later.
  // The store checkpoints by itself, between two commits, and an error there is a fault like any other.
  { name: 'wal_autocheckpoint', set: 0, expect: 0 },
  { name: 'journal_size_limit', set: WAL_FILE_LIMIT, expect: WAL_FILE_LIMIT },
  // A bad page in a memory map would be a signal instead of an error.
  { name: 'mmap_size', set: 0, expect: 0 },
  { name: 'cell_size_check', set: 1, expect: 1 },
  { name: 'trusted_schema', set: 0, expect: 0 },
  { name: 'ignore_check_constraints', set: 0, expect: 0 },
  { name: 'writable_schema', set: 0, expect: 0 },
  { name: 'temp_store', set: 2, expect: 2 },
  { name: 'cache_size', set: -8192, expect: -8192 },
];

const INDEX = 'BETWEEN 1 AND 9007199254740991';

/**
 * log: one row is a batch of entries of one term. `records` holds each record after its length (u32 LE);
 * `previous_hash` and `hash` are the chain hashes before the first and at the last entry. `records` comes
 * last, so that a scan of the other columns never touches the overflow pages.
 * node_state: the hard state. probe: what `resume` writes.
 */
const TABLES = `
  CREATE TABLE log (
    first_index INTEGER PRIMARY KEY CHECK (first_index ${INDEX}),
    last_index INTEGER NOT NULL CHECK (last_index ${INDEX} AND last_index >= first_index),
    term INTEGER NOT NULL CHECK (term BETWEEN 0 AND 9007199254740991),
    previous_hash BLOB NOT NULL CHECK (length(previous_hash) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    records BLOB NOT NULL CHECK (length(records) >= 4 * (last_index - first_index + 1))
  ) STRICT;
  CREATE TABLE node_state (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    incarnation TEXT NOT NULL CHECK (length(incarnation) = 32),
    term INTEGER NOT NULL CHECK (term BETWEEN 0 AND 9007199254740991),
    vote TEXT NOT NULL
  ) STRICT;
  CREATE TABLE probe (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    filler BLOB NOT NULL
  ) STRICT;`;

/** An index into the log: which entries are SKIP, and of what. Folders made before it had none of them. */
const SKIPS = `CREATE TABLE IF NOT EXISTS skips (
    at INTEGER PRIMARY KEY CHECK (at ${INDEX}),
    target INTEGER NOT NULL CHECK (target BETWEEN 0 AND 9007199254740991)
  ) STRICT`;

/** An index into the log: its memberships, and the one that it began with (at 0, or of a snapshot). */
const CONFIGS = `CREATE TABLE IF NOT EXISTS configs (
    at INTEGER PRIMARY KEY CHECK (at BETWEEN 0 AND 9007199254740991),
    membership BLOB NOT NULL
  ) STRICT`;

/**
 * What the log continues, once it was compacted or began with a snapshot. `relies`: entries up to there are in a snapshot that
 * must be there.
 */
const BASE = `CREATE TABLE IF NOT EXISTS base (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    at INTEGER NOT NULL CHECK (at BETWEEN 0 AND 9007199254740991),
    term INTEGER NOT NULL CHECK (term BETWEEN 0 AND 9007199254740991),
    time INTEGER NOT NULL CHECK (time BETWEEN 0 AND 9007199254740991),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    relies INTEGER NOT NULL CHECK (relies IN (0, 1))
  ) STRICT`;

/** Which data folder each node of the cluster was seen with first (peers/disks.ts). */
const DISKS = `CREATE TABLE IF NOT EXISTS disks (
    node TEXT PRIMARY KEY CHECK (length(node) BETWEEN 1 AND 64),
    incarnation TEXT NOT NULL CHECK (length(incarnation) = 32)
  ) STRICT`;

/** A random id for a data folder: 32 hex digits. */
export function newIncarnation(): string {
  return randomBytes(16).toString('hex');
}

/**
 * Takes the lock, asserts SQLite's version and settings, and makes the tables (under `incarnation`) in an empty
 * file. `owned`: SQL that says whose the folder is, when it is made. Returns true when it made them. Throws StoreError.
 */
export async function prepareDatabase(
  driver: SqliteDriver,
  incarnation: string,
  pragmas: readonly Pragma[] = PRAGMAS,
  owned = '',
): Promise<boolean> {
  for (const pragma of pragmas) {
    await applyPragma(driver, pragma);
    // Not before the first one: a SELECT reads the schema, whatever it selects.
    if (pragma === pragmas[0]) await assertVersion(driver);
  }
  await driver.exec('BEGIN IMMEDIATE; COMMIT');
  driver.opened();
  const [counted] = await driver.query('SELECT count(*) AS tables FROM sqlite_schema');
  const applicationId = await pragmaValue(driver, 'application_id');
  const version = await pragmaValue(driver, 'user_version');
  if (counted !== undefined && integerOf(counted, 'tables') === 0 && applicationId === 0) {
    await driver.exec(`BEGIN IMMEDIATE; ${TABLES} ${SKIPS}; ${BASE}; ${CONFIGS}; ${DISKS};
      INSERT INTO node_state VALUES (1, '${incarnation}', 0, '');
      INSERT INTO probe VALUES (1, x''); ${owned};
      PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT}; COMMIT`);
    return true;
  }
  if (applicationId !== APPLICATION_ID) {
    throw new StoreError('FAULT', 'log.sqlite is not an Outrigger log');
  }
  if (typeof version !== 'number' || version < OLDEST_FORMAT || version > FORMAT) {
    throw new StoreError('FAULT', `log.sqlite has format ${version}, this version reads format ${FORMAT}`);
  }
  // A start on a full disk must not write.
  if (version === FORMAT) return false;
  await driver.exec(
    `BEGIN IMMEDIATE; ${SKIPS}; ${BASE}; ${CONFIGS}; ${DISKS}; PRAGMA user_version = ${FORMAT}; COMMIT`,
  );
  return false;
}

async function assertVersion(driver: SqliteDriver): Promise<void> {
  const [row] = await driver.query('SELECT sqlite_version() AS version');
  const version = String(row?.['version']);
  const parts = version.split('.').map(Number);
  for (const [place, oldest] of OLDEST_SQLITE.entries()) {
    const part = parts[place] ?? 0;
    if (part > oldest) return;
    if (part < oldest || Number.isNaN(part)) {
      throw new StoreError('FAULT', `SQLite ${version} is older than ${OLDEST_SQLITE.join('.')}`);
    }
  }
}

async function applyPragma(driver: SqliteDriver, pragma: Pragma): Promise<void> {
  if (pragma.set !== undefined) await driver.exec(`PRAGMA ${pragma.name} = ${pragma.set}`);
  const value = await pragmaValue(driver, pragma.name);
  if (value !== pragma.expect) {
    throw new StoreError(
      'FAULT',
      `SQLite says PRAGMA ${pragma.name} is ${String(value)}, the log needs ${pragma.expect}`,
    );
  }
}

async function pragmaValue(driver: SqliteDriver, name: string): Promise<unknown> {
  const [row] = await driver.query(`PRAGMA ${name}`);
  return row === undefined ? undefined : Object.values(row)[0];
}
