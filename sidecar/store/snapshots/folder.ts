/**
 * The snapshots of a data folder: which are there, how one comes to be, and how their bytes are read.
 *
 * Whole ones are `INDEX-TERM.snap`. One that is being written is a `.tmp`, one that is being fetched from a peer a `.part`; a
 * start throws the former away, and keeps the latter, since a transfer goes on where it was cut.
 *
 * A snapshot is *full* with the app's bytes, or *bare*: the sidecar's own part alone, which says of the sessions what they were
 * there. Of full ones only the newest is kept (and those that a peer is fetching); older ones become bare.
 *
 * MUST: be opened only under the lock of the database; sync the folder before anybody builds on a name in it.
 */
import { hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogPoint } from '../../../shared/entry.ts';
import { toStoreError } from '../file-errors.ts';
import { Incoming } from './incoming.ts';
import { fileBytes, offsetOf, PARTS, readAt, readMeta, type SnapshotMeta, verify } from './layout.ts';
import { type OwnPart, SnapshotWriter } from './writer.ts';

export interface Snapshot {
  readonly meta: SnapshotMeta;
  readonly digest: Buffer;
  /** Of the file. */
  readonly bytes: number;
}

/** Bytes of the app are handed out in pieces of this. */
const APP_CHUNK_BYTES = 256 * 1024;
const NAME = /^(\d+)-(\d+)\.snap$/;

export class SnapshotFolder {
  readonly #folder: string;
  #snapshots: Snapshot[] = [];
  /** Those of before the start whose app's bytes nobody has looked at since. */
  readonly #unchecked = new Set<SnapshotMeta>();
  readonly #checking = new Map<SnapshotMeta, Promise<boolean>>();
  #counter = 0;
  /** What was found that is no whole snapshot, one sentence each; the files are gone. */
  readonly damaged: string[] = [];

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Looks through `DATA/snapshots`; makes it where it is missing. Throws StoreError. */
  static async open(dataFolder: string): Promise<SnapshotFolder> {
    const folder = new SnapshotFolder(join(dataFolder, 'snapshots'));
    try {
      await folder.#look();
    } catch (error) {
      throw toStoreError(error, 'the snapshots cannot be read');
    }
    return folder;
  }

