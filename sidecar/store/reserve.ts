/**
 * Space that the data folder keeps for the day on which its disk is full: a file of no use, which is dropped then. What it gives
 * back lets SQLite copy its WAL and the node end in order; and since there counts as space again only what has room for it and as
 * much beside it, a disk that gets a few kilobytes now and then does not make a node lead and step down by turns.
 *
 * A file system that stores equal blocks once, or compresses, gives less back. Nothing depends on it. On a small disk there is none:
 * it would be asked for more space than that has.
 *
 * MUST: hold its size in blocks that are taken, or not be there. MUST NOT: be part of what a node promises.
 */
import { randomBytes } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { StoreError } from './contract.ts';
import { toStoreError } from './file-errors.ts';

const PIECE_BYTES = 1024 * 1024;
/** A disk of less than so many reserves has none. */
const DISK_RESERVES = 8;

export class Reserve {
  readonly #folder: string;
  readonly #path: string;
  readonly #bytes: number;
  /** The disk is large enough for one. */
  #wanted = false;

  /** `bytes` 0: none is kept. */
  constructor(folder: string, bytes: number) {
    this.#folder = folder;
    this.#path = join(folder, 'reserve');
    this.#bytes = bytes;
  }

  /** At a start: without room the node goes on without one. Throws StoreError for anything else that fails. */
  async makeIfThereIsRoom(): Promise<void> {
    try {
      this.#wanted = this.#bytes > 0 && (await this.#isLargeEnough());
      if (this.#wanted && (await this.#size()) !== this.#bytes) await this.#fill(this.#bytes);
    } catch (error) {
      if (!(error instanceof StoreError && error.kind === 'NO_SPACE')) throw error;
    }
  }

  /**
   * After a full disk: makes it where there is room for it and as much beside it. Throws StoreError; it is not there then. On a
   * disk that is too small for one none is made.
   */
  async makeWithRoomToSpare(): Promise<void> {
    if (this.#wanted) await this.#fill(2 * this.#bytes);
  }

  /** Gives its space back. Throws StoreError. */
  async drop(): Promise<void> {
    try {
      await rm(this.#path, { force: true });
    } catch (error) {
      throw toStoreError(error, 'the reserve cannot be dropped');
    }
  }

  async #isLargeEnough(): Promise<boolean> {
    try {
      const { blocks, bsize } = await statfs(this.#folder);
      return blocks * bsize >= DISK_RESERVES * this.#bytes;
    } catch (error) {
      throw toStoreError(error, 'the size of the disk cannot be read');
    }
  }

  async #size(): Promise<number | undefined> {
    try {
      return (await stat(this.#path)).size;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw toStoreError(error, 'the reserve cannot be read');
    }
  }

  /** Takes `bytes` of space, and keeps what the reserve has of them. */
  async #fill(bytes: number): Promise<void> {
    // Zeros would be stored as nothing by some file systems.
    const piece = randomBytes(Math.min(PIECE_BYTES, bytes));
    try {
      const file = await open(this.#path, 'w', 0o600);
      try {
        for (let at = 0; at < bytes; ) {
          const { bytesWritten } = await file.write(piece, 0, Math.min(piece.length, bytes - at), at);
          at += bytesWritten;
        }
        await file.truncate(this.#bytes);
      } finally {
        await file.close();
      }
    } catch (error) {
      await this.drop();
      throw toStoreError(error, 'there is no space for the reserve');
    }
  }
}
