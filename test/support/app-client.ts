/**
 * A small client of the app socket for tests, in both codecs. It keeps every frame it was sent, so that a test
 * can wait for the one it wants, in any order.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { AppFrame, SidecarFrame, StateMachineHello } from '../../shared/app-frames.ts';
import {
  appCodec,
  BadFrame,
  type CodecName,
  type FrameCodec,
  PROTOBUF_PREAMBLE,
} from '../../shared/wire/app-codec.ts';

export type ConnectTo = string | { readonly host: string; readonly port: number };
type FrameOf<T extends SidecarFrame['type']> = Extract<SidecarFrame, { type: T }>;

interface Waiter {
  readonly wants: (frame: SidecarFrame) => boolean;
  readonly resolve: (frame: SidecarFrame) => void;
  readonly reject: (error: Error) => void;
}

export class AppClient {
  readonly socket: Socket;
  readonly name: CodecName;
  readonly #codec: FrameCodec<AppFrame, SidecarFrame>;
  /** Frames nobody has waited for yet, oldest first. */
  readonly inbox: SidecarFrame[] = [];
  /** Every byte received. */
  received: Buffer = Buffer.alloc(0);
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
  /** Takes every frame from now on, in place of `next`; undefined: they are kept. */
  #onFrame: ((frame: SidecarFrame) => void) | undefined;
  #isClosed = false;
  #waiters: Waiter[] = [];

  private constructor(socket: Socket, name: CodecName, keepBytes: boolean) {
    this.socket = socket;
    this.name = name;
    this.#codec = appCodec(name, Number.MAX_SAFE_INTEGER);
    socket.on('data', (chunk: Buffer) => {
      if (keepBytes) this.received = Buffer.concat([this.received, chunk]);
      this.#take(chunk);
    });
    // A reset is one of the ways a connection ends; `closed` tells (`once` of node:events would reject for it).
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#end();
        resolve();
      });
    });
  }

  /** Connects, and sends the preamble of protobuf unless `bare`. */
  static async open(
    to: ConnectTo,
    name: CodecName,
    { bare = false, keepBytes = true } = {},
  ): Promise<AppClient> {
    const socket = typeof to === 'string' ? connect(to) : connect(to);
    await once(socket, 'connect');
    const client = new AppClient(socket, name, keepBytes);
    if (name === 'protobuf' && !bare) socket.write(PROTOBUF_PREAMBLE);
    return client;
  }

  /** Connects and says hello; as a state machine when `stateMachine` is given. */
  static async greet(
    to: ConnectTo,
    name: CodecName,
    stateMachine?: Partial<StateMachineHello>,
    keepBytes = true,
  ): Promise<AppClient> {
    const client = await AppClient.open(to, name, { keepBytes });
    client.hello(stateMachine);
    await client.next('welcome');
    return client;
  }

  hello(stateMachine?: Partial<StateMachineHello>, more: { token?: string } = {}): void {
    const machine = stateMachine && { appliedIndex: 0, snapshots: 'NONE' as const, ...stateMachine };
    this.send({ type: 'hello', protocol: 1, app: 'test', group: '', stateMachine: machine, ...more });
  }

  send(...frames: AppFrame[]): void {
    this.socket.write(this.#codec.encode(frames));
  }

  /** The bytes of these frames, to send them cut or damaged. */
  encode(...frames: AppFrame[]): Buffer {
    return this.#codec.encode(frames);
  }

  sendRaw(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  /** The oldest frame of this type (and that `accepts`) not taken yet; waits for it. Fails when the connection closes. */
  next<T extends SidecarFrame['type']>(
    type: T,
    accepts: (frame: FrameOf<T>) => boolean = () => true,
  ): Promise<FrameOf<T>> {
    const wants = (frame: SidecarFrame) => frame.type === type && accepts(frame as FrameOf<T>);
    const at = this.inbox.findIndex(wants);
    if (at !== -1) return Promise.resolve(this.inbox.splice(at, 1)[0] as FrameOf<T>);
    if (this.#isClosed) return Promise.reject(new Error(`closed before ${type} came`));
    return new Promise((resolve, reject) => {
      this.#waiters.push({ wants, resolve: (frame) => resolve(frame as FrameOf<T>), reject });
    });
  }

  /** Goes there and back: everything sent before was handled when this resolves. */
  async roundTrip(): Promise<void> {
    AppClient.#pings += 1;
    const id = AppClient.#pings;
    this.send({ type: 'ping', id });
    await this.next('pong', (pong) => pong.id === id);
  }
  static #pings = 1_000_000;

  async close(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }

  #take(chunk: Buffer): void {
    this.#codec.push(chunk);
    for (let frame = this.#codec.next(); frame !== undefined; frame = this.#codec.next()) {
      if (frame instanceof BadFrame) throw new Error(`the sidecar sent a bad frame: ${frame.message}`);
      this.#deliver(frame);
    }
  }

  /** Hands every frame to `take`, those that came already first. */
  set onFrame(take: (frame: SidecarFrame) => void) {
    this.#onFrame = take;
    for (const frame of this.inbox.splice(0)) take(frame);
  }

  #deliver(frame: SidecarFrame): void {
    if (this.#onFrame !== undefined) return this.#onFrame(frame);
    const at = this.#waiters.findIndex((waiter) => waiter.wants(frame));
    if (at === -1) this.inbox.push(frame);
    else this.#waiters.splice(at, 1)[0]?.resolve(frame);
  }

  #end(): void {
    this.#isClosed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new Error('closed before the frame came'));
  }
}
