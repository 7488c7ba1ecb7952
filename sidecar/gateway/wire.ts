/**
 * One connection to a replica's app socket, from dialling to its end: bytes to frames and back, and a watch over its silence.
 *
 * MUST: write once for everything sent since the last flush; notice a replica that says nothing any more.
 * MUST NOT: know what frames mean, but for ping and pong.
 */
import { connect, type Socket } from 'node:net';
import type { AppFrame, SidecarFrame } from '../../shared/app-frames.ts';
import type { LIMITS } from '../../shared/limits.ts';
import { codeOf } from '../../shared/private-file.ts';
import { appCodec, BadFrame, BrokenFraming, PROTOBUF_PREAMBLE } from '../../shared/wire/app-codec.ts';
import type { Address } from './replicas.ts';

export type WireLimits = {
  readonly [Name in keyof Pick<
    typeof LIMITS,
    'appFrameBytes' | 'gatewayPingMs' | 'gatewaySilentMs' | 'gatewaySuspectMs' | 'gatewayWelcomeMs'
  >]: number;
};

export interface WireEvents {
  frame(frame: SidecarFrame): void;
  /** The replica took some of what was written. */
  drained(): void;
  /** Nothing comes any more; once. */
  ended(reason: string): void;
}

export class Wire {
  readonly #socket: Socket;
  readonly #limits: WireLimits;
  readonly #events: WireEvents;
  readonly #codec;
  #outbox: AppFrame[] = [];
  /** The deadline of the welcome; then the pinger. */
  #timer: NodeJS.Timeout;
  /** When the last bytes came. */
  #heard = performance.now();
  #suspect = false;
  #pings = 0;
  #over = false;

  constructor(address: Address, limits: WireLimits, events: WireEvents) {
    this.#limits = limits;
    this.#events = events;
    this.#codec = appCodec('protobuf', limits.appFrameBytes);
    const { gatewayWelcomeMs } = limits;
    this.#timer = setTimeout(
      () => this.end(`no welcome came within ${gatewayWelcomeMs} ms`),
      gatewayWelcomeMs,
    );
    const socket = 'path' in address ? connect(address.path) : connect({ ...address, noDelay: true });
    this.#socket = socket;
    socket.write(PROTOBUF_PREAMBLE);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.end(whyLost(error)));
    socket.on('end', () => this.end('the replica closed the connection'));
    socket.on('close', () => this.end('the connection closed'));
  }

  /** Bytes written and not taken by the replica. */
  get backlog(): number {
    return this.#socket.writableLength;
  }

  /** Leaves with the next `flush`. */
  send(frame: AppFrame): void {
    this.#outbox.push(frame);
  }

  flush(): void {
    if (this.#outbox.length === 0 || this.#over) return;
    const bytes = this.#codec.encode(this.#outbox);
    this.#outbox = [];
    this.#socket.write(bytes, this.#events.drained);
  }

  /** The replica let us in: from now on it is pinged. */
  greeted(): void {
    clearTimeout(this.#timer);
    this.#timer = setInterval(() => this.#watch(), this.#limits.gatewayPingMs);
  }

  /** It is taken for dead sooner than others when it says nothing to a ping. */
  suspect(): void {
    if (this.#suspect) return;
    this.#suspect = true;
    this.#ping();
  }

  /** Ends it with these last frames; it is not heard of again. */
  leave(...last: AppFrame[]): void {
    if (this.#over) return;
    this.#outbox.push(...last);
    this.flush();
    this.#over = true;
    clearTimeout(this.#timer);
    this.#socket.destroySoon();
  }

  /** Cuts it, and tells the owner. */
  end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#events.ended(reason);
  }

  #take(chunk: Buffer): void {
    this.#heard = performance.now();
    this.#suspect = false;
    this.#codec.push(chunk);
    try {
      while (!this.#over) {
        const frame = this.#codec.next();
        if (frame === undefined) return;
        if (frame instanceof BadFrame) this.end(`the replica sent a bad frame: ${frame.message}`);
        else if (frame.type !== 'pong') this.#events.frame(frame);
      }
    } catch (error) {
      if (!(error instanceof BrokenFraming)) throw error;
      this.end(`the replica's frames cannot be read: ${error.message}`);
    }
  }

  #ping(): void {
    this.#pings++;
    this.send({ type: 'ping', id: this.#pings });
    this.flush();
  }

  #watch(): void {
    if (!this.#silent()) {
      this.#ping();
      return;
    }
    // Input that is already there speaks first: after a stall of our own process the timer comes before it.
    setImmediate(() => {
      const ms = Math.round(performance.now() - this.#heard);
      if (this.#silent()) this.end(`the replica said nothing for ${ms} ms`);
    });
  }

  #silent(): boolean {
    const { gatewaySilentMs, gatewaySuspectMs } = this.#limits;
    return performance.now() - this.#heard > (this.#suspect ? gatewaySuspectMs : gatewaySilentMs);
  }
}

function whyLost(error: Error): string {
  const why: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such socket',
    ECONNREFUSED: 'nobody listens there',
    EACCES: 'the socket belongs to another user',
  };
  return why[codeOf(error)] ?? `the connection broke: ${error.message}`;
}
