/**
 * A snapshot on its way from a peer: a file that grows from front to back, and outlives this process.
 *
 * MUST: be believed only after `check`, which reads it all: what was written before a crash may be anything.
 */
import type { FileHandle } from 'node:fs/promises';
import { open, rm } from 'node:fs/promises';
import { fileBytes, readMeta, type SnapshotMeta, verify } from './layout.ts';

export class Incoming {
  readonly path: string;
  /** What the peer calls it. */
  readonly digest: Buffer;
  /** Bytes of the whole. */
  readonly size: number;
  readonly #file: FileHandle;
  #have: number;

  private constructor(path: string, digest: Buffer, size: number, file: FileHandle, have: number) {
    this.path = path;
    this.digest = digest;
    this.size = size;
    this.#file = file;
    this.#have = have;
  }

  static async open(path: string, digest: Buffer, size: number): Promise<Incoming> {
    const file = await open(path, 'a+', 0o600);
    // step: fetched snapshot file made
    const { size: have } = await file.stat();
    if (have > size) await file.truncate(0);
    return new Incoming(path, digest, size, file, have > size ? 0 : have);
  }

  /** Bytes that have come. */
  get have(): number {
    return this.#have;
  }

  get complete(): boolean {
    return this.#have === this.size;
  }

  /** The bytes that follow. One call at a time. */
  async add(data: Uint8Array): Promise<void> {
    for (let done = 0; done < data.length; ) {
      const { bytesWritten } = await this.#file.write(data, done, data.length - done);
      done += bytesWritten;
      // A disk that becomes full in the middle has taken what it has taken.
      this.#have += bytesWritten;
    }
    // step: fetched snapshot chunk written
  }

  /** Undefined where it is not the snapshot that the peer named. */
  async check(): Promise<SnapshotMeta | undefined> {
    const found = await readMeta(this.#file, this.size);
    if (found === undefined || !found.digest.equals(this.digest)) return undefined;
    if (fileBytes(found.meta) !== this.size) return undefined;
    return (await verify(this.#file, found.meta)) ? found.meta : undefined;
  }

  async sync(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
  }

  /** Keeps what has come, for another time. */
  close(): Promise<void> {
    return this.#file.close();
  }

  async discard(): Promise<void> {
    await this.#file.close();
    // step: damaged fetch closed
    await rm(this.path, { force: true });
    // step: damaged fetch gone
  }
}
