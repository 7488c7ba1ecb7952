/**
 * The one FIFO of a store: writes and reads in the order they were asked for.
 *
 * MUST: never let a read pass a write that was queued before it, or the other way round.
 * MUST NOT: run anything.
 */
import { LIMITS } from '../../shared/limits.ts';
import type { LogWrite } from './contract.ts';

export interface QueuedWrite {
  readonly sequence: number;
  readonly write: LogWrite;
  readonly bytes: number;
  /** performance.now() when it was queued. */
  readonly at: number;
}

/** Everything else that needs the handle: reads, and the probe of `resume`. Settles its own promise. */
export type Task = () => Promise<void>;

type Job = QueuedWrite | Task;

export class WriteQueue {
  #jobs: Job[] = [];
  #head = 0;
  #writes = 0;
  #bytes = 0;
  /** Writes handed out by `takeWrites` and not yet `done`. */
  #out: readonly QueuedWrite[] = [];

  /** Writes that are not done, in the queue or handed out. */
  get writes(): number {
    return this.#writes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#head === this.#jobs.length;
  }

  /** When the oldest write that is not done was queued. */
  get oldestAt(): number | undefined {
    const out = this.#out[0];
    if (out !== undefined) return out.at;
    for (let at = this.#head; at < this.#jobs.length; at++) {
      const job = this.#jobs[at];
      if (typeof job === 'object') return job.at;
    }
    return undefined;
  }

  pushWrite(write: QueuedWrite): void {
    this.#jobs.push(write);
    this.#writes++;
    this.#bytes += write.bytes;
  }

  pushTask(task: Task): void {
    this.#jobs.push(task);
  }

  /** The task at the head, taken out; undefined when a write (or nothing) is there. */
  takeTask(): Task | undefined {
    const job = this.#jobs[this.#head];
    if (typeof job !== 'function') return undefined;
    this.#advance();
    return job;
  }

  /** The writes at the head, up to the next task and to `storeCommitBytes`; at least one if there is one. */
  takeWrites(): readonly QueuedWrite[] {
    const taken: QueuedWrite[] = [];
    let bytes = 0;
    for (let job = this.#jobs[this.#head]; typeof job === 'object'; job = this.#jobs[this.#head]) {
      bytes += job.bytes;
      if (taken.length > 0 && bytes > LIMITS.storeCommitBytes) break;
      taken.push(job);
      this.#advance();
    }
    this.#out = taken;
    return taken;
  }

  /** The writes handed out last are durable. */
  done(): void {
    this.#forget(this.#out);
    this.#out = [];
  }

  /** Forgets every write, queued or handed out; tasks stay. Returns the first sequence forgotten. */
  dropWrites(): number | undefined {
    const queued = this.#jobs.slice(this.#head);
    const dropped = [...this.#out, ...queued.filter((job) => typeof job === 'object')];
    this.#jobs = queued.filter((job) => typeof job === 'function');
    this.#head = 0;
    this.#forget(dropped);
    this.#out = [];
    return dropped[0]?.sequence;
  }

  #forget(writes: readonly QueuedWrite[]): void {
    this.#writes -= writes.length;
    for (const { bytes } of writes) this.#bytes -= bytes;
  }

  #advance(): void {
    this.#head++;
    if (this.#head === this.#jobs.length) {
      this.#jobs = [];
      this.#head = 0;
    }
  }
}
