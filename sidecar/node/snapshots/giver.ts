/**
 * Gives bytes of our snapshots to peers that ask for them, and to whoever reads one over HTTP.
 *
 * MUST: send no more bytes a second than allowed, in all, so that a transfer never stands in the way of the log; know for each
 * snapshot when it was asked for last, since it is kept as long as somebody fetches it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../../../shared/limits.ts';
import type { SnapshotAsk, SnapshotData } from '../../../shared/messages.ts';
import type { Snapshot, SnapshotFolder } from '../../store/snapshots/folder.ts';
import { SnapshotGone } from '../../store/snapshots/turns.ts';
import { piecePassed } from './garbage.ts';

const NOTHING = new Uint8Array(0);

export interface GiverPort {
  readonly bytesPerSecond: number;
  send(message: SnapshotData): void;
  /** Somebody asks for the newest snapshot, and there is none that is new enough. */
  wanted(): void;
  /** Are its bytes what was written? Where they are not, it is gone. */
  usable(snapshot: Snapshot): Promise<boolean>;
  /** A snapshot cannot be read. */
  fault(error: Error): void;
}

export class SnapshotGiver {
  readonly #folder: SnapshotFolder;
  readonly #port: GiverPort;
  /** By index: when it was asked for last, monotonic. */
  readonly #asked = new Map<number, number>();
  /** Who is being answered: one answer to each peer at a time. */
  readonly #answering = new Set<string>();
  /** By index: how many read it over HTTP. */
  readonly #readers = new Map<number, number>();
  /** When the bytes that were sent are paid for. */
  #paidAt = 0;
  sentBytes = 0;

  constructor(folder: SnapshotFolder, port: GiverPort) {
    this.#folder = folder;
    this.#port = port;
  }

  /** Is somebody fetching it? */
  inUse({ meta }: Snapshot, now: number): boolean {
    const at = this.#asked.get(meta.point.index);
    if ((this.#readers.get(meta.point.index) ?? 0) > 0) return true;
    return at !== undefined && now - at < LIMITS.snapshotIdleMs;
  }

  answer(ask: SnapshotAsk): void {
    if (this.#answering.has(ask.from)) return;
    const snapshot = this.#find(ask);
    if (snapshot === undefined) return this.#haveNone(ask);
    const now = performance.now();
    this.#asked.set(snapshot.meta.point.index, now);
    this.#answering.add(ask.from);
    // step: piece asked for
    const length = Math.min(ask.length, LIMITS.snapshotChunkBytes);
    const wait = this.#pay(length, now);
    if (wait < 1) this.#send(ask, snapshot, length);
    else setTimeout(() => this.#send(ask, snapshot, length), wait).unref();
  }

  /** How many read a snapshot over HTTP now. */
  get readers(): number {
    let all = 0;
    for (const count of this.#readers.values()) all += count;
    return all;
  }

  /** The bytes of its file from `offset` on, no faster than peers are given theirs, from the same purse. Throws StoreError. */
  async *read(snapshot: Snapshot, offset: number): AsyncGenerator<Buffer> {
    const { index } = snapshot.meta.point;
    this.#readers.set(index, (this.#readers.get(index) ?? 0) + 1);
    try {
      for await (const piece of this.#folder.raw(snapshot, offset, LIMITS.snapshotChunkBytes)) {
        const wait = this.#pay(piece.length, performance.now());
        if (wait >= 1) await delay(wait, undefined, { ref: false });
        this.sentBytes += piece.length;
        yield piece;
      }
    } finally {
      this.#readers.set(index, (this.#readers.get(index) ?? 1) - 1);
      // Who was cut off may come again for the rest.
      this.#asked.set(index, performance.now());
    }
  }

  /** Takes so many bytes from what may be sent; returns how long to wait for them, ms. */
  #pay(bytes: number, now: number): number {
    this.#paidAt = Math.max(this.#paidAt, now);
    const wait = this.#paidAt - now;
    this.#paidAt += (bytes * 1_000) / this.#port.bytesPerSecond;
    return wait;
  }

  #find({ index, term, least }: SnapshotAsk): Snapshot | undefined {
    const newest = this.#folder.newestFull;
    if (index === 0) return newest !== undefined && newest.meta.point.index >= least ? newest : undefined;
    return this.#folder.full.find(({ meta }) => meta.point.index === index && meta.point.term === term);
  }

  #haveNone(ask: SnapshotAsk): void {
    if (ask.index === 0) this.#port.wanted();
    this.#port.send({ ...head(ask), data: NOTHING, size: 0, digest: NOTHING });
  }

  async #read(ask: SnapshotAsk, snapshot: Snapshot, length: number): Promise<Buffer | undefined> {
    if (!(await this.#port.usable(snapshot))) return undefined;
    return this.#folder.chunk(snapshot, ask.offset, length);
  }

  #send(ask: SnapshotAsk, snapshot: Snapshot, length: number): void {
    this.#read(ask, snapshot, length).then(
      (data) => {
        // step: piece read
        this.#answering.delete(ask.from);
        if (data === undefined) return this.#haveNone(ask);
        this.sentBytes += data.length;
        const { index, term } = snapshot.meta.point;
        const { bytes: size, digest } = snapshot;
        this.#port.send({ ...head(ask), index, term, data, size, digest });
        // step: piece sent
        piecePassed(data.length);
      },
      (error: unknown) => {
        this.#answering.delete(ask.from);
        if (error instanceof SnapshotGone) return this.#haveNone(ask);
        this.#port.fault(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }
}

function head({ group, from, to, id, index, term, offset }: SnapshotAsk) {
  return { type: 'SnapshotData', group, from: to, to: from, id, index, term, offset } as const;
}
