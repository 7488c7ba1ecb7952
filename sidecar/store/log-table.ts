/**
 * The SQL of the log and hard-state tables: rows in, rows out.
 *
 * MUST: be the only place that names these tables after they were made; bound the memory of every read.
 * MUST NOT: decide when something is written, or judge what it read (`packed-row.ts` proves entries).
 */
import {
  type ChainHash,
  type ConfigAt,
  HASH_BYTES,
  type HardState,
  type LogPoint,
  ORIGIN,
  type SnapshotPoint,
} from '../../shared/entry.ts';
import { decodeMembership, encodeMembership } from '../../shared/wire/membership-entry.ts';
import { hashFromBytes, hashToBytes } from '../../shared/wire/record.ts';
import { type SkipMark, StoreError } from './contract.ts';
import { identitySql, type Owner } from './identity.ts';
import type { PackedRow } from './packed-row.ts';
import {
  bytesOf,
  integerOf,
  type PreparedStatement,
  type SqliteDriver,
  type SqlRow,
  textOf,
} from './sqlite-driver.ts';

const COLUMNS = 'first_index, last_index, term, previous_hash, hash, records';
/** Most rows of one page, whatever their size. */
const PAGE_ROWS = 2048;

/**
 * The rows of a page as one row: in one term their records, put together, are again packed records, which begin
 * after the first `previous_hash` and end in the last `hash`. That spares the driver 7 µs per row where a lone
 * client has left one entry in each. SQLite joins blobs only as text, which it does byte by byte; if it ever
 * did more, the chain hash would tell, and the caller asks again for single rows.
 */
const PAGE = `SELECT min(first_index) AS first_index, max(last_index) AS last_index, max(term) AS term,
  (SELECT previous_hash FROM log WHERE first_index = ?1) AS previous_hash,
  (SELECT hash FROM log WHERE first_index <= ?2 ORDER BY first_index DESC LIMIT 1) AS hash,
  CAST(group_concat(records, '' ORDER BY first_index) AS BLOB) AS records
  FROM log WHERE first_index BETWEEN ?1 AND ?2`;

/** The last of the rows between two indexes, in the given order, that fits a page: the first always does. */
function edge(order: 'ASC' | 'DESC'): string {
  return `SELECT ${order === 'ASC' ? 'max' : 'min'}(first_index) AS edge FROM (
    SELECT first_index, bytes, sum(bytes) OVER (ORDER BY first_index ${order}) AS total FROM (
      SELECT first_index, length(records) AS bytes FROM log
      WHERE first_index BETWEEN ? AND ? ORDER BY first_index ${order} LIMIT ${PAGE_ROWS}))
    WHERE total <= ? OR total = bytes`;
}

const SQL = {
  insert: `INSERT INTO log (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`,
  rowAt: `SELECT ${COLUMNS} FROM log WHERE first_index <= ? ORDER BY first_index DESC LIMIT 1`,
  page: PAGE,
  edgeAfter: edge('ASC'),
  edgeBefore: edge('DESC'),
} as const;

/** A place where the chain of rows stops: a change of term, the end, or a break. */
export interface ChainEnd {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly term: number;
  readonly hash: ChainHash;
  /** The row after it, in order of index. */
  readonly next: { readonly firstIndex: number; readonly term: number; readonly linked: boolean } | undefined;
}

export interface NodeState {
  readonly incarnation: string;
  readonly hardState: HardState;
}

/** What the log continues, and whether a snapshot must have what came before. */
export interface Base {
  readonly point: LogPoint;
  readonly relies: boolean;
}

export class LogTable {
  readonly #driver: SqliteDriver;
  readonly #statements: { readonly [name in keyof typeof SQL]: PreparedStatement };

  private constructor(
    driver: SqliteDriver,
    statements: { readonly [name in keyof typeof SQL]: PreparedStatement },
  ) {
    this.#driver = driver;
    this.#statements = statements;
  }

