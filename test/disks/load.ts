/**
 * Writers against real daemons whose disks are in trouble, and the book of what they were told.
 *
 * Each write goes to a key of its own, one of a ring, and is never sent again. A write without an answer, or with one that is not
 * definite, may take effect later than any other: from then on its key may hold whatever was sent to it since.
 *
 * MUST: book an acknowledgement in the same turn in which it came, and forget none.
 */
import type { SidecarFrame } from '../../shared/app-frames.ts';
import { AppClient } from '../support/app-client.ts';
import { pause, until } from '../support/patience.ts';

const WRITERS = 6;
const KEYS_PER_WRITER = 400;
const FILLER = 'x'.repeat(120);
/** Between two writes of a writer that is asked to be slow. */
const GENTLE_MS = 4;
const RETRY_MS = 20;
/** A writer does not wait for longer; what becomes of the write is not known then. */
const TIMEOUT_MS = 2_000;

export interface Place {
  readonly id: string;
  readonly socket: string;
}

export interface LoadOptions {
  /** Writes at a time. */
  readonly writers?: number;
  /** False: as fast as answers come. */
  readonly gentle?: boolean;
  /** Text added to each value. */
  readonly filler?: string;
}

/** What a key may hold. */
interface Fate {
  readonly values: Set<string>;
  /** Something sent to it may take effect at any time. */
  unsure: boolean;
  acknowledged: boolean;
}

export class Load {
  readonly #targets: () => readonly Place[];
  readonly #options: Required<LoadOptions>;
  readonly #keys = new Map<string, Fate>();
  readonly #running: Promise<void>[] = [];
  #open = new Set<AppClient>();
  #stopping = false;
  #values = 0;
  acknowledged = 0;
  /** Highest index acknowledged. */
  index = 0;

  /** `targets`: whom to write to now. */
  constructor(targets: () => readonly Place[], options: LoadOptions = {}) {
    this.#targets = targets;
    this.#options = { writers: WRITERS, gentle: true, filler: FILLER, ...options };
  }

  start(): void {
    this.#stopping = false;
    for (let at = 0; at < this.#options.writers; at++) this.#running.push(this.#write(at));
  }

  /** Nothing is on its way when it resolves. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running.splice(0));
  }

  /** As `stop`, but cuts off what waits for an answer. */
  async cut(): Promise<void> {
    this.#stopping = true;
    for (const client of this.#open) client.socket.destroy();
    await this.stop();
  }

  /** Waits until so many more were acknowledged. */
  async more(count: number, otherwise: () => string = () => ''): Promise<void> {
    const goal = this.acknowledged + count;
    await until(`${count} more writes`, () => this.acknowledged >= goal, otherwise);
  }

  /** What of the book is not in this state, one sentence each. */
  missing(state: ReadonlyMap<string, string>): string[] {
    const problems: string[] = [];
    for (const [key, { values, acknowledged }] of this.#keys) {
      const held = state.get(key);
      if (held === undefined ? acknowledged : !values.has(held))
        problems.push(`${key} is ${brief(held)}, and not ${[...values].map(brief).join(' or ')}`);
    }
    return problems;
  }

  async #write(writer: number): Promise<void> {
    let client: AppClient | undefined;
    for (let turn = writer; !this.#stopping; turn++) {
      client ??= await this.#connect(turn);
      if (client === undefined) {
        await pause(RETRY_MS);
        continue;
      }
      const fine = await this.#send(client, `w${writer}-${turn % KEYS_PER_WRITER}`);
      if (!fine) {
        this.#open.delete(client);
        await client.close();
        client = undefined;
        await pause(RETRY_MS);
      } else if (this.#options.gentle) await pause(GENTLE_MS);
    }
    if (client !== undefined) {
      this.#open.delete(client);
      await client.close();
    }
  }

  async #connect(turn: number): Promise<AppClient | undefined> {
    const targets = this.#targets();
    const target = targets[turn % targets.length];
    if (target === undefined) return undefined;
    try {
      const client = await AppClient.greet(target.socket, 'protobuf', undefined, false);
      this.#open.add(client);
      return client;
    } catch (error) {
      // It is not there (yet): another one next time.
      if (error instanceof Error) return undefined;
      throw error;
    }
  }

  /** One write; false when the client should try another node. */
  async #send(client: AppClient, key: string): Promise<boolean> {
    const id = ++this.#values;
    const value = `${id} ${this.#options.filler}`;
    const fate = this.#keys.get(key) ?? { values: new Set<string>(), unsure: false, acknowledged: false };
    this.#keys.set(key, fate);
    const before = [...fate.values];
    fate.values.add(value);
    const answered = new Promise<boolean>((resolve) => {
      client.onFrame = (frame) => {
        if ('id' in frame && frame.id === id) resolve(this.#take(frame, fate, value, before));
      };
      void client.closed.then(() => resolve(false));
    });
    const command = Buffer.from(`${key}=${value}`);
    client.send({ type: 'propose', id, command, wait: 'COMMITTED', timeoutMs: TIMEOUT_MS });
    const fine = await answered;
    if (!fine && fate.values.has(value)) fate.unsure = true;
    return fine;
  }

  /** True when the write was acknowledged. */
  #take(frame: SidecarFrame, fate: Fate, value: string, before: readonly string[]): boolean {
    if (frame.type === 'proposed') {
      this.acknowledged++;
      this.index = Math.max(this.index, frame.index);
      fate.acknowledged = true;
      if (!fate.unsure) {
        fate.values.clear();
        fate.values.add(value);
      }
      return true;
    }
    if (frame.type !== 'error') return false;
    // Definite: it has no effect, now or later.
    if (frame.definite && !before.includes(value)) fate.values.delete(value);
    return false;
  }
}

function brief(value: string | undefined): string {
  return value === undefined ? 'missing' : (value.split(' ')[0] ?? '');
}
