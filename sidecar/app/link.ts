/**
 * One socket of an app: bytes to frames and back, flow control in both directions, and an orderly end.
 *
 * MUST: write once per event-loop turn, whatever was sent in it; stop reading requests while their answers
 * are not read; cut a connection whose unread output passes the hard bound.
 * MUST NOT: know what frames mean.
 */
import type { Socket } from 'node:net';
import type { AppFrame, SidecarFrame } from '../../shared/app-frames.ts';
import { type ErrorCode, isDefinite } from '../../shared/codes.ts';
import { BadFrame, BrokenFraming, type FrameCodec, sidecarCodec } from '../../shared/wire/app-codec.ts';
import type { AppLimits } from './context.ts';
import { detectCodec } from './detect.ts';

const EXPECTED =
  'expected the first byte { for JSON lines, or the eight bytes OUTRIG/1 for protobuf frames with their length before them';

/** What a frame weighs in the outbox besides its large fields. */
const FRAME_BYTES = 64;

export interface LinkEvents {
  frame(frame: AppFrame): void;
  badFrame(bad: BadFrame): void;
  /** The app has ended its side and every frame of it was handled; answers can still be sent. */
  ended(): void;
  /** Some output was taken by the app. */
  drained(): void;
  /** Nothing is handled or sent any more (the socket itself may live a little longer). Once; `reason` is one sentence. */
  gone(reason: string): void;
}

export class Link {
  readonly #socket: Socket;
  readonly #limits: AppLimits;
  readonly #events: LinkEvents;
  readonly #flushSoon: (link: Link) => void;
  #codec: FrameCodec<SidecarFrame, AppFrame> | undefined;
  /** The first bytes, until they tell the codec. */
  #head: Buffer = Buffer.alloc(0);
  /** Frames of this turn, not encoded yet, and about how many bytes they have. */
  #outbox: SidecarFrame[] = [];
  #outboxBytes = 0;
  /** No frame is handled while the owner waits for something. */
  #held = false;
  /** No byte is read while too many wait to be read by the app. */
  #choked = false;
  /** No byte is read for a while: it was told that it asks too much. */
  #resting: NodeJS.Timeout | undefined;
  #ended = false;
  #finishing = false;
  #reason = '';
  #linger: NodeJS.Timeout | undefined;