  async #look(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#folder)) {
      if (name.endsWith('.part')) continue;
      const path = join(this.#folder, name);
      const found = NAME.test(name) ? await inspect(path) : undefined;
      if (found !== undefined && this.#pathOf(found.meta.point) === path) {
        this.#snapshots.push(found);
        this.#unchecked.add(found.meta);
        continue;
      }
      if (NAME.test(name)) this.damaged.push(`${name} is no whole snapshot`);
      await rm(path, { recursive: true, force: true });
    }
    this.#sort();
  }

  /** Ascending. */
  get all(): readonly Snapshot[] {
    return this.#snapshots;
  }

  /** Those with the app's bytes, ascending. */
  get full(): readonly Snapshot[] {
    return this.#snapshots.filter(({ meta }) => meta.full);
  }

  get newest(): Snapshot | undefined {
    return this.#snapshots.at(-1);
  }

  get newestFull(): Snapshot | undefined {
    return this.full.at(-1);
  }

  /** The newest one of everything up to `index` or less. */
  before(index: number): Snapshot | undefined {
    return this.#snapshots.findLast(({ meta }) => meta.point.index <= index);
  }

  get bytes(): number {
    return this.#snapshots.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  // ---------------------------------------------------------------- making

  /** Begins a file for a snapshot; nothing is a snapshot before `keep`. Throws StoreError. */
  begin(): Promise<SnapshotWriter> {
    const path = join(this.#folder, `${process.pid}-${++this.#counter}.tmp`);
    return guarded('a snapshot cannot be begun', () => SnapshotWriter.begin(path));
  }

  /** Completes what was begun: from now on it is a snapshot. Throws StoreError; the file is gone then. */
  async keep(
    writer: SnapshotWriter,
    own: OwnPart,
    app: { format: string; full: boolean; sha256: Buffer },
  ): Promise<Snapshot> {
    const written = await guarded('a snapshot cannot be written', async () => {
      const done = await writer.finish(own, app, this.#pathOf(own.point));
      this.#sync();
      // step: snapshot kept
      return done;
    });
    this.#add(written);
    return written;
  }

  /** A full snapshot that is not to be given to anybody any more becomes bare. Throws StoreError. */
  async strip({ meta }: Snapshot): Promise<void> {
    const sessions = await this.read({ meta }, 'sessions');
    const replies = await this.read({ meta }, 'replies');
    const { cluster, node, point, config } = meta;
    // step: snapshot to be stripped
    const writer = await this.begin();
    const app = { format: meta.appFormat, full: false, sha256: writer.appDigest() };
    await this.keep(writer, { cluster, node, point, config, sessions, replies }, app);
    // step: snapshot stripped
  }

  async remove({ meta }: Pick<Snapshot, 'meta'>): Promise<void> {
    // step: snapshot to be removed
    await guarded('a snapshot cannot be removed', () => rm(this.#pathOf(meta.point), { force: true }));
    // step: snapshot removed
    this.#snapshots = this.#snapshots.filter((one) => one.meta.point.index !== meta.point.index);
  }

  // ---------------------------------------------------------------- from a peer

  /** A transfer to go on with, or to begin. Any other one that was begun is given up. Throws StoreError. */
  async incoming(
    point: { index: number; term: number },
    digest: Uint8Array,
    size: number,
  ): Promise<Incoming> {
    const name = `${point.index}-${point.term}-${Buffer.from(digest).toString('hex').slice(0, 16)}.part`;
    return await guarded('a snapshot cannot be fetched', async () => {
      for (const other of await readdir(this.#folder))
        if (other.endsWith('.part') && other !== name) await rm(join(this.#folder, other), { force: true });
      // step: other fetches given up
      return Incoming.open(join(this.#folder, name), Buffer.from(digest), size);
    });
  }

  /**
   * All of it has come: checks every byte, and makes it a snapshot. Undefined where it is not what it was said to be; what has
   * come is gone then. Throws StoreError.
   */
  async accept(incoming: Incoming, cluster: string): Promise<Snapshot | undefined> {
    return guarded('a snapshot cannot be taken in', async () => {
      const meta = await incoming.check();
      if (meta === undefined || meta.cluster !== cluster || !meta.full) {
        await incoming.discard();
        return undefined;
      }
      // step: fetched snapshot checked
      await incoming.sync();
      // step: fetched snapshot synced
      await rename(incoming.path, this.#pathOf(meta.point));
      // step: fetched snapshot renamed
      this.#sync();
      // step: fetched snapshot kept
      const snapshot = { meta, digest: incoming.digest, bytes: incoming.size };
      this.#add(snapshot);
      return snapshot;
    });
  }

  // ---------------------------------------------------------------- reading

  /** Raw bytes of the file, for a peer; empty behind its end. Throws StoreError. */
  chunk(snapshot: Snapshot, offset: number, length: number): Promise<Buffer> {
    const take = Math.max(0, Math.min(length, snapshot.bytes - offset));
    return this.#with(snapshot, (file) => readAt(file, offset, take));
  }

  /**
   * The bytes of the file from `offset` on, in pieces. It is one and the same file to the end, also where its name goes to another
   * one meanwhile. Throws StoreError.
   */
  async *raw(snapshot: Snapshot, offset: number, pieceBytes: number): AsyncGenerator<Buffer> {
    const file = await guarded('a snapshot cannot be read', () =>
      open(this.#pathOf(snapshot.meta.point), 'r'),
    );
    try {
      for (let at = offset; at < snapshot.bytes; at += pieceBytes) {
        const length = Math.min(pieceBytes, snapshot.bytes - at);
        yield await guarded('a snapshot cannot be read', () => readAt(file, at, length));
      }
    } finally {
      await file.close();
    }
  }

  /** One of the sidecar's own parts. Throws StoreError. */
  async read({ meta }: Pick<Snapshot, 'meta'>, part: 'sessions' | 'replies'): Promise<Buffer> {
    return this.#with({ meta }, (file) => readAt(file, offsetOf(meta, part), meta[part].bytes));
  }

  /**
   * May its app's bytes be given to anybody? One that was found at the start is read once for that, to its last byte. False where
   * it is damaged: it is gone then. Throws StoreError.
   */
  async usable(snapshot: Snapshot): Promise<boolean> {
    const { meta } = snapshot;
    if (!this.#unchecked.has(meta)) return true;
    const checking = this.#checking.get(meta) ?? this.#check(snapshot);
    this.#checking.set(meta, checking);
    try {
      return await checking;
    } finally {
      this.#checking.delete(meta);
    }
  }

  async #check(snapshot: Snapshot): Promise<boolean> {
    const { meta } = snapshot;
    const intact = await this.#with(snapshot, (file) => verify(file, meta));
    if (intact) this.#unchecked.delete(meta);
    else await this.remove(snapshot);
    return intact;
  }

  /** The app's bytes, piece by piece. */
  async *app({ meta }: Snapshot): AsyncGenerator<Buffer> {
    const file = await guarded('a snapshot cannot be read', () => open(this.#pathOf(meta.point), 'r'));
    const begins = offsetOf(meta, 'app');
    try {
      for (let at = 0; at < meta.app.bytes; at += APP_CHUNK_BYTES) {
        const length = Math.min(APP_CHUNK_BYTES, meta.app.bytes - at);
        yield await guarded('a snapshot cannot be read', () => readAt(file, begins + at, length));
      }
    } finally {
      await file.close();
    }
  }

  async #with<T>(
    { meta }: Pick<Snapshot, 'meta'>,
    work: (file: Awaited<ReturnType<typeof open>>) => Promise<T>,
  ) {
    return guarded('a snapshot cannot be read', async () => {
      const file = await open(this.#pathOf(meta.point), 'r');
      try {
        return await work(file);
      } finally {
        await file.close();
      }
    });
  }

  #pathOf({ index, term }: LogPoint): string {
    return join(this.#folder, `${index}-${term}.snap`);
  }

  #add({ meta, digest, bytes }: Snapshot): void {
    this.#snapshots = this.#snapshots.filter((one) => one.meta.point.index !== meta.point.index);
    this.#snapshots.push({ meta, digest, bytes });
    this.#sort();
  }

  #sort(): void {
    this.#snapshots.sort((a, b) => a.meta.point.index - b.meta.point.index);
  }

  #sync(): void {
    if (process.platform === 'win32') return;
    const fd = openSync(this.#folder, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}

async function inspect(path: string): Promise<Snapshot | undefined> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const found = await readMeta(file, size);
    if (found === undefined || fileBytes(found.meta) !== size) return undefined;
    // The own parts are small, and what this node says of sessions stands on them; the app's bytes are checked when used.
    for (const part of PARTS)
      if (part !== 'app' && !(await partIsIntact(file, found.meta, part))) return undefined;
    return { ...found, bytes: size };
  } finally {
    await file.close();
  }
}

async function partIsIntact(
  file: Awaited<ReturnType<typeof open>>,
  meta: SnapshotMeta,
  part: 'sessions' | 'replies',
): Promise<boolean> {
  const bytes = await readAt(file, offsetOf(meta, part), meta[part].bytes);
  return hash('sha256', bytes, 'buffer').equals(Buffer.from(meta[part].sha256));
}

async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStoreError(error, what);
  }
}
