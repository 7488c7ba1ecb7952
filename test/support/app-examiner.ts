/**
 * A sidecar that says exactly what a test tells it to, to one app that holds a state machine, in the app's own codec: the other
 * end for tests of apps.
 *
 * MUST: read what the app sends with the sidecar's own codec, and refuse what no sidecar would take.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppFrame, SidecarFrame } from '../../shared/app-frames.ts';
import { BadFrame, type FrameCodec, PROTOBUF_PREAMBLE, sidecarCodec } from '../../shared/wire/app-codec.ts';
import { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';
import { until } from './patience.ts';

type FrameOf<T extends AppFrame['type']> = Extract<AppFrame, { type: T }>;

export class AppExaminer {
  /** Where its HTTP server listens; '' until it has said so. */
  url = '';
  readonly #dir: string;
  readonly #server: Server;
  readonly #inbox: AppFrame[] = [];
  readonly #words: string[] = [];
  #connection: { readonly socket: Socket; readonly codec: FrameCodec<SidecarFrame, AppFrame> } | undefined;
  #process: ManagedProcess | undefined;
  #broken: Error | undefined;

  private constructor(dir: string) {
    this.#dir = dir;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Starts the app. Resolves when it listens. */
  static async start(launch: { command: string; args: string[] }): Promise<AppExaminer> {
    const examiner = new AppExaminer(await mkdtemp(join(tmpdir(), 'outrigger-examiner-')));
    const path = join(examiner.#dir, 'app.sock');
    await new Promise<void>((done) => examiner.#server.listen(path, done));
    examiner.#process = await ManagedProcess.start({
      ...launch,
      env: { ...process.env, OUTRIGGER_SOCKET: path, OUTRIGGER_DATA: examiner.#dir, OUTRIGGER_NODE: 'n1' },
      stdin: 'none',
      onLine: (_, text) => {
        examiner.url ||= /listening on (\S+)/.exec(text)?.[1] ?? '';
        examiner.#words.push(text);
      },
    });
    await examiner.#until('it says where it listens', () => examiner.url !== '');
    return examiner;
  }

  async end(): Promise<void> {
    await this.#process?.kill();
    this.#connection?.socket.destroy();
    await new Promise((done) => this.#server.close(done));
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** The next frame of this kind; what came before it is passed over. */
  async next<T extends AppFrame['type']>(type: T): Promise<FrameOf<T>> {
    let found = -1;
    await this.#until(`it sends ${type}`, () => {
      found = this.#inbox.findIndex((frame) => frame.type === type);
      return found !== -1;
    });
    return this.#inbox.splice(0, found + 1).at(-1) as FrameOf<T>;
  }

  /** What came and was not taken. */
  get untaken(): readonly AppFrame['type'][] {
    return this.#inbox.map(({ type }) => type);
  }

  say(...frames: SidecarFrame[]): void {
    assert.ok(this.#connection, 'the app is not connected');
    const { socket, codec } = this.#connection;
    socket.write(codec.encode(frames));
  }

  /** The app's hello, welcomed. */
  async welcome(): Promise<FrameOf<'hello'>> {
    const hello = await this.next('hello');
    this.say({
      ...{
        type: 'welcome',
        protocol: 1,
        cluster: 'examined',
        node: 'n1',
        group: '',
        epoch: 1,
        role: 'LEADER',
      },
      ...{ term: 1, leader: 'n1', commitIndex: 0, firstIndex: 1 },
      limits: { frameBytes: 4_194_304, commandBytes: 1_048_576, inFlight: 256 },
    });
    return hello;
  }

  /** Says goodbye, as a sidecar does, and hears the app's next hello. */
  async goodbye(reason: string): Promise<FrameOf<'hello'>> {
    this.say({ type: 'goodbye', reason });
    this.#connection?.socket.end();
    return this.welcome();
  }

  /** What it holds, as text; the same text from every app that holds the same. */
  async dump(): Promise<string> {
    return (await fetch(`${this.url}/_dump`)).text();
  }

  #accept(socket: Socket): void {
    let codec: FrameCodec<SidecarFrame, AppFrame> | undefined;
    let first = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      try {
        if (codec === undefined) {
          first = Buffer.concat([first, chunk]);
          if (first[0] !== 0x7b && first.length < PROTOBUF_PREAMBLE.length) return;
          const isJson = first[0] === 0x7b;
          codec = sidecarCodec(isJson ? 'json' : 'protobuf');
          this.#connection = { socket, codec };
          if (!isJson) assert.deepEqual(first.subarray(0, PROTOBUF_PREAMBLE.length), PROTOBUF_PREAMBLE);
          codec.push(isJson ? first : first.subarray(PROTOBUF_PREAMBLE.length));
        } else {
          codec.push(chunk);
        }
        this.#read(codec);
      } catch (error) {
        this.#broken = error instanceof Error ? error : new Error(String(error));
      }
    });
  }

  #read(codec: FrameCodec<SidecarFrame, AppFrame>): void {
    for (let frame = codec.next(); frame !== undefined; frame = codec.next()) {
      if (frame instanceof BadFrame) throw new Error(`the app sent a bad frame: ${frame.message}`);
      // Reads are always ready here, so that what an app holds can be asked for.
      if (frame.type === 'read') this.say({ type: 'readReady', id: frame.id, index: frame.index ?? 0 });
      else this.#inbox.push(frame);
    }
  }

  async #until(what: string, holds: () => boolean): Promise<void> {
    await until(
      what,
      () => {
        if (this.#broken !== undefined) throw this.#broken;
        return holds();
      },
      () =>
        `it sent ${this.untaken.join(' ') || 'nothing else'}; it said:\n${this.#words.slice(-20).join('\n')}`,
    );
  }
}
