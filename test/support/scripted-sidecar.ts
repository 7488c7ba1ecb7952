/**
 * A node that says exactly what a test tells it to, to any number of clients: the other end for tests of clients.
 *
 * MUST: check what clients send with the sidecar's own codec; hold every request until the test answers it. Hellos and pings
 * it answers by itself.
 */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { AppFrame, SidecarFrame } from '../../shared/app-frames.ts';
import { type ErrorCode, isDefinite } from '../../shared/codes.ts';
import { BadFrame, type FrameCodec, PROTOBUF_PREAMBLE, sidecarCodec } from '../../shared/wire/app-codec.ts';

type RequestName = 'propose' | 'read' | 'openSession' | 'keepSession' | 'closeSession';
type FrameOf<T extends AppFrame['type']> = Extract<AppFrame, { type: T }>;
type Body<T> = T extends { id: number } ? Omit<T, 'id'> : never;
type AnswerBody = Body<SidecarFrame>;

export interface Refused {
  readonly retryAfterMs?: number;
  readonly leader?: string;
  readonly message?: string;
}

/** A request that a client waits for. */
export interface Asked<T extends RequestName = RequestName> {
  readonly frame: FrameOf<T>;
  answer(body: AnswerBody): void;
  refuse(code: ErrorCode, more?: Refused): void;
}

export interface ScriptedOptions {
  readonly cluster?: string;
  readonly leader?: string;
  readonly inFlight?: number;
  readonly commandBytes?: number;
  /** Listens on TCP, and lets in only who has it. */
  readonly token?: string;
}

export class ScriptedSidecar {
  readonly node: string;
  /** Where clients find it. */
  address = '';
  /** Hellos that came, refused ones included. */
  hellos = 0;
  pings = 0;
  /** Every command that came, in the order of their arrival. */
  readonly commands: string[] = [];
  /** Refuses hellos with this. */
  unwelcome: ErrorCode | undefined;
  /** Says nothing at all, like a process that was stopped. */
  silent = false;
  readonly #options: ScriptedOptions;
  readonly #server: Server;
  /** With what each speaks: JSON, until it shows otherwise. */
  readonly #sockets = new Map<Socket, FrameCodec<SidecarFrame, AppFrame>>();
  #inbox: Asked[] = [];
  #waiters: { readonly wants: (asked: Asked) => boolean; readonly take: (asked: Asked) => void }[] = [];
  #watchers: (() => void)[] = [];

