/**
 * The committed log that the suite plays: commands, and entries that are no commands and that an app never sees.
 *
 * The chain hash only has to name a place in this log, as the real one does; an app stores it and says it again.
 */
import { createHash } from 'node:crypto';
import type { EntriesFrame, EntryField } from '../../../shared/app-frames.ts';
import { HASH_BYTES } from '../../../shared/entry.ts';

export interface Command {
  readonly index: number;
  readonly bytes: Buffer;
  readonly session?: number;
  readonly sequence?: number;
}

const TERM = 3;
/** Cluster time of the first entry, ms. */
const EPOCH_MS = 1_790_000_000_000;

export class PlayedLog {
  readonly commands: Command[] = [];
  /** Every index that was made: there are none between a leap's ends. */
  readonly #places: number[] = [];
  readonly #hashes = new Map<number, Buffer>([[0, Buffer.alloc(HASH_BYTES)]]);
  #last = 0;
  term = TERM;

  get last(): number {
    return this.#last;
  }

  /** The index that it got. */
  append(bytes: Buffer, session?: { session: number; sequence: number }): number {
    this.#grow(this.#last + 1, bytes);
    this.commands.push({ index: this.#last, bytes, ...session });
    return this.#last;
  }

  appendAll(commands: readonly Buffer[]): number {
    for (const bytes of commands) this.append(bytes);
    return this.#last;
  }

  /** Entries that are no commands: an election's no-op, a member, a duplicate. */
  internal(count = 1): number {
    for (let at = 0; at < count; at += 1) this.#grow(this.#last + 1, Buffer.of());
    return this.#last;
  }

  /** The log goes on far away: nothing in between was a command, and nobody was told of a place there. */
  leap(to: number): void {
    this.#grow(to, Buffer.of());
  }

  /** The chain hash as of an index, where there is one. */
  hashAt(index: number): Buffer | undefined {
    return this.#hashes.get(index);
  }

  /** The index that is `count` entries after `after`, and at most `through`. */
  placeAfter(after: number, count: number, through: number): number {
    const first = this.#places.findIndex((index) => index > after);
    return Math.min(this.#places[first + count - 1] ?? through, through);
  }

  /** Commands after `after`, through `through`. */
  between(after: number, through: number): Command[] {
    return this.commands.filter(({ index }) => index > after && index <= through);
  }

  /** What a sidecar sends for that stretch of the log. */
  frame(after: number, through: number): EntriesFrame {
    const hash = this.#hashes.get(through);
    if (hash === undefined) throw new RangeError(`the played log has no place ${through}`);
    const entries = this.between(after, through).map(
      ({ index, bytes, session, sequence }): EntryField => ({
        index,
        term: this.term,
        time: EPOCH_MS + (index % 1_000_000),
        command: bytes,
        session,
        sequence,
      }),
    );
    return { type: 'entries', through, hash, entries };
  }

  #grow(index: number, bytes: Buffer): void {
    const before = this.#hashes.get(this.#last) ?? Buffer.alloc(HASH_BYTES);
    const hash = createHash('sha256').update(before).update(`${index} `).update(bytes).digest();
    this.#hashes.set(index, hash);
    this.#places.push(index);
    this.#last = index;
  }
}
