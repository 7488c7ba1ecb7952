/**
 * Writes the file of a snapshot: the app's bytes as they come, then the sidecar's own part.
 *
 * Until its last step it is a file of another name, which the next start throws away: so a snapshot that was interrupted
 * anywhere was never begun.
 *
 * MUST: sync the file before it gets its name, and its name before anybody builds on it.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { open, rename, rm } from 'node:fs/promises';
import type { ConfigAt, LogPoint } from '../../../shared/entry.ts';
import { encodeEnd, MAGIC, type Part, type SnapshotMeta } from './layout.ts';

/** What the sidecar adds to the app's bytes. */
export interface OwnPart {
  readonly cluster: string;
  readonly node: string;
  readonly point: LogPoint;
  readonly config: ConfigAt;
  /** Encoded (machine/session-codec.ts). */
  readonly sessions: Uint8Array;
  readonly replies: Uint8Array;
}

export interface Written {
  readonly meta: SnapshotMeta;
  readonly digest: Buffer;
  readonly bytes: number;
}

export class SnapshotWriter {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  #at = 0;
  #appBytes = 0;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** Makes `path`, which must not be there. */
  static async begin(path: string): Promise<SnapshotWriter> {
    const file = await open(path, 'wx', 0o600);
    // step: snapshot file made
    const writer = new SnapshotWriter(path, file);
    await writer.#write(MAGIC);
    // step: snapshot begun
    return writer;
  }

  /** Bytes of the app so far. */
  get appBytes(): number {
    return this.#appBytes;
  }

  /** The next bytes of the app. One call at a time. */
  async add(data: Uint8Array): Promise<void> {
    this.#hash.update(data);
    this.#appBytes += data.length;
    await this.#write(data);
    // step: snapshot chunk written
  }

  /** SHA-256 of the app's bytes; after that no more are taken. */
  appDigest(): Buffer {
    return this.#hash.digest();
  }

  /** Completes the file and gives it the name `final`; its folder is not synced yet. */
  async finish(
    own: OwnPart,
    app: { format: string; full: boolean; sha256: Buffer },
    final: string,
  ): Promise<Written> {
    const { sessions, replies, ...rest } = own;
    await this.#write(sessions);
    await this.#write(replies);
    // step: snapshot own part written
    const meta: SnapshotMeta = {
      ...rest,
      full: app.full,
      appFormat: app.format,
      app: { bytes: this.#appBytes, sha256: app.sha256 },
      sessions: partOf(sessions),
      replies: partOf(replies),
    };
    const { end, digest } = encodeEnd(meta);
    await this.#write(end);
    // step: snapshot written
    await this.#file.sync();
    await this.#file.close();
    // step: snapshot synced
    await rename(this.#path, final);
    // step: snapshot renamed
    return { meta, digest, bytes: this.#at };
  }

  /** It will not be finished. */
  async abandon(): Promise<void> {
    await this.#file.close();
    // step: abandoned snapshot closed
    await rm(this.#path, { force: true });
    // step: abandoned snapshot gone
  }

  async #write(data: Uint8Array): Promise<void> {
    for (let done = 0; done < data.length; ) {
      const { bytesWritten } = await this.#file.write(data, done, data.length - done, this.#at);
      done += bytesWritten;
      this.#at += bytesWritten;
    }
  }
}

function partOf(bytes: Uint8Array): Part {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest() };
}
