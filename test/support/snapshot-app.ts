/**
 * A key-value state machine in this process that gives and takes snapshots of itself, and comes again whenever its sidecar sends
 * it away: for tests with real daemons.
 */
import { createHash } from 'node:crypto';
import type { EntriesFrame, SidecarFrame, SnapshotSupport } from '../../shared/app-frames.ts';
import { AppClient } from './app-client.ts';

const CHUNK_BYTES = 64 * 1024;

export interface SnapshotAppOptions {
  readonly snapshots?: SnapshotSupport;
  /** Keeps its state when it is closed and opened again. */
  readonly state?: KeptState;
  /** Tells the hash of its state at each multiple of this index. */
  readonly hashEvery?: number;
}

/** What an app that keeps its own state would have on its disk. */
export interface KeptState {
  values: Map<string, string>;
  applied: number;
  hash: Uint8Array | undefined;
}

export const freshState = (): KeptState => ({ values: new Map(), applied: 0, hash: undefined });

export class SnapshotApp {
  readonly #socket: string;
  readonly #snapshots: SnapshotSupport;
  readonly #hashEvery: number;
  readonly state: KeptState;
  #client: AppClient | undefined;
  #closed = false;
  #incoming: Buffer[] = [];
  #restoring = 0;
  /** What it was told at each hello: where it goes on from. */
  readonly plans: ({ replayFrom: number } | { snapshotIndex: number })[] = [];
  readonly errors: string[] = [];
  /** How many snapshots it gave. */
  given = 0;
  /** Called with each chunk of a snapshot that it is about to give. */
  beforeChunk: (at: number) => Promise<void> | void = () => undefined;
  readonly #ended: Promise<void>;

  constructor(socket: string, options: SnapshotAppOptions = {}) {
    const { snapshots = 'BLOB', state = freshState(), hashEvery = Number.POSITIVE_INFINITY } = options;
    this.#hashEvery = hashEvery;
    this.#socket = socket;
    this.#snapshots = snapshots;
    this.state = state;
    this.#ended = this.#run();
  }

  get applied(): number {
    return this.state.applied;
  }

  /** Its whole state as one text. */
  get dump(): string {
    return JSON.stringify([...this.state.values].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Goes in the middle of whatever it does, and comes again. */
  hangUp(): void {
    this.#client?.socket.destroy();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#client?.close();
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#serve();
      } catch (error) {
        // Not there (yet), or gone in the middle of something: it comes again.
        if (!this.#closed) this.errors.push(error instanceof Error ? error.message : String(error));
      }
      if (!this.#closed) await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  async #serve(): Promise<void> {
    const client = await AppClient.open(this.#socket, 'protobuf', { keepBytes: false });
    this.#client = client;
    if (this.#closed) return client.close();
    const { applied: appliedIndex, hash: appliedHash } = this.state;
    client.hello({ appliedIndex, appliedHash, snapshots: this.#snapshots });
    client.onFrame = (frame) => this.#take(client, frame);
    await client.closed;
  }

  #take(client: AppClient, frame: SidecarFrame): void {
    switch (frame.type) {
      case 'welcome':
        if (frame.plan !== undefined) this.plans.push(frame.plan as (typeof this.plans)[number]);
        return;
      case 'entries':
        return this.#apply(client, frame);
      case 'takeSnapshot':
        void this.#give(client).catch((error: Error) => this.errors.push(error.message));
        return;
      case 'restoreBegin':
        this.#restoring = frame.index;
        this.#incoming = [];
        return;
      case 'restoreChunk':
        this.#incoming.push(Buffer.from(frame.data));
        return;
      case 'restoreEnd':
        return this.#restore(client, frame.sha256);
      case 'error':
        this.errors.push(`${frame.code}: ${frame.message}`);
        return;
      case 'goodbye':
        client.socket.end();
        return;
    }
  }

  #apply(client: AppClient, { entries, through, hash }: EntriesFrame): void {
    let told: { index: number; hash: Uint8Array } | undefined;
    let due = (Math.floor(this.state.applied / this.#hashEvery) + 1) * this.#hashEvery;
    const upTo = (index: number): void => {
      for (; due <= index; due += this.#hashEvery)
        told = { index: due, hash: createHash('sha256').update(this.dump).digest() };
    };
    const results = entries.map(({ index, command }) => {
      upTo(index - 1);
      const [key = '', value = ''] = Buffer.from(command).toString().split('=');
      this.state.values.set(key, value);
      return { index, result: Buffer.from(`${this.state.values.size}`) };
    });
    upTo(through);
    this.state.applied = through;
    this.state.hash = Uint8Array.from(hash);
    const stateHash = told === undefined ? {} : { stateHash: told };
    client.send({ type: 'applied', through, results, durableThrough: through, ...stateHash });
  }

  async #give(client: AppClient): Promise<void> {
    const bytes = Buffer.from(this.dump);
    client.send({ type: 'snapshotBegin', index: this.state.applied, format: 'test-kv', size: bytes.length });
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      await this.beforeChunk(at);
      client.send({ type: 'snapshotChunk', data: bytes.subarray(at, at + CHUNK_BYTES) });
    }
    client.send({ type: 'snapshotEnd', sha256: createHash('sha256').update(bytes).digest() });
    this.given++;
  }

  #restore(client: AppClient, sha256: Uint8Array): void {
    const bytes = Buffer.concat(this.#incoming);
    if (!createHash('sha256').update(bytes).digest().equals(sha256)) {
      client.send({ type: 'restoreRefused', reason: 'the bytes do not have that SHA-256' });
      return;
    }
    this.state.values = new Map(JSON.parse(bytes.toString()) as [string, string][]);
    this.state.applied = this.#restoring;
    this.state.hash = undefined;
    client.send({ type: 'restored', index: this.#restoring });
  }
}
