/**
 * The only wrapper over the `sqlite3` package, whose own rules are loose: unordered statements, an unbounded
 * queue, BigInt and undefined bound as NULL, errors thrown as events.
 *
 * MUST: run one statement at a time, in the order of the calls; give every driver call a callback; refuse
 * values the driver would bend; finalise its statements before it closes; turn every driver error into a
 * StoreError (disk full: NO_SPACE; busy while opening: LOCKED; anything else: FAULT).
 * MUST NOT: retry anything, or know any table.
 *
 * Blobs are copied by the driver when the call starts, so a caller may reuse its buffer after that; calls
 * that wait in the queue are not started yet.
 */
import sqlite3 from 'sqlite3';
import { StoreError } from './contract.ts';

export type SqlValue = number | string | Uint8Array;
export type SqlRow = Readonly<Record<string, unknown>>;
type Done<T> = (error: Error | null, value: T) => void;

/** How long an opener waits for the lock of the file; SQLite's own clock, in ms. */
const BUSY_MS = 500;

/**
 * Handles whose disk has failed. SQLite checkpoints when a handle is closed or collected, which would be a
 * second try at a failed fsync; so they stay open, and keep their lock, until the process ends.
 */
const abandoned = new Set<sqlite3.Database>();

export class SqliteDriver {
  readonly #db: sqlite3.Database;
  readonly #statements: sqlite3.Statement[] = [];
  readonly #waiting: (() => void)[] = [];
  #inFlight = false;
  #opening = true;

  private constructor(db: sqlite3.Database) {
    this.#db = db;
  }

  /** Opens an existing database file. */
  static open(path: string): Promise<SqliteDriver> {
    return new Promise((resolve, reject) => {
      const db = new sqlite3.Database(path, sqlite3.OPEN_READWRITE, (error) => {
        if (error !== null) return reject(toStoreError(error, true));
        db.configure('busyTimeout', BUSY_MS);
        resolve(new SqliteDriver(db));
      });
    });
  }

  /** The file is ours now: from here on a busy handle is a fault, not another daemon. */
  opened(): void {
    this.#opening = false;
  }

  /** Runs one or several statements without parameters. */
  exec(sql: string): Promise<void> {
    return this.#call((done: Done<void>) => this.#db.exec(sql, (error) => done(error, undefined)));
  }

  /** Runs a statement once and returns its rows. */
  query(sql: string, ...values: SqlValue[]): Promise<SqlRow[]> {
    refuseOddValues(values);
    return this.#call((done: Done<SqlRow[]>) => this.#db.all<SqlRow>(sql, values, done));
  }

  async prepare(sql: string): Promise<PreparedStatement> {
    let statement: sqlite3.Statement | undefined;
    await this.#call((done: Done<void>) => {
      statement = this.#db.prepare(sql, (error: Error | null) => done(error, undefined));
    });
    if (statement === undefined) throw new StoreError('FAULT', `SQLite did not prepare: ${sql}`);
    this.#statements.push(statement);
    return new PreparedStatement(statement, (start) => this.#call(start));
  }

  /** The disk has failed: `close` must not touch it again. After an I/O error the driver knows by itself. */
  giveUp(): void {
    abandoned.add(this.#db);
  }

  /** Finalises every statement, then closes the file (and its lock). Does nothing when the disk has failed. */
  async close(): Promise<void> {
    if (abandoned.has(this.#db)) return;
    for (const statement of this.#statements.splice(0)) {
      await this.#call((done: Done<void>) => statement.finalize(() => done(null, undefined)));
    }
    await this.#call((done: Done<void>) => this.#db.close((error) => done(error, undefined)));
  }

  #call<T>(start: (done: Done<T>) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        this.#inFlight = true;
        try {
          start((error, value) => {
            this.#next();
            if (error === null) return resolve(value);
            if (errnoOf(error) === sqlite3.IOERR) this.giveUp();
            reject(toStoreError(error, this.#opening));
          });
        } catch (error) {
          this.#next();
          reject(toStoreError(error, this.#opening));
        }
      };
      if (this.#inFlight) this.#waiting.push(go);
      else go();
    });
  }

  #next(): void {
    this.#inFlight = false;
    this.#waiting.shift()?.();
  }
}

export class PreparedStatement {
  readonly #statement: sqlite3.Statement;
  readonly #call: <T>(start: (done: Done<T>) => void) => Promise<T>;

  constructor(statement: sqlite3.Statement, call: <T>(start: (done: Done<T>) => void) => Promise<T>) {
    this.#statement = statement;
    this.#call = call;
  }

  run(...values: SqlValue[]): Promise<void> {
    refuseOddValues(values);
    return this.#call((done: Done<void>) => this.#statement.run(values, (error) => done(error, undefined)));
  }

  /** All rows. (The driver's `get` would leave the statement, and with it a read transaction, open.) */
  rows(...values: SqlValue[]): Promise<SqlRow[]> {
    refuseOddValues(values);
    return this.#call((done: Done<SqlRow[]>) => this.#statement.all<SqlRow>(values, done));
  }
}

/** The driver binds BigInt, undefined and NaN as NULL, and objects as text: none of them gets that far. */
function refuseOddValues(values: readonly SqlValue[]): void {
  for (const value of values) {
    if (typeof value === 'string' || value instanceof Uint8Array || Number.isSafeInteger(value)) continue;
    throw new RangeError(`a ${typeof value} (${String(value)}) cannot be stored`);
  }
}

function errnoOf(error: unknown): unknown {
  return error instanceof Error && 'errno' in error ? error.errno : undefined;
}

function toStoreError(error: unknown, opening: boolean): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = errnoOf(error);
  if (code === sqlite3.FULL)
    return new StoreError('NO_SPACE', `the disk is full: ${message}`, { cause: error });
  if (opening && (code === sqlite3.BUSY || code === sqlite3.LOCKED)) {
    return new StoreError('LOCKED', `another daemon has this data folder: ${message}`, { cause: error });
  }
  return new StoreError('FAULT', `storage failed: ${message}`, { cause: error });
}

/** Reads column `name` as a safe integer. Throws StoreError FAULT. */
export function integerOf(row: SqlRow, name: string): number {
  const value = row[name];
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw new StoreError('FAULT', `the database holds a bad ${name}: ${String(value)}`);
}

/** Reads column `name` as bytes. Throws StoreError FAULT. */
export function bytesOf(row: SqlRow, name: string): Uint8Array {
  const value = row[name];
  if (value instanceof Uint8Array) return value;
  throw new StoreError('FAULT', `the database holds a bad ${name}`);
}

/** Reads column `name` as text. Throws StoreError FAULT. */
export function textOf(row: SqlRow, name: string): string {
  const value = row[name];
  if (typeof value === 'string') return value;
  throw new StoreError('FAULT', `the database holds a bad ${name}: ${String(value)}`);
}