  constructor(socket: Socket, limits: AppLimits, events: LinkEvents, flushSoon: (link: Link) => void) {
    this.#socket = socket;
    this.#limits = limits;
    this.#events = events;
    this.#flushSoon = flushSoon;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('end', () => this.#end());
    socket.on('error', (error) => {
      this.#reason ||= `the connection broke: ${error.message}`;
    });
    socket.on('close', () => this.#close());
  }

  /** Bytes waiting to be read by the app. */
  get backlog(): number {
    return this.#socket.writableLength + this.#outboxBytes;
  }

  /** Sends a frame at the end of this turn; `bytes` where it may be large. Does nothing once the end has begun. */
  send(frame: SidecarFrame, bytes = 0): void {
    if (this.#finishing) return;
    this.#outbox.push(frame);
    this.#outboxBytes += FRAME_BYTES + bytes;
    if (this.#outbox.length === 1) this.#flushSoon(this);
    this.#chokeWhenFull();
  }

  /** Hands everything sent so far to the socket. */
  flush(): void {
    if (this.#outbox.length === 0 || this.#socket.destroyed) return;
    this.#codec ??= sidecarCodec('json', this.#limits.appFrameBytes);
    const bytes = this.#codec.encode(this.#outbox);
    this.#outbox = [];
    this.#outboxBytes = 0;
    this.#socket.write(bytes, this.#written);
    const waiting = this.#socket.writableLength;
    if (waiting > this.#limits.appOutputBytesMax) {
      this.#reason = `the app did not read: ${waiting} bytes were waiting, over the limit of ${this.#limits.appOutputBytesMax}`;
      this.#socket.destroy();
    } else this.#chokeWhenFull();
  }

  /** Takes no more requests while too many answers wait, from the very frame that made them too many. */
  #chokeWhenFull(): void {
    if (this.#choked || this.#finishing || this.backlog <= this.#limits.appOutputBytes) return;
    this.#choked = true;
    this.#socket.pause();
  }

  /** Handles no further frame until `release`. */
  hold(): void {
    this.#held = true;
    this.#socket.pause();
  }

  /** Handles no further frame for so long; 0 does nothing. What a refused client sends on costs us nothing then. */
  rest(ms: number): void {
    if (ms === 0 || this.#finishing || this.#resting !== undefined) return;
    this.#socket.pause();
    this.#resting = setTimeout(() => {
      this.#resting = undefined;
      this.#continue();
    }, ms);
    this.#resting.unref();
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#continue();
  }

  get #paused(): boolean {
    return this.#held || this.#choked || this.#resting !== undefined;
  }

  #continue(): void {
    if (this.#paused || this.#finishing) return;
    this.#socket.resume();
    this.#readFrames();
  }

  /** A last error, then the end. */
  fail(code: ErrorCode, message: string): void {
    this.send({ type: 'error', code, definite: isDefinite(code), message });
    this.finish(message);
  }

  /** Ends it at once; what was sent and not taken is lost. */
  cut(reason: string): void {
    this.#reason ||= reason;
    this.#socket.destroy();
  }

  /** Flushes and ends; `reason` is what the owner hears from `gone`. What the app still sends is thrown away; it is cut when it does not end in time. */
  finish(reason: string): void {
    if (this.#finishing) return;
    this.#finishing = true;
    clearTimeout(this.#resting);
    this.#reason ||= reason;
    this.flush();
    this.#events.gone(this.#reason);
    this.#socket.end();
    // Unread bytes at close would make the system drop our last frame: read on, and throw it away.
    this.#socket.resume();
    this.#linger = setTimeout(() => this.#socket.destroy(), this.#limits.appLingerMs);
    this.#linger.unref();
  }

  #written = (): void => {
    if (this.#choked && this.backlog <= this.#limits.appOutputBytes / 2) {
      this.#choked = false;
      this.#continue();
    }
    this.#events.drained();
  };

  #take(chunk: Buffer): void {
    if (this.#finishing) return;
    if (this.#codec !== undefined) {
      this.#codec.push(chunk);
    } else {
      this.#head = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
      const detected = detectCodec(this.#head);
      if (detected === 'NEED_MORE') return;
      if (detected === 'UNKNOWN') return this.fail('BAD_REQUEST', EXPECTED);
      this.#codec = sidecarCodec(detected.codec, this.#limits.appFrameBytes);
      this.#codec.push(this.#head.subarray(detected.preambleBytes));
      this.#head = Buffer.alloc(0);
    }
    this.#readFrames();
  }

  #readFrames(): void {
    try {
      while (!this.#paused && !this.#finishing) {
        const frame = this.#codec?.next();
        if (frame === undefined) break;
        if (frame instanceof BadFrame) this.#events.badFrame(frame);
        else this.#events.frame(frame);
      }
    } catch (error) {
      if (!(error instanceof BrokenFraming)) throw error;
      this.fail(error.code, error.message);
    }
    if (this.#ended) this.#finishEnded();
  }

  #end(): void {
    this.#ended = true;
    this.#finishEnded();
  }

  #finishEnded(): void {
    if (this.#paused || this.#finishing) return;
    if (this.#codec?.partial === true || this.#head.length > 0) {
      this.fail('BAD_REQUEST', 'the connection ended inside a frame');
    } else this.#events.ended();
  }

  #close(): void {
    clearTimeout(this.#linger);
    clearTimeout(this.#resting);
    this.#outbox = [];
    if (this.#finishing) return;
    this.#finishing = true;
    this.#events.gone(this.#reason || 'the connection was closed');
  }
}
