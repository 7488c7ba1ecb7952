/**
 * One client of one node: commands through the app socket of the sidecar; reads by asking the sidecar when its app is
 * fresh enough, and then that app.
 *
 * MUST: write a request before it gives control back, tell apart what surely did not happen and what nobody knows, and
 * retry nothing.
 */
import { connect, type Socket } from 'node:net';
import type { AppFrame, Consistency, ErrorFrame, SidecarFrame } from '../../../shared/app-frames.ts';
import {
  appCodec,
  BadFrame,
  type CodecName,
  type FrameCodec,
  PROTOBUF_PREAMBLE,
} from '../../../shared/wire/app-codec.ts';
import type { Command, Outcome, Seen } from '../history.ts';
import type { Member } from './kv-cluster.ts';

/** How long the sidecar may take, by its own clock. */
const REQUEST_MS = 800;
/** A sidecar that says nothing at all: we go. */
const SILENCE_MS = 1_500;

const UNKNOWN: Outcome = { kind: 'unknown' };

export interface Query {
  readonly key: string;
  readonly id: string;
  readonly command: Command;
}

export interface Reading {
  readonly consistency: Consistency;
  /** Gets what has to be compared with the log. */
  readonly claims: Claim[];
}

type Answer = Extract<SidecarFrame, { type: 'proposed' | 'readReady' | 'error' }>;
interface Peek {
  readonly applied: number;
  readonly version: number;
  readonly value: string | null;
}

/** The sidecar of `node` said that `index` is applied, and its app said that it is at `applied`. */
export interface Claim {
  readonly node: string;
  readonly index: number;
  readonly applied: number;
}

export class KvClient {
  readonly #member: Member;
  readonly #consistency: Consistency;
  readonly #claims: Claim[];
  readonly #socket: Socket;
  readonly #codec: FrameCodec<AppFrame, SidecarFrame>;
  /** Gets the answer to the one open request, undefined when there will be none. */
  #waiter: ((answer: Answer | undefined) => void) | undefined;
  #requests = 0;
  #welcome: () => void = () => undefined;

  private constructor(member: Member, codec: CodecName, { consistency, claims }: Reading) {
    this.#member = member;
    this.#consistency = consistency;
    this.#claims = claims;
    this.#codec = appCodec(codec);
    this.#socket = connect(member.socket);
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    // Told by `close`, which always follows.
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('close', () => this.#answer(undefined));
    if (codec === 'protobuf') this.#socket.write(PROTOBUF_PREAMBLE);
    this.#socket.write(
      this.#codec.encode([{ type: 'hello', protocol: 1, app: 'linearizability', group: '' }]),
    );
  }

  /** Resolves with a client that was welcomed, or undefined when nobody welcomed it in time. */
  static async open(member: Member, codec: CodecName, reading: Reading): Promise<KvClient | undefined> {
    const client = new KvClient(member, codec, reading);
    const welcome = new Promise<boolean>((done) => {
      client.#welcome = () => done(true);
    });
    const closed = new Promise<boolean>((done) => client.#socket.once('close', () => done(false)));
    const timer = setTimeout(() => client.close(), SILENCE_MS);
    const welcomed = await Promise.race([welcome, closed]);
    clearTimeout(timer);
    return welcomed ? client : undefined;
  }

  get closed(): boolean {
    return this.#socket.destroyed;
  }

  close(): void {
    this.#socket.destroy();
  }

  perform(query: Query): Promise<Outcome> {
    return query.command.type === 'get' ? this.#read(query.key) : this.#propose(query);
  }

  async #propose({ key, id, command: { type: op, ...fields } }: Query): Promise<Outcome> {
    const command = Buffer.from(JSON.stringify({ op, key, id, ...fields }));
    const answer = await this.#request({
      type: 'propose',
      id: this.#nextId(),
      command,
      timeoutMs: REQUEST_MS,
    });
    if (answer?.type === 'error') return refused(answer);
    if (answer?.type !== 'proposed') return UNKNOWN;
    const { index, result } = answer;
    // An app that was started anew may have answered after its sidecar had forgotten who waited.
    const seen = result === undefined ? {} : (JSON.parse(Buffer.from(result).toString()) as Seen);
    return { kind: 'ok', seen, index };
  }

  async #read(key: string): Promise<Outcome> {
    // An app that took the place of this one since is not the one that the sidecar is about to speak of.
    const { app } = this.#member;
    const answer = await this.#request({
      type: 'read',
      id: this.#nextId(),
      consistency: this.#consistency,
      timeoutMs: REQUEST_MS,
    });
    if (answer?.type === 'error') return refused(answer);
    if (answer?.type !== 'readReady' || app === undefined) return UNKNOWN;
    const found = await peek(app, key);
    if (found === undefined) return UNKNOWN;
    const { applied, version, value } = found;
    if (applied < answer.index) this.#claims.push({ node: this.#member.id, index: answer.index, applied });
    return { kind: 'ok', seen: { version, value } };
  }

  #nextId(): number {
    this.#requests += 1;
    return this.#requests;
  }

  #request(frame: AppFrame): Promise<Answer | undefined> {
    return new Promise((done) => {
      if (this.closed) return done(undefined);
      const timer = setTimeout(() => this.close(), SILENCE_MS);
      this.#waiter = (answer) => {
        clearTimeout(timer);
        done(answer);
      };
      this.#socket.write(this.#codec.encode([frame]));
    });
  }

  #take(chunk: Buffer): void {
    this.#codec.push(chunk);
    for (let frame = this.#codec.next(); frame !== undefined; frame = this.#codec.next()) {
      if (frame instanceof BadFrame) throw new Error(`the sidecar sent a bad frame: ${frame.message}`);
      if (frame.type === 'welcome') this.#welcome();
      if (frame.type === 'proposed' || frame.type === 'readReady' || frame.type === 'error')
        this.#answer(frame);
    }
  }

  #answer(answer: Answer | undefined): void {
    const waiter = this.#waiter;
    if (answer !== undefined && answer.id !== this.#requests) return;
    this.#waiter = undefined;
    waiter?.(answer);
  }
}

function refused({ definite }: ErrorFrame): Outcome {
  return definite ? { kind: 'failed' } : UNKNOWN;
}

/** What the app has now; undefined when it does not answer. */
async function peek(app: string, key: string): Promise<Peek | undefined> {
  try {
    const answer = await fetch(`${app}/_peek/${key}`, { signal: AbortSignal.timeout(SILENCE_MS) });
    return (await answer.json()) as Peek;
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
}
