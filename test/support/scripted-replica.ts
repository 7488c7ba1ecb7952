/**
 * A replica made of nothing, as a gateway sees it: it welcomes whoever connects, keeps what it is asked, and answers when the
 * test says so. It can die, come back, hang, and say what no replica should.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppFrame, SidecarFrame, WelcomeFrame } from '../../shared/app-frames.ts';
import { BadFrame, PROTOBUF_PREAMBLE, sidecarCodec } from '../../shared/wire/app-codec.ts';

type Asked<T extends AppFrame['type']> = Extract<AppFrame, { type: T }>;

export class ScriptedReplica {
  readonly id: string;
  readonly folder: string = mkdtempSync(join(tmpdir(), 'outrigger-replica-'));
  readonly path: string = join(this.folder, 'app.sock');
  /** What the next one to connect is told. */
  welcome: WelcomeFrame;
  /** Answers the next hellos with this in place of the welcome. */
  instead: SidecarFrame | undefined;
  /** Does not answer pings any more. */
  hung = false;
  /** Requests nobody has waited for yet, oldest first. */
  readonly inbox: AppFrame[] = [];
  /** Connections taken so far. */
  connected = 0;
  #server: Server | undefined;
  readonly #links = new Map<Socket, ReturnType<typeof sidecarCodec>>();
  #waiters: { readonly wants: (frame: AppFrame) => boolean; readonly resolve: (frame: AppFrame) => void }[] =
    [];

  private constructor(id: string, welcome: Partial<WelcomeFrame>) {
    this.id = id;
    this.welcome = {
      type: 'welcome',
      protocol: 1,
      cluster: 'orders',
      node: id,
      group: '',
      epoch: 0,
      role: 'FOLLOWER',
      term: 1,
      leader: 'n1',
      commitIndex: 0,
      firstIndex: 1,
      limits: { frameBytes: 4_194_304, commandBytes: 1_048_576, inFlight: 4096 },
      ...welcome,
    };
  }

  /** Listening. n1 leads unless it is told otherwise. */
  static async start(id: string, welcome: Partial<WelcomeFrame> = {}): Promise<ScriptedReplica> {
    const role = id === 'n1' ? 'LEADER' : 'FOLLOWER';
    const replica = new ScriptedReplica(id, { role, ...welcome });
    await replica.back();
    return replica;
  }

  /** As the configuration of a gateway names it. */
  get replica() {
    return { id: this.id, address: { path: this.path }, token: undefined, http: undefined };
  }

  /** Listens (again). */
  back(): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    return new Promise((resolve) => server.listen(this.path, resolve));
  }

  /** Every connection ends at once, and nobody listens any more. */
  async die(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) =>
      server === undefined ? resolve() : server.close(() => resolve()),
    );
    this.hangUp();
    await closed;
  }

  /** Every connection ends at once. */
  hangUp(): void {
    for (const socket of this.#links.keys()) socket.destroy();
    this.#links.clear();
  }

  async stop(): Promise<void> {
    await this.die();
    rmSync(this.folder, { recursive: true, force: true });
  }

  send(...frames: SidecarFrame[]): void {
    for (const [socket, codec] of this.#links) socket.write(codec.encode(frames));
  }

  sendRaw(bytes: string): void {
    for (const socket of this.#links.keys()) socket.write(bytes);
  }

  /** It leads from now on, and says so; who connects later is told too. */
  leads(term: number): void {
    this.follows(this.id, term);
  }

  follows(leader: string | undefined, term: number): void {
    const role = leader === this.id ? 'LEADER' : 'FOLLOWER';
    this.welcome = { ...this.welcome, role, term, leader };
    this.send({ type: 'roleChanged', role, term, leader, cause: 'LEADER_ELECTED' });
  }

  refuse(id: number, code: Extract<SidecarFrame, { type: 'error' }>['code'], more: object = {}): void {
    const definite = !['TIMEOUT', 'LEADER_LOST', 'SHUTTING_DOWN', 'INTERNAL'].includes(code);
    this.send({ type: 'error', id, code, definite, message: 'as scripted', ...more });
  }

  /** The oldest request of this type not taken yet; waits for it. */
  next<T extends AppFrame['type']>(type: T): Promise<Asked<T>> {
    const wants = (frame: AppFrame) => frame.type === type;
    const at = this.inbox.findIndex(wants);
    if (at !== -1) return Promise.resolve(this.inbox.splice(at, 1)[0] as Asked<T>);
    return new Promise((resolve) => {
      this.#waiters.push({ wants, resolve: (frame) => resolve(frame as Asked<T>) });
    });
  }

  /** The next proposal, with its command as text. */
  async proposal(): Promise<Asked<'propose'> & { text: string }> {
    const frame = await this.next('propose');
    return { ...frame, text: Buffer.from(frame.command).toString() };
  }

  #accept(socket: Socket): void {
    this.connected++;
    const codec = sidecarCodec('protobuf');
    let head = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#links.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      if (head.length < PROTOBUF_PREAMBLE.length) {
        head = Buffer.concat([head, chunk]);
        if (head.length < PROTOBUF_PREAMBLE.length) return;
        codec.push(head.subarray(PROTOBUF_PREAMBLE.length));
      } else codec.push(chunk);
      for (let frame = codec.next(); frame !== undefined; frame = codec.next()) {
        if (frame instanceof BadFrame) throw new Error(`the gateway sent a bad frame: ${frame.message}`);
        this.#frame(socket, codec, frame);
      }
    });
  }

  #frame(socket: Socket, codec: ReturnType<typeof sidecarCodec>, frame: AppFrame): void {
    if (frame.type === 'hello') {
      this.#links.set(socket, codec);
      socket.write(codec.encode([this.instead ?? this.welcome]));
    }
    if (frame.type === 'ping') {
      if (!this.hung) socket.write(codec.encode([{ type: 'pong', id: frame.id }]));
      return;
    }
    const at = this.#waiters.findIndex(({ wants }) => wants(frame));
    if (at === -1) this.inbox.push(frame);
    else this.#waiters.splice(at, 1)[0]?.resolve(frame);
  }
}
