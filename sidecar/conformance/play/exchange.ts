/** Snapshots between a copy and the suite: asked for and taken from it, and given to it. */
import type { AppFrame } from '../../../shared/app-frames.ts';
import type { Connection } from './connection.ts';
import { CHUNK_BYTES, type Snapshot, sha256Of, Taking } from './snapshot.ts';

export interface Restoring {
  /** Given in the place of the hash of the data. */
  readonly sha256?: Buffer;
  /** Given in the place of the data. */
  readonly data?: Buffer;
  /** Only so much of the data is sent, and no end. */
  readonly stopAfter?: number;
}

export type RestoreAnswer = { readonly restored: number } | { readonly refused: string };

/** What this asks of the copy. */
export interface ExchangeHost {
  /** The connection of the state machine. */
  connection(): Connection;
  acknowledged(): number;
  readonly term: number;
  until<T>(late: () => string, look: () => T | undefined): Promise<T>;
}

export class Exchange {
  readonly #host: ExchangeHost;
  #taking: Taking | undefined;
  #answer: RestoreAnswer | undefined;

  constructor(host: ExchangeHost) {
    this.#host = host;
  }

  /** Another connection: what was begun is void. */
  reset(): void {
    this.#taking = undefined;
    this.#answer = undefined;
  }

  ask(index: number): void {
    this.#taking = new Taking(index);
    this.#host.connection().send({ type: 'takeSnapshot', index });
  }

  /** What was asked for last. */
  taken(): Promise<Snapshot> {
    const asked = this.#taking;
    return this.#host.until(
      () =>
        `takeSnapshot {index ${asked?.asked}} was sent, and there was no ${asked?.begun ? 'snapshotEnd' : 'snapshotBegin'}`,
      () => asked?.done,
    );
  }

  /** Gives it a snapshot; `answered` has what it says to that. */
  async give({ index, format, data }: Snapshot, how: Restoring = {}): Promise<void> {
    const connection = this.#host.connection();
    this.#answer = undefined;
    const given = how.data ?? data;
    const end = how.stopAfter ?? given.length;
    connection.send({ type: 'restoreBegin', index, term: this.#host.term, format, size: data.length });
    for (let at = 0; at < end; at += CHUNK_BYTES) {
      const piece = given.subarray(at, Math.min(at + CHUNK_BYTES, end));
      connection.send({ type: 'restoreChunk', data: piece });
    }
    if (how.stopAfter === undefined) {
      connection.send({ type: 'restoreEnd', sha256: how.sha256 ?? sha256Of(data) });
    }
    await connection.written();
  }

  answered(): Promise<RestoreAnswer> {
    return this.#host.until(
      () => 'restoreEnd was sent, and neither restored nor restoreRefused came',
      () => this.#answer,
    );
  }

  /** Takes a frame of this matter. Why a sidecar would refuse it, or undefined. */
  frame(frame: AppFrame): string | undefined {
    if (frame.type === 'restored') this.#answer = { restored: frame.index };
    else if (frame.type === 'restoreRefused') this.#answer = { refused: frame.reason };
    else if (this.#taking === undefined) return `it sent a ${frame.type} that nobody asked for`;
    else if (frame.type === 'snapshotBegin') return this.#taking.begin(frame, this.#host.acknowledged());
    else if (frame.type === 'snapshotChunk') return this.#taking.chunk(frame.data);
    else if (frame.type === 'snapshotEnd') return this.#taking.end(frame);
    return undefined;
  }
}
