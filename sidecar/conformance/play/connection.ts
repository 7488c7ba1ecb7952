/**
 * One connection of a program under test, at the sidecar's end: its codec is chosen by its first byte, as a sidecar does.
 *
 * MUST: answer pings; hand every other frame over in order. What cannot be read is told as one sentence.
 */
import type { Socket } from 'node:net';
import type { AppFrame, SidecarFrame } from '../../../shared/app-frames.ts';
import {
  BadFrame,
  BrokenFraming,
  type CodecName,
  type FrameCodec,
  PROTOBUF_PREAMBLE,
  sidecarCodec,
} from '../../../shared/wire/app-codec.ts';
import { type Disguise, disguised } from './disguise.ts';
import { pause } from './watch.ts';

export interface ConnectionEvents {
  frame(connection: Connection, frame: AppFrame): void;
  /** It sent what no sidecar would take. */
  wrong(connection: Connection, why: string): void;
  closed(connection: Connection): void;
}

const BRACE = 0x7b;
const SPLIT_MS = 1;

export class Connection {
  disguise: Disguise = 'plain';
  /** Every byte in a write of its own. */
  split = false;
  closed = false;
  /** The other side broke it, and its process did not end along with it. */
  missed = false;
  /** We ended it: that it is closed is no news. */
  cutByUs = false;
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  #codec: FrameCodec<SidecarFrame, AppFrame> | undefined;
  #head: Buffer = Buffer.of();
  #writing: Promise<void> = Promise.resolve();

  constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.setNoDelay(true);
    // A reset is one of the ways a connection ends; 'close' follows.
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('close', () => {
      this.closed = true;
      events.closed(this);
    });
  }

  /** Undefined until its first byte came. */
  get codec(): CodecName | undefined {
    return this.#codec?.name;
  }

  /** All of these in one write, unless it is split. */
  send(...frames: SidecarFrame[]): void {
    const codec = this.#codec;
    if (codec === undefined) throw new Error('nothing is sent before hello');
    this.raw(Buffer.concat(frames.map((frame) => disguised(codec, frame, this.disguise))));
  }

  raw(bytes: Buffer): void {
    const pieces = this.split ? Array.from(bytes, (byte) => Buffer.of(byte)) : [bytes];
    this.#writing = this.#writing.then(async () => {
      for (const piece of pieces) {
        if (this.#socket.destroyed) return;
        await new Promise<void>((done) => this.#socket.write(piece, () => done()));
        // Else the system puts them together again before the other side has read the first.
        if (this.split) await pause(SPLIT_MS);
      }
    });
  }

  /** Resolves when the system has taken all that was sent. */
  written(): Promise<void> {
    return this.#writing;
  }

  /** Breaks it once the system has taken what was sent. */
  async cut(): Promise<void> {
    this.cutByUs = true;
    await this.#writing;
    this.#socket.destroy();
  }

  /** Ends our direction: the other side reads all that was sent, and then the end. */
  async end(): Promise<void> {
    this.cutByUs = true;
    await this.#writing;
    this.#socket.end();
  }

  #data(chunk: Buffer): void {
    if (this.#codec === undefined) this.#choose(chunk);
    else this.#codec.push(chunk);
    const codec = this.#codec;
    if (codec === undefined) return;
    try {
      for (let frame = codec.next(); frame !== undefined; frame = codec.next()) {
        if (frame instanceof BadFrame) this.#wrong(`it sent a frame that is refused: ${frame.message}`);
        else if (frame.type === 'ping') this.send({ type: 'pong', id: frame.id });
        else this.#events.frame(this, frame);
      }
    } catch (error) {
      if (!(error instanceof BrokenFraming)) throw error;
      this.#wrong(`its frames cannot be read any further: ${error.message}`);
      void this.cut();
    }
  }

  /** Makes the codec once enough bytes are there to say, and gives it what came after the preamble. */
  #choose(chunk: Buffer): void {
    this.#head = Buffer.concat([this.#head, chunk]);
    const preamble = PROTOBUF_PREAMBLE.subarray(0, this.#head.length);
    if (this.#head[0] === BRACE) this.#codec = sidecarCodec('json');
    else if (!this.#head.subarray(0, PROTOBUF_PREAMBLE.length).equals(preamble)) {
      this.#wrong(`its first bytes are neither { nor OUTRIG/1, but ${JSON.stringify(this.#first())}`);
      void this.cut();
    } else if (this.#head.length >= PROTOBUF_PREAMBLE.length) this.#codec = sidecarCodec('protobuf');
    const after = this.#codec?.name === 'protobuf' ? PROTOBUF_PREAMBLE.length : 0;
    this.#codec?.push(this.#head.subarray(after));
  }

  #first(): string {
    return this.#head.subarray(0, PROTOBUF_PREAMBLE.length).toString('latin1');
  }

  #wrong(why: string): void {
    this.#events.wrong(this, why);
  }
}
