/**
 * Fetches a snapshot from a peer: asks for the next bytes once the last ones are on the disk.
 *
 * Pieces are no larger than the connection carries in a moment (pace.ts), since heartbeats wait behind them. What has come
 * stays on the disk, so a transfer that was cut, by either side, goes on where it was.
 *
 * MUST: fetch one at a time; install nothing that was not checked to its last byte.
 */
import { LIMITS } from '../../../shared/limits.ts';
import type { SnapshotAsk, SnapshotData } from '../../../shared/messages.ts';
import type { Snapshot, SnapshotFolder } from '../../store/snapshots/folder.ts';
import type { Incoming } from '../../store/snapshots/incoming.ts';
import { piecePassed } from './garbage.ts';
import { Pace } from './pace.ts';

export interface FetcherPort {
  readonly id: string;
  readonly group: string;
  readonly cluster: string;
  readonly firstRequestId: number;
  send(message: SnapshotAsk): void;
  /** A transfer has begun, goes on after a cut, or was given up; for the record. */
  progress(what: 'BEGUN' | 'RESUMED' | 'GIVEN_UP', job: FetchJob, reason: string): void;
  /** It is here, whole and proven. */
  fetched(snapshot: Snapshot, job: FetchJob): void;
  /** The disk failed. */
  fault(error: Error): void;
}

export interface FetchJob {
  readonly from: string;
  /** Index 0: the newest one. */
  index: number;
  term: number;
  /** Where it is the newest one that is wanted: of everything up to here at least. */
  readonly least: number;
  size: number;
  have: number;
}

export class SnapshotFetcher {
  readonly #folder: SnapshotFolder;
  readonly #port: FetcherPort;
  #job: FetchJob | undefined;
  #incoming: Incoming | undefined;
  #id: number;
  #askedAt = 0;
  readonly #pace = new Pace();
  #writing = false;
  #stopped = false;
  receivedBytes = 0;

  constructor(folder: SnapshotFolder, port: FetcherPort) {
    this.#folder = folder;
    this.#port = port;
    this.#id = port.firstRequestId;
  }

  get job(): Readonly<FetchJob> | undefined {
    return this.#job;
  }

  /** Fetches that one, unless it is being fetched. Another one that is being fetched is given up. */
  fetch(from: string, index: number, term: number, least = 0): void {
    const job = this.#job;
    if (job !== undefined && job.from === from && job.index === index && job.term === term) return;
    if (this.#writing) return;
    if (job !== undefined) this.#giveUp(`${from} offers another one`);
    this.#job = { from, index, term, least, size: 0, have: 0 };
    this.#ask();
  }

  /** Asks again what was not answered. Call now and then. */
  turn(now: number): void {
    if (this.#job === undefined || this.#writing || now - this.#askedAt < LIMITS.snapshotAskAgainMs) return;
    this.#pace.lost();
    this.#ask();
  }

  stop(): void {
    this.#stopped = true;
    this.#job = undefined;
    void this.#incoming?.close().catch(() => undefined);
    this.#incoming = undefined;
  }

  receive(m: SnapshotData): void {
    const job = this.#job;
    if (job === undefined || this.#writing || m.id !== this.#id || m.from !== job.from) return;
    if (m.size === 0) return this.#giveUp(`${m.from} does not have it any more`);
    if (m.data.length > 1) this.#pace.came(performance.now() - this.#askedAt);
    this.#writing = true;
    this.#take(job, m).then(
      (whole) => {
        this.#writing = false;
        if (this.#stopped) return;
        if (whole === undefined) this.#ask();
        else this.#end(whole, job);
      },
      (error: unknown) => {
        this.#writing = false;
        if (!this.#stopped) this.#port.fault(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #end(whole: Snapshot | 'DAMAGED', job: FetchJob): void {
    this.#incoming = undefined;
    if (whole === 'DAMAGED') this.#giveUp('what came is not the snapshot that was offered');
    else {
      this.#job = undefined;
      this.#port.fetched(whole, job);
    }
  }

  /** Writes what came; the snapshot once all has. */
  async #take(job: FetchJob, m: SnapshotData): Promise<Snapshot | 'DAMAGED' | undefined> {
    if (this.#incoming === undefined || !this.#incoming.digest.equals(m.digest)) {
      await this.#incoming?.close();
      job.index = m.index;
      job.term = m.term;
      job.size = m.size;
      this.#incoming = await this.#folder.incoming(m, m.digest, m.size);
      this.#port.progress(this.#incoming.have > 0 ? 'RESUMED' : 'BEGUN', job, '');
    }
    const incoming = this.#incoming;
    if (m.offset === incoming.have && !incoming.complete) {
      await incoming.add(m.data);
      this.receivedBytes += m.data.length;
      piecePassed(m.data.length);
    }
    job.have = incoming.have;
    if (!incoming.complete) return undefined;
    return (await this.#folder.accept(incoming, this.#port.cluster)) ?? 'DAMAGED';
  }

  #ask(): void {
    const job = this.#job;
    if (job === undefined) return;
    this.#askedAt = performance.now();
    const { id: from, group } = this.#port;
    const { index, term } = job;
    const offset = this.#incoming?.have ?? 0;
    // The first answer says what it is; where some of it is here already, the next one asks from there on.
    const length = this.#incoming === undefined ? 1 : this.#pace.next();
    this.#id++;
    this.#port.send({
      type: 'SnapshotAsk',
      group,
      from,
      to: job.from,
      id: this.#id,
      index,
      term,
      least: job.least,
      offset,
      length,
    });
    // step: piece wanted
  }

  #giveUp(reason: string): void {
    const job = this.#job;
    this.#job = undefined;
    void this.#incoming?.close().catch((error: Error) => this.#port.fault(error));
    this.#incoming = undefined;
    if (job !== undefined) this.#port.progress('GIVEN_UP', job, reason);
  }
}
