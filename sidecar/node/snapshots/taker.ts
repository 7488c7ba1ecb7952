/**
 * Takes snapshots of the local app: when it is time, by asking it for its bytes, or without them where it keeps its state itself.
 *
 * MUST: take one at a time; put into the sidecar's own part exactly what it was at the app's index; call it a snapshot only once
 * it is on the disk; give up on an app that does not go on giving.
 */

import { type Refusal, refusal } from '../../../shared/codes.ts';
import type { ConfigAt, LogPoint } from '../../../shared/entry.ts';
import { LIMITS } from '../../../shared/limits.ts';
import type { SnapshotSink } from '../../app/host.ts';
import type { Replies } from '../../machine/replies.ts';
import { encodeReplies, encodeSessions } from '../../machine/session-codec.ts';
import type { SessionTable } from '../../machine/session-table.ts';
import type { Snapshot, SnapshotFolder } from '../../store/snapshots/folder.ts';
import type { OwnPart, SnapshotWriter } from '../../store/snapshots/writer.ts';
import { piecePassed } from './garbage.ts';

export interface TakerPort {
  readonly cluster: string;
  readonly id: string;
  /** Asks the app for its state at `index` or later; false where none is there that could. */
  ask(index: number): boolean;
  /** How far the app is. */
  applied(): number;
  /** The sessions as of `index` (at most what the app has applied); undefined where they are not known any more. */
  tableAt(index: number): Promise<SessionTable | undefined>;
  pointAt(index: number): Promise<LogPoint | undefined>;
  /** The membership of the log as of `index`. */
  configAt(index: number): ConfigAt;
  readonly replies: Replies;
  taken(snapshot: Snapshot, ms: number): void;
  gaveUp(reason: string): void;
}

/** Who waits for the next snapshot. */
type Waiter = (outcome: Snapshot | Refusal) => void;

interface Asked {
  readonly index: number;
  readonly since: number;
  /** When the app gave its last sign. */
  heard: number;
  begun: boolean;
}

export class SnapshotTaker {
  readonly #folder: SnapshotFolder;
  readonly #port: TakerPort;
  #asked: Asked | undefined;
  #writing = false;
  #waiters: Waiter[] = [];

  constructor(folder: SnapshotFolder, port: TakerPort) {
    this.#folder = folder;
    this.#port = port;
  }

  get busy(): boolean {
    return this.#asked !== undefined || this.#writing;
  }

  /** Asks the app for a snapshot, unless one is on its way. False where no app could give one. */
  ask(now: number): boolean {
    if (this.busy) return true;
    const index = this.#port.applied();
    if (index === 0 || !this.#port.ask(index)) return false;
    this.#asked = { index, since: now, heard: now, begun: false };
    // step: app asked for a snapshot
    return true;
  }

  /** Asks, and tells what became of it. */
  take(now: number): Promise<Snapshot | Refusal> {
    if (!this.ask(now))
      return Promise.resolve(
        refusal('APP_ABSENT', 'no app is connected to this sidecar that could give a snapshot of itself'),
      );
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** An app that gives nothing any more is given up. Call now and then. */
  turn(now: number): void {
    const asked = this.#asked;
    if (asked === undefined || now - asked.heard < LIMITS.snapshotIdleMs) return;
    this.#fail(asked.begun ? 'the app stopped in the middle of it' : 'the app did not begin it in time');
  }

  /** The app begins. */
  async begun({ index, format }: { index: number; format: string }): Promise<SnapshotSink | Refusal> {
    const asked = this.#asked;
    if (asked === undefined)
      return refusal('BAD_REQUEST', 'snapshotBegin came where no snapshot was asked for');
    const applied = this.#port.applied();
    if (index < asked.index || index > applied) {
      const message = `snapshotBegin.index is ${index}, but it must be from ${asked.index}, as asked, to ${applied}, what is applied`;
      return refusal('BAD_REQUEST', message);
    }
    asked.begun = true;
    asked.heard = performance.now();
    // Before anything is awaited: the app goes on applying.
    const own = this.#ownPart(index);
    // It is awaited at the end, and what went wrong is told there.
    own.catch(() => undefined);
    const writer = await this.#folder.begin();
    if (this.#asked !== asked) {
      await writer.abandon();
      return refusal('BAD_REQUEST', 'the snapshot was given up meanwhile');
    }
    return this.#sink(asked, writer, format, own);
  }

  async #ownPart(index: number): Promise<OwnPart | undefined> {
    const config = this.#port.configAt(index);
    const [table, point] = await Promise.all([this.#port.tableAt(index), this.#port.pointAt(index)]);
    if (table === undefined || point === undefined) return undefined;
    const { cluster, id: node, replies } = this.#port;
    return { cluster, node, point, config, sessions: encodeSessions(table), replies: encodeReplies(replies) };
  }

  #sink(
    asked: Asked,
    writer: SnapshotWriter,
    format: string,
    own: Promise<OwnPart | undefined>,
  ): SnapshotSink {
    let open = true;
    const close = async (reason: string): Promise<void> => {
      if (!open) return;
      open = false;
      await writer.abandon();
      if (this.#asked === asked) this.#fail(reason);
    };
    return {
      add: async (data) => {
        if (this.#asked !== asked) await close('it was given up');
        if (!open) return refusal('BAD_REQUEST', 'the snapshot was given up meanwhile');
        asked.heard = performance.now();
        await writer.add(data);
        piecePassed(data.length);
        return undefined;
      },
      end: async (sha256) => {
        if (this.#asked !== asked) await close('it was given up');
        if (!open) return refusal('BAD_REQUEST', 'the snapshot was given up meanwhile');
        const digest = writer.appDigest();
        if (!digest.equals(sha256)) {
          await close('its bytes do not have the SHA-256 that the app says');
          return refusal('BAD_REQUEST', 'snapshotEnd.sha256 is not the SHA-256 of the bytes that came');
        }
        open = false;
        await this.#keep(asked, writer, await own, { format, full: true, sha256: digest });
        return undefined;
      },
      abandon: (reason) => {
        void close(reason).catch((error: Error) => this.#port.gaveUp(error.message));
      },
    };
  }

  /** Without the app's bytes: it keeps its state itself, up to `index` at least. */
  async takeBare(index: number): Promise<void> {
    if (this.busy) return;
    this.#writing = true;
    const since = performance.now();
    try {
      const own = await this.#ownPart(index);
      if (own === undefined) return;
      const writer = await this.#folder.begin();
      const app = { format: '', full: false, sha256: writer.appDigest() };
      const snapshot = await this.#folder.keep(writer, own, app);
      this.#port.taken(snapshot, performance.now() - since);
    } finally {
      this.#writing = false;
    }
  }

  async #keep(
    asked: Asked,
    writer: SnapshotWriter,
    own: OwnPart | undefined,
    app: { format: string; full: true; sha256: Buffer },
  ): Promise<void> {
    if (own === undefined) {
      await writer.abandon();
      return this.#fail('the log does not reach back to its index any more');
    }
    this.#writing = true;
    try {
      const snapshot = await this.#folder.keep(writer, own, app);
      this.#asked = undefined;
      // step: snapshot to be told
      this.#port.taken(snapshot, performance.now() - asked.since);
      this.#settle(snapshot);
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      this.#writing = false;
    }
  }

  #fail(reason: string): void {
    this.#asked = undefined;
    this.#port.gaveUp(reason);
    this.#settle(refusal('INTERNAL', `no snapshot was taken: ${reason}`));
  }

  #settle(outcome: Snapshot | Refusal): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter(outcome);
  }
}
