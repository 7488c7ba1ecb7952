/**
 * Gives a snapshot to a state machine that lacks more than the log has: its state as of an index, from which it goes on.
 *
 * MUST: keep no more in memory than the app may leave unread of one delivery; take `restored` only for the snapshot that was
 * given, and only once all of it was.
 */
import type { RestoredFrame, SidecarFrame } from '../../shared/app-frames.ts';
import type { RestorePlan } from './host.ts';

export interface RestoreSink {
  send(frame: SidecarFrame, bytes: number): void;
  /** Bytes waiting to be read by the app. */
  readonly backlog: number;
  /** The snapshot cannot be read from the disk. */
  fault(error: Error): void;
}

export class Restore {
  readonly plan: RestorePlan;
  readonly #sink: RestoreSink;
  readonly #roomBytes: number;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #reading = false;
  #given = false;
  #stopped = false;

  /** `roomBytes`: over so many unread bytes nothing more is sent. */
  constructor(plan: RestorePlan, sink: RestoreSink, roomBytes: number) {
    this.plan = plan;
    this.#sink = sink;
    this.#roomBytes = roomBytes;
    this.#chunks = plan.chunks()[Symbol.asyncIterator]();
  }

  begin(): void {
    const { index, term, format, size } = this.plan;
    this.#sink.send({ type: 'restoreBegin', index, term, format, size }, 0);
    // step: restore begun
    this.pump();
  }

  /** Sends what fits. Call when the app has read something. */
  pump(): void {
    if (this.#reading || this.#given || this.#stopped || this.#sink.backlog >= this.#roomBytes) return;
    this.#reading = true;
    this.#chunks.next().then(
      ({ done, value }) => {
        this.#reading = false;
        if (this.#stopped) return;
        if (done === true) this.#end();
        else {
          this.#sink.send({ type: 'restoreChunk', data: value }, value.length);
          // step: restore chunk given
          this.pump();
        }
      },
      (error: unknown) => this.#sink.fault(error instanceof Error ? error : new Error(String(error))),
    );
  }

  #end(): void {
    this.#given = true;
    this.#sink.send({ type: 'restoreEnd', sha256: this.plan.sha256 }, 0);
    // step: restore given
  }

  /** Why this `restored` cannot be, or undefined. */
  refusalOf({ index }: RestoredFrame): string | undefined {
    if (!this.#given) return 'restored came before the snapshot was given to its end';
    if (index === this.plan.index) return undefined;
    return `restored.index is ${index}, but the snapshot is of ${this.plan.index}`;
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    // Closes its file. What goes wrong then concerns nobody any more.
    void this.#chunks.return?.(undefined)?.catch(() => undefined);
  }
}
