/**
 * One connection of a state machine: what it was given, what it says of it, and whether it may say so.
 *
 * MUST: take nothing that a sidecar would not take (docs/protocol.md, §4: a position that cannot be ends the connection).
 */
import type {
  AppliedFrame,
  ApplyFailedFrame,
  EntriesFrame,
  EntryField,
  HelloFrame,
  StateMachineHello,
} from '../../../shared/app-frames.ts';
import { LIMITS } from '../../../shared/limits.ts';
import type { Connection } from './connection.ts';
import type { PlayedLog } from './log.ts';

export interface Answer {
  readonly index: number;
  readonly result: Buffer | undefined;
  readonly error: string | undefined;
}

export interface StateSum {
  readonly index: number;
  readonly hash: Buffer;
}

export class Ledger {
  readonly connection: Connection;
  readonly hello: HelloFrame;
  readonly machine: StateMachineHello;
  delivered: number;
  acknowledged: number;
  /** It stands there. */
  failed: ApplyFailedFrame | undefined;
  durable = 0;
  readonly answers: Answer[] = [];
  readonly sums: StateSum[] = [];
  /** Indexes of the commands that it was given here. */
  readonly #given = new Set<number>();
  /** Those that it has not acknowledged, with their bytes, oldest first. */
  #open: { readonly index: number; readonly bytes: number }[] = [];

  constructor(connection: Connection, hello: HelloFrame, machine: StateMachineHello) {
    this.connection = connection;
    this.hello = hello;
    this.machine = machine;
    this.delivered = machine.appliedIndex;
    this.acknowledged = machine.appliedIndex;
  }

  gave(frame: EntriesFrame): void {
    this.delivered = frame.through;
    for (const { index, command } of frame.entries) {
      this.#given.add(index);
      this.#open.push({ index, bytes: command.length });
    }
  }

  /** Whether the window that it named has room for this now; a single entry larger than the window goes alone. */
  hasRoom({ entries }: EntriesFrame): boolean {
    return (entries.length === 1 && this.#open.length === 0) || this.#fits(entries, this.#open);
  }

  /** The next frame of a delivery of what is in the log, through `through`; undefined where all was delivered. */
  next(log: PlayedLog, through: number, size: number): EntriesFrame | undefined {
    if (this.delivered >= through) return undefined;
    for (let count = size; ; count = Math.ceil(count / 2)) {
      const frame = log.frame(this.delivered, log.placeAfter(this.delivered, count, through));
      if (this.#fitsWindow(frame)) return frame;
    }
  }

  /** Whether this is no larger than its whole window, and than one delivery of a sidecar may be. */
  #fitsWindow({ entries }: EntriesFrame): boolean {
    if (entries.length <= 1) return true;
    const within = entries.length <= LIMITS.deliveryEntries && weight(entries) <= LIMITS.deliveryBytes;
    return within && this.#fits(entries, []);
  }

  #fits(entries: readonly EntryField[], open: readonly { readonly bytes: number }[]): boolean {
    const { windowEntries = LIMITS.windowEntries, windowBytes = LIMITS.windowBytes } = this.machine;
    const bytes = open.reduce((sum, one) => sum + one.bytes, weight(entries));
    return entries.length === 0 || (open.length + entries.length <= windowEntries && bytes <= windowBytes);
  }

  /** It has the state of a snapshot: the log goes on behind it. */
  restored(index: number): void {
    this.delivered = index;
    this.acknowledged = index;
  }

  /** Why a sidecar would refuse this, or undefined. */
  applied(frame: AppliedFrame): string | undefined {
    const { through, results, durableThrough, stateHash } = frame;
    if (through > this.delivered) {
      return `it acknowledged through ${through}, and only ${this.delivered} was delivered`;
    }
    const beyond = results.find(({ index }) => index > through);
    if (beyond !== undefined) {
      return `applied {through ${through}} has a result for ${beyond.index}, which is after it`;
    }
    if (durableThrough !== undefined && durableThrough > through) {
      return `applied {through ${through}} has durableThrough ${durableThrough}, which is after it`;
    }
    if (stateHash !== undefined) {
      const { index, hash } = stateHash;
      if (index > through)
        return `applied {through ${through}} has a stateHash of ${index}, which is after it`;
      if (hash.length < 1 || hash.length > LIMITS.stateHashBytes) {
        return `the stateHash of ${index} has ${hash.length} bytes, and not 1 to ${LIMITS.stateHashBytes}`;
      }
      this.sums.push({ index, hash: Buffer.from(hash) });
    }
    for (const { index, result, error } of results) {
      this.answers.push({ index, result: result === undefined ? undefined : Buffer.from(result), error });
    }
    // Repeated and older ones change nothing.
    this.acknowledged = Math.max(this.acknowledged, through);
    this.durable = Math.max(this.durable, durableThrough ?? 0);
    this.#open = this.#open.filter(({ index }) => index > this.acknowledged);
    return undefined;
  }

  applyFailed(frame: ApplyFailedFrame): string | undefined {
    if (frame.index <= this.acknowledged || frame.index > this.delivered) {
      return `it said applyFailed of ${frame.index}, and what it was given and did not acknowledge is ${this.acknowledged + 1} to ${this.delivered}`;
    }
    this.failed = frame;
    return undefined;
  }

  /** Whether a command of that index was given here. */
  wasGiven(index: number): boolean {
    return this.#given.has(index);
  }
}

function weight(entries: readonly EntryField[]): number {
  return entries.reduce((sum, { command }) => sum + command.length, 0);
}