  private constructor(node: string, options: ScriptedOptions) {
    this.node = node;
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Listens on a socket in `folder`, or on TCP where it has a token. */
  static async start(folder: string, node: string, options: ScriptedOptions = {}): Promise<ScriptedSidecar> {
    const sidecar = new ScriptedSidecar(node, options);
    sidecar.address = options.token === undefined ? join(folder, `${node}.sock`) : 'tcp://127.0.0.1:0';
    await sidecar.listen();
    return sidecar;
  }

  /** Again, at the same place, after `die`. */
  async listen(): Promise<void> {
    const tcp = /^tcp:\/\/([^:]+):(\d+)$/.exec(this.address);
    const at = tcp === null ? { path: this.address } : { host: tcp[1] ?? '', port: Number(tcp[2]) };
    await new Promise<void>((done) => this.#server.listen(at, done));
    const bound = this.#server.address();
    if (typeof bound === 'object' && bound !== null) this.address = `tcp://127.0.0.1:${bound.port}`;
  }

  /** As after `kill -9`: every connection breaks, nobody listens. */
  async die(): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    this.cut();
    await closed;
    if (!this.address.startsWith('tcp:')) rmSync(this.address, { force: true });
  }

  /** Breaks every connection, and goes on listening. */
  cut(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Tells everybody. */
  say(frame: SidecarFrame): void {
    for (const [socket, codec] of this.#sockets) socket.write(codec.encode([frame]));
  }

  /** Bytes that may be no frame at all. */
  sayRaw(bytes: string | Buffer): void {
    for (const socket of this.#sockets.keys()) socket.write(bytes);
  }

  /** Says goodbye, as a sidecar does that stops. */
  goodbye(reason: string): void {
    this.say({ type: 'goodbye', reason });
    for (const socket of this.#sockets.keys()) socket.end();
  }

  /** The oldest request of this kind that was not taken yet; waits for it. */
  next<T extends RequestName>(
    type: T,
    accepts: (frame: FrameOf<T>) => boolean = () => true,
  ): Promise<Asked<T>> {
    const wants = ({ frame }: Asked): boolean => frame.type === type && accepts(frame as FrameOf<T>);
    const at = this.#inbox.findIndex(wants);
    if (at !== -1) return Promise.resolve(this.#inbox.splice(at, 1)[0] as unknown as Asked<T>);
    return new Promise((resolve) => {
      this.#waiters.push({ wants, take: (asked) => resolve(asked as unknown as Asked<T>) });
    });
  }

  /** Answers every request of this kind from now on. */
  async each<T extends RequestName>(type: T, serve: (asked: Asked<T>) => void): Promise<never> {
    for (;;) serve(await this.next(type));
  }

  /** Requests that came and were not taken. */
  get untaken(): readonly AppFrame[] {
    return this.#inbox.map(({ frame }) => frame);
  }

  /** Resolves when `holds`, looked at whenever something came or went. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((seen) => this.#watchers.push(seen));
  }

  #changed(): void {
    for (const seen of this.#watchers.splice(0)) seen();
  }

  #accept(socket: Socket): void {
    let codec = sidecarCodec('json');
    this.#sockets.set(socket, codec);
    let isFirst = true;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#changed();
    });
    socket.on('data', (chunk: Buffer) => {
      if (isFirst && chunk.subarray(0, PROTOBUF_PREAMBLE.length).equals(PROTOBUF_PREAMBLE)) {
        codec = sidecarCodec('protobuf');
        this.#sockets.set(socket, codec);
        chunk = chunk.subarray(PROTOBUF_PREAMBLE.length);
      }
      isFirst = false;
      codec.push(chunk);
      for (let frame = codec.next(); frame !== undefined; frame = codec.next()) {
        if (frame instanceof BadFrame) throw new Error(`the client sent a bad frame: ${frame.message}`);
        if (!this.silent) this.#frame(socket, frame);
      }
      this.#changed();
    });
    this.#changed();
  }

  #frame(socket: Socket, frame: AppFrame): void {
    const reply = (...frames: SidecarFrame[]): boolean => socket.write(this.#codec(socket).encode(frames));
    switch (frame.type) {
      case 'hello':
        this.hellos += 1;
        return this.#hello(socket, frame);
      case 'ping':
        this.pings += 1;
        reply({ type: 'pong', id: frame.id });
        return;
      case 'goodbye':
        socket.end();
        return;
      case 'propose':
        this.commands.push(Buffer.from(frame.command).toString());
        break;
      case 'read':
      case 'openSession':
      case 'keepSession':
      case 'closeSession':
        break;
      default:
        throw new Error(`a client does not send ${frame.type}`);
    }
    this.#asked({
      frame,
      answer: (body) => reply({ ...body, id: frame.id } as SidecarFrame),
      refuse: (code, { message = `refused: ${code}`, ...more } = {}) =>
        reply({ type: 'error', id: frame.id, code, definite: isDefinite(code), message, ...more }),
    });
  }

  #codec(socket: Socket): FrameCodec<SidecarFrame, AppFrame> {
    return this.#sockets.get(socket) ?? sidecarCodec('json');
  }

  #asked(asked: Asked): void {
    const at = this.#waiters.findIndex(({ wants }) => wants(asked));
    if (at === -1) this.#inbox.push(asked);
    else this.#waiters.splice(at, 1)[0]?.take(asked);
  }

  #hello(socket: Socket, { token }: FrameOf<'hello'>): void {
    const { cluster = 'orders', leader, inFlight = 4096, commandBytes = 1024 * 1024 } = this.#options;
    const no = token === this.#options.token ? this.unwelcome : 'UNAUTHORIZED';
    if (no !== undefined) {
      const message = `not welcome: ${no}`;
      socket.end(
        this.#codec(socket).encode([
          { type: 'error', code: no, definite: isDefinite(no), message },
          { type: 'goodbye', reason: no },
        ]),
      );
      return;
    }
    const limits = { frameBytes: 4 * 1024 * 1024, commandBytes, inFlight };
    const fixed = { protocol: 1, group: '', epoch: 0, term: 1, commitIndex: 0, firstIndex: 1, limits };
    const welcome = { ...fixed, cluster, node: this.node, leader, role: 'FOLLOWER' as const };
    socket.write(this.#codec(socket).encode([{ type: 'welcome', ...welcome }]));
  }
}
