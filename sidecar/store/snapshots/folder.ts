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
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogPoint } from '../../../shared/entry.ts';
import { toStoreError } from '../file-errors.ts';
import { Incoming } from './incoming.ts';
import { fileBytes, offsetOf, PARTS, readAt, readMeta, type SnapshotMeta, verify } from './layout.ts';
import { SnapshotGone, Turns } from './turns.ts';
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
  readonly #turns = new Turns();
  /** By index: who reads the app's bytes now, and until when they are kept for somebody who is about to. */
  readonly #readers = new Map<number, number>();
  readonly #heldUntil = new Map<number, number>();
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
    return guarded('a snapshot cannot be written', () =>
      this.#turns.take(own.point.index, () => this.#finish(writer, own, app)),
    );
  }

  async #finish(
    writer: SnapshotWriter,
    own: OwnPart,
    app: { format: string; full: boolean; sha256: Buffer },
  ): Promise<Snapshot> {
    const written = await writer.finish(own, app, this.#pathOf(own.point));
    this.#sync();
    // step: snapshot kept
    this.#add(written);
    return written;
  }

  /**
   * A full snapshot that is not to be given to anybody any more becomes bare; not where somebody holds it, unless it is `wrong`.
   * Throws StoreError.
   */
  async strip(snapshot: Snapshot, wrong = false): Promise<void> {
    const { meta } = snapshot;
    const { index } = meta.point;
    if (!wrong && this.isHeld(index)) return;
    const sessions = await this.read({ meta }, 'sessions');
    const replies = await this.read({ meta }, 'replies');
    const { cluster, node, point, config } = meta;
    // step: snapshot to be stripped
    const writer = await this.begin();
    const app = { format: meta.appFormat, full: false, sha256: writer.appDigest() };
    await guarded('a snapshot cannot be written', () =>
      this.#turns.take(index, async () => {
        if ((!wrong && this.isHeld(index)) || !this.#isThere(snapshot)) await writer.abandon();
        else await this.#finish(writer, { cluster, node, point, config, sessions, replies }, app);
      }),
    );
    // step: snapshot stripped
  }

  async remove({ meta }: Pick<Snapshot, 'meta'>): Promise<void> {
    // step: snapshot to be removed
    const { index } = meta.point;
    await guarded('a snapshot cannot be removed', () =>
      this.#turns.take(index, async () => {
        await rm(this.#pathOf(meta.point), { force: true });
        this.#snapshots = this.#snapshots.filter((one) => one.meta.point.index !== index);
      }),
    );
    // step: snapshot removed
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
      return this.#turns.take(meta.point.index, async () => {
        await rename(incoming.path, this.#pathOf(meta.point));
        // step: fetched snapshot renamed
        this.#sync();
        // step: fetched snapshot kept
        const snapshot = { meta, digest: incoming.digest, bytes: incoming.size };
        this.#add(snapshot);
        return snapshot;
      });
    });
  }

  // ---------------------------------------------------------------- reading
  // Everything here throws StoreError, or SnapshotGone where the file has gone since it was looked up.

  /** It is to keep the app's bytes until then (`performance.now()`). */
  hold(index: number, until: number): void {
    this.#heldUntil.set(index, until);
  }

  isHeld(index: number): boolean {
    if ((this.#readers.get(index) ?? 0) > 0) return true;
    if ((this.#heldUntil.get(index) ?? 0) > performance.now()) return true;
    this.#heldUntil.delete(index);
    return false;
  }

  /** Raw bytes of the file, for a peer; empty behind its end. */
  chunk(snapshot: Snapshot, offset: number, length: number): Promise<Buffer> {
    const take = Math.max(0, Math.min(length, snapshot.bytes - offset));
    return this.#reading(snapshot, (file) => readAt(file, offset, take));
  }

  /** The bytes of the file from `offset` on, in pieces: of one and the same file to the end. */
  raw(snapshot: Snapshot, offset: number, pieceBytes: number): AsyncGenerator<Buffer> {
    return this.#pieces(snapshot, offset, snapshot.bytes, pieceBytes);
  }

  /** The app's bytes, piece by piece: of one and the same file to the end. */
  app(snapshot: Snapshot): AsyncGenerator<Buffer> {
    const begins = offsetOf(snapshot.meta, 'app');
    return this.#pieces(snapshot, begins, begins + snapshot.meta.app.bytes, APP_CHUNK_BYTES);
  }

  async *#pieces(snapshot: Snapshot, from: number, end: number, pieceBytes: number): AsyncGenerator<Buffer> {
    const { index } = snapshot.meta.point;
    this.#readers.set(index, (this.#readers.get(index) ?? 0) + 1);
    let file: FileHandle | undefined;
    try {
      const opened = await this.#open(snapshot);
      file = opened;
      for (let at = from; at < end; at += pieceBytes)
        yield await guarded('a snapshot cannot be read', () =>
          readAt(opened, at, Math.min(pieceBytes, end - at)),
        );
    } finally {
      await file?.close();
      const others = (this.#readers.get(index) ?? 1) - 1;
      if (others > 0) this.#readers.set(index, others);
      else this.#readers.delete(index);
    }
  }

  /** One of the sidecar's own parts. It has the same ones where it has become bare. */
  async read({ meta: { point } }: Pick<Snapshot, 'meta'>, part: 'sessions' | 'replies'): Promise<Buffer> {
    return guarded('a snapshot cannot be read', () =>
      this.#turns.take(point.index, async () => {
        const now = this.#snapshots.find(({ meta }) => meta.point.index === point.index);
        if (now === undefined || now.meta.point.term !== point.term) throw new SnapshotGone(point.index);
        return this.#with(await open(this.#pathOf(point), 'r'), (file) =>
          readAt(file, offsetOf(now.meta, part), now.meta[part].bytes),
        );
      }),
    );
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
    const intact = await this.#reading(snapshot, (file) => verify(file, meta));
    if (intact) this.#unchecked.delete(meta);
    else await this.remove(snapshot);
    return intact;
  }

  #isThere({ digest }: Snapshot): boolean {
    return this.#snapshots.some((one) => one.digest.equals(digest));
  }

  /** That very file; from now on it stays readable, whatever becomes of its name. */
  #open(snapshot: Snapshot): Promise<FileHandle> {
    const { point } = snapshot.meta;
    return guarded('a snapshot cannot be read', () =>
      this.#turns.take(point.index, () => {
        if (!this.#isThere(snapshot)) throw new SnapshotGone(point.index);
        return open(this.#pathOf(point), 'r');
      }),
    );
  }

  async #reading<T>(snapshot: Snapshot, work: (file: FileHandle) => Promise<T>): Promise<T> {
    const file = await this.#open(snapshot);
    return guarded('a snapshot cannot be read', () => this.#with(file, work));
  }

  async #with<T>(file: FileHandle, work: (file: FileHandle) => Promise<T>): Promise<T> {
    try {
      return await work(file);
    } finally {
      await file.close();
    }
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
  file: FileHandle,
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
    throw error instanceof SnapshotGone ? error : toStoreError(error, what);
  }
}