  static async open(driver: SqliteDriver): Promise<LogTable> {
    return new LogTable(driver, {
      insert: await driver.prepare(SQL.insert),
      rowAt: await driver.prepare(SQL.rowAt),
      page: await driver.prepare(SQL.page),
      edgeAfter: await driver.prepare(SQL.edgeAfter),
      edgeBefore: await driver.prepare(SQL.edgeBefore),
    });
  }

  insert(row: PackedRow): Promise<void> {
    return this.#statements.insert.run(
      row.firstIndex,
      row.lastIndex,
      row.term,
      hashToBytes(row.previousHash),
      hashToBytes(row.hash),
      row.records,
    );
  }

  insertSkip({ at, target }: SkipMark): Promise<void> {
    return this.#driver.exec(`INSERT INTO skips VALUES (${at}, ${target})`);
  }

  async skips(): Promise<SkipMark[]> {
    const rows = await this.#driver.query('SELECT at, target FROM skips ORDER BY at');
    return rows.map((row) => ({ at: integerOf(row, 'at'), target: integerOf(row, 'target') }));
  }

  /** The ids must be checked: they go into the statement. */
  rememberDisk(node: string, incarnation: string): Promise<void> {
    return this.#driver.exec(`INSERT OR REPLACE INTO disks VALUES ('${node}', '${incarnation}')`);
  }

  forgetDisk(node: string): Promise<void> {
    return this.#driver.exec(`DELETE FROM disks WHERE node = '${node}'`);
  }

  async disks(): Promise<Map<string, string>> {
    const rows = await this.#driver.query('SELECT node, incarnation FROM disks');
    return new Map(rows.map((row) => [textOf(row, 'node'), textOf(row, 'incarnation')]));
  }

  /** In a transaction: the folder is another one from now on, and knows no disk of others. To be `finished`. */
  async takeOver(owner: Owner, incarnation: string): Promise<void> {
    const { incarnation: formerly } = await this.nodeState();
    await this.#driver.exec(`${identitySql(owner, 'RECOVER', formerly)}; DELETE FROM disks`);
    await this.writeIncarnation(incarnation);
  }

  /** What was begun as unfinished is whole now. */
  finished(): Promise<void> {
    return this.#driver.exec('UPDATE identity SET unfinished = 0');
  }

  /** The folder began empty, for the log of a cluster that was there before. */
  markJoined(): Promise<void> {
    return this.#driver.exec('UPDATE identity SET joined = 1');
  }

  insertConfig({ index, membership }: ConfigAt): Promise<void> {
    const hex = Buffer.from(encodeMembership(membership)).toString('hex');
    return this.#driver.exec(`INSERT OR REPLACE INTO configs VALUES (${index}, x'${hex}')`);
  }

  /** Throws StoreError where one of them cannot be read. */
  async configs(): Promise<ConfigAt[]> {
    const rows = await this.#driver.query('SELECT at, membership FROM configs ORDER BY at');
    return rows.map((row) => {
      const index = integerOf(row, 'at');
      try {
        return { index, membership: decodeMembership(bytesOf(row, 'membership')) };
      } catch (error) {
        throw new StoreError('FAULT', `the membership of ${index} is damaged`, { cause: error });
      }
    });
  }

  /** Begins a transaction and, in the same round trip, writes the hard state and drops rows. */
  begin(hardState: HardState | undefined, deleteFrom: number | undefined): Promise<void> {
    let sql = 'BEGIN IMMEDIATE';
    if (hardState !== undefined) sql += `; ${updateHardState(hardState)}`;
    if (deleteFrom !== undefined)
      sql += `; DELETE FROM log WHERE first_index >= ${deleteFrom}; DELETE FROM skips WHERE at >= ${deleteFrom};
        DELETE FROM configs WHERE at >= ${deleteFrom}`;
    return this.#driver.exec(sql);
  }

  /** The whole transaction of a new hard state without entries, in one round trip. */
  writeHardState(hardState: HardState): Promise<void> {
    return this.#driver.exec(`BEGIN IMMEDIATE; ${updateHardState(hardState)}; COMMIT`);
  }

  /** In a transaction: drops the whole log, which begins after `point` then. */
  async reset(point: SnapshotPoint): Promise<void> {
    await this.#driver.exec('DELETE FROM log; DELETE FROM skips');
    // Without one the newest that is known is where the log began.
    const config = point.config ?? { index: 0, membership: (await this.configs()).at(-1)?.membership };
    await this.#driver.exec('DELETE FROM configs');
    const { index, membership } = config;
    if (membership !== undefined) await this.insertConfig({ index, membership });
    await this.#driver.exec(updateBase({ point, relies: true }));
  }

  /** Drops the rows that begin at `through` or before. All in one transaction. */
  dropRows(through: number, base: Base): Promise<void> {
    return this.#driver.exec(`BEGIN IMMEDIATE; ${updateBase(base)};
      DELETE FROM log WHERE first_index <= ${through}; DELETE FROM skips WHERE at <= ${base.point.index};
      DELETE FROM configs WHERE at < (SELECT max(at) FROM configs WHERE at <= ${base.point.index}); COMMIT`);
  }

  /** Bytes of all records, as they lie in the rows. */
  async bytes(): Promise<number> {
    const [row] = await this.#driver.query('SELECT coalesce(sum(length(records)), 0) AS bytes FROM log');
    return row === undefined ? 0 : integerOf(row, 'bytes');
  }

  async base(): Promise<Base> {
    const [row] = await this.#driver.query('SELECT at, term, time, hash, relies FROM base');
    if (row === undefined) return { point: ORIGIN, relies: false };
    const point = {
      index: integerOf(row, 'at'),
      term: integerOf(row, 'term'),
      time: integerOf(row, 'time'),
      hash: toHash(row, 'hash'),
    };
    return { point, relies: row['relies'] === 1 };
  }

  commit(): Promise<void> {
    return this.#driver.exec('COMMIT');
  }

  /** After a failed statement. SQLite may have rolled back by itself, which is no error. */
  async rollback(): Promise<void> {
    try {
      await this.#driver.exec('ROLLBACK');
    } catch (error) {
      if (!(error instanceof StoreError && error.message.includes('no transaction is active'))) throw error;
    }
  }

  async nodeState(): Promise<NodeState> {
    const [row] = await this.#driver.query('SELECT incarnation, term, vote FROM node_state');
    if (row === undefined) throw new StoreError('FAULT', 'the hard state is missing from log.sqlite');
    return {
      incarnation: textOf(row, 'incarnation'),
      hardState: { term: integerOf(row, 'term'), vote: textOf(row, 'vote') },
    };
  }

  /** Gives a database that was just made the identity of the folder it lies in. */
  writeIncarnation(incarnation: string): Promise<void> {
    return this.#driver.exec(`UPDATE node_state SET incarnation = '${incarnation}'`);
  }

  /** The row that holds `index`, or the last one before it. */
  async rowAt(index: number): Promise<PackedRow | undefined> {
    const [row] = await this.#statements.rowAt.rows(index);
    return row === undefined ? undefined : toPackedRow(row);
  }

  /** The last of the rows that begin in `from`…`to` and have at most `maxBytes` of records together: the first always is one. */
  async edgeFrom(from: number, to: number, maxBytes: number): Promise<number | undefined> {
    return edgeOf(await this.#statements.edgeAfter.rows(from, to, maxBytes));
  }

  /**
   * The rows from the one that begins at `from` on, as one row: at least that one, and no more than `maxBytes`
   * of records otherwise. All rows in `from`…`to` must be of one term. Undefined when none begins at `from`.
   */
  async pageFrom(from: number, to: number, maxBytes: number): Promise<PackedRow | undefined> {
    const last = await this.edgeFrom(from, to, maxBytes);
    return last === undefined ? undefined : this.#page(from, last);
  }

  /** The same backwards: the rows that begin in `from`…`to` and end with the last of them. */
  async pageUpTo(from: number, to: number, maxBytes: number): Promise<PackedRow | undefined> {
    const first = edgeOf(await this.#statements.edgeBefore.rows(from, to, maxBytes));
    return first === undefined ? undefined : this.#page(first, to);
  }

  /** The rows that begin in `first`…`to`; one begins at `first`. */
  async #page(first: number, to: number): Promise<PackedRow | undefined> {
    const [row] = await this.#statements.page.rows(first, to);
    return row === undefined || row['previous_hash'] === null ? undefined : toPackedRow(row);
  }

  /**
   * Compares every row with the row after it, inside SQLite, and returns (in order, after `afterFirst`, a page
   * at a time) only those whose successor is of another term, is missing, or does not continue it. A self join
   * is seven times faster here than the window function lag(), and needs no memory.
   */
  async chainEnds(afterFirst: number): Promise<ChainEnd[]> {
    const rows = await this.#driver.query(
      `SELECT a.first_index, a.last_index, a.term, a.hash, b.first_index AS next_first, b.term AS next_term,
        b.first_index = a.last_index + 1 AND b.previous_hash = a.hash AS linked
       FROM log a LEFT JOIN log b
         ON b.first_index = (SELECT min(first_index) FROM log WHERE first_index > a.first_index)
       WHERE a.first_index > ? AND (b.first_index IS NULL OR NOT (
         b.first_index = a.last_index + 1 AND b.previous_hash = a.hash AND b.term = a.term))
       ORDER BY a.first_index LIMIT ${PAGE_ROWS}`,
      afterFirst,
    );
    return rows.map((row) => ({
      firstIndex: integerOf(row, 'first_index'),
      lastIndex: integerOf(row, 'last_index'),
      term: integerOf(row, 'term'),
      hash: toHash(row, 'hash'),
      next:
        row['next_first'] === null
          ? undefined
          : {
              firstIndex: integerOf(row, 'next_first'),
              term: integerOf(row, 'next_term'),
              linked: row['linked'] === 1,
            },
    }));
  }

  /** Moves the WAL into the database file and syncs both. Throws StoreError, also when it could not finish. */
  async checkpoint(mode: 'PASSIVE' | 'TRUNCATE'): Promise<void> {
    const [row] = await this.#driver.query(`PRAGMA wal_checkpoint(${mode})`);
    if (row === undefined || row['busy'] !== 0 || row['log'] !== row['checkpointed']) {
      throw new StoreError('FAULT', 'storage failed: SQLite could not finish a checkpoint');
    }
  }

  /** Writes `bytes` of noise and takes them back: does the disk take writes? */
  async probe(bytes: number): Promise<void> {
    await this.#driver.exec(`UPDATE probe SET filler = randomblob(${bytes})`);
    await this.#driver.exec(`UPDATE probe SET filler = x''`);
  }
}

/** The vote travels as hex: no byte of it can end the literal. */
function updateHardState({ term, vote }: HardState): string {
  return `UPDATE node_state SET term = ${term}, vote = CAST(x'${Buffer.from(vote).toString('hex')}' AS TEXT)`;
}

function updateBase({ point: { index, term, time, hash }, relies }: Base): string {
  const hex = hashToBytes(hash).toString('hex');
  return `INSERT OR REPLACE INTO base VALUES (1, ${index}, ${term}, ${time}, x'${hex}', ${relies ? 1 : 0})`;
}

function edgeOf([row]: readonly SqlRow[]): number | undefined {
  return row === undefined || row['edge'] === null ? undefined : integerOf(row, 'edge');
}

function toPackedRow(row: SqlRow): PackedRow {
  return {
    firstIndex: integerOf(row, 'first_index'),
    lastIndex: integerOf(row, 'last_index'),
    term: integerOf(row, 'term'),
    previousHash: toHash(row, 'previous_hash'),
    hash: toHash(row, 'hash'),
    records: bytesOf(row, 'records'),
  };
}

function toHash(row: SqlRow, name: string): ChainHash {
  const bytes = bytesOf(row, name);
  if (bytes.length !== HASH_BYTES) throw new StoreError('FAULT', `the database holds a bad ${name}`);
  return hashFromBytes(bytes);
}
