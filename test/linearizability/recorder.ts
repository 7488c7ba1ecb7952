/**
 * Writes down what clients do, as a history.
 *
 * MUST: take the time of the call before the first byte is written, and that of the return after the whole reply was
 * understood, both from the one monotonic clock of this process: intervals that are too short are false alarms, and
 * intervals that are longer than need be hide what is wrong.
 * MUST: give every operation an id of its own, which may serve as a unique value, and every client that does not know what
 * came of its operation a new name: whoever comes after it is somebody else.
 */
import type { Command, Operation, Outcome } from './history.ts';

export class Recorder {
  readonly operations: Operation[] = [];
  /** Begins every id, so that those of two histories differ. */
  readonly #prefix: string;
  readonly #now: () => bigint;
  #ids = 0;
  #clients = 0;

  constructor(prefix: string, now: () => bigint = () => process.hrtime.bigint()) {
    this.#prefix = prefix;
    this.#now = now;
  }

  client(): RecordedClient {
    this.#clients += 1;
    return new RecordedClient(this, `c${this.#clients}`);
  }

  /** For RecordedClient. */
  nextId(): string {
    this.#ids += 1;
    return `${this.#prefix}-${this.#ids}`;
  }

  /** For RecordedClient. */
  now(): bigint {
    return this.#now();
  }
}

export class RecordedClient {
  readonly #recorder: Recorder;
  readonly #name: string;
  #lives = 0;
  #busy = false;

  constructor(recorder: Recorder, name: string) {
    this.#recorder = recorder;
    this.#name = name;
  }

  /**
   * One operation. `command` makes it from its id; `send` MUST write it before it gives control back (a connection that is
   * still to be made would count as part of the operation) and resolve with what came of it. Never retries. What `send` throws
   * goes on to the caller, and the outcome is unknown.
   */
  async perform(
    key: string,
    command: (id: string) => Command,
    send: (operation: { readonly id: string; readonly command: Command }) => Promise<Outcome>,
  ): Promise<Outcome> {
    if (this.#busy) throw new Error(`client ${this.#name} has an operation under way already`);
    this.#busy = true;
    const id = this.#recorder.nextId();
    const made = command(id);
    const client = this.#lives === 0 ? this.#name : `${this.#name}.${this.#lives}`;
    const call = this.#recorder.now();
    let outcome: Outcome = { kind: 'unknown' };
    try {
      outcome = await send({ id, command: made });
      return outcome;
    } finally {
      // Also when `send` threw: the command may be on its way.
      const end = outcome.kind === 'unknown' ? undefined : this.#recorder.now();
      this.#recorder.operations.push({ client, key, id, command: made, call, return: end, outcome });
      if (outcome.kind === 'unknown') this.#lives += 1;
      this.#busy = false;
    }
  }
}
