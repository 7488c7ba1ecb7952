/**
 * Takes a snapshot that a state machine gives: its bytes as frames, one after the other, on their way to the disk.
 *
 * MUST: read no further frame while the disk takes a chunk, so that nothing piles up; forget what has come when anything is
 * wrong with it, and say so once.
 */
import type { SnapshotBeginFrame, SnapshotChunkFrame, SnapshotEndFrame } from '../../shared/app-frames.ts';
import { type Refusal, refusal } from '../../shared/codes.ts';
import type { AppHost, SnapshotSink } from './host.ts';

export interface IntakeLink {
  /** No frame is handled until `release`. */
  hold(): void;
  release(): void;
  refuse(no: Refusal): void;
}

const GONE = 'the app went in the middle of it';

export class SnapshotIntake {
  readonly #host: AppHost;
  readonly #epoch: number;
  readonly #link: IntakeLink;
  #sink: SnapshotSink | undefined;
  #stopped = false;

  constructor(host: AppHost, epoch: number, link: IntakeLink) {
    this.#host = host;
    this.#epoch = epoch;
    this.#link = link;
  }

  begin({ index, format, size }: SnapshotBeginFrame): void {
    this.#sink?.abandon('the app began another one');
    this.#sink = undefined;
    this.#wait(async () => {
      const sink = await this.#host.snapshotBegun(this.#epoch, { index, format, size });
      if ('code' in sink) return sink;
      // The app may have gone before its file was there.
      if (this.#stopped) sink.abandon(GONE);
      else this.#sink = sink;
      return undefined;
    });
  }

  chunk({ data }: SnapshotChunkFrame): void {
    const sink = this.#sink;
    // One that was refused may still be on its way: that was said.
    if (sink === undefined) return;
    this.#wait(() => sink.add(data));
  }

  end({ sha256 }: SnapshotEndFrame): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    this.#sink = undefined;
    this.#wait(() => sink.end(sha256));
  }

  /** The connection is gone. */
  stop(): void {
    this.#stopped = true;
    this.#sink?.abandon(GONE);
    this.#sink = undefined;
  }

  #wait(work: () => Promise<Refusal | undefined>): void {
    this.#link.hold();
    work().then(
      (no) => {
        if (no !== undefined) this.#refused(no);
        this.#link.release();
      },
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        this.#refused(refusal('INTERNAL', `the snapshot cannot be kept: ${message}`));
        this.#link.release();
      },
    );
  }

  #refused(no: Refusal): void {
    this.#sink?.abandon(no.message);
    this.#sink = undefined;
    this.#link.refuse(no);
  }
}
