/**
 * The outgoing link to one peer: dial, say hello, then only send.
 *
 * MUST: send nothing before the peer accepted our hello, keep at most LIMITS.peerQueueBytes waiting, and
 * dial again for as long as it is not closed. MAY drop any message; counts those it drops.
 *
 *   WAITING ──timer──▶ CONNECTING ──hello accepted──▶ CONNECTED
 *      ▲                   │ │ hello refused              │
 *      └──── failed ───────┘ └──────▶ REFUSED ──timer──▶ CONNECTING
 *      └──── failed ──────────────────────────────────────┘
 */
import { connect, type Socket } from 'node:net';
import { LIMITS } from '../../shared/limits.ts';
import type { PeerAddress, PeerLinkStatus } from './contract.ts';
import { FrameError, type FrameFault, FrameReader } from './framing.ts';
import { isHttpBase } from './handshake.ts';
import { decodeHelloReply, encodeHello, type Hello } from './hello-codec.ts';
import { connectOptions, failureSentence, type Log } from './sockets.ts';
import { type TlsDialing, tlsFailure } from './tls.ts';

export interface DialerOptions {
  readonly address: PeerAddress;
  /** What we say first; asked again at each dial. */
  hello(): Hello;
  /** In 0 … 1. */
  random(): number;
  readonly log: Log;
  /** Given: the peer has to prove by its certificate that it is the node of `address`, before we say hello. */
  readonly tls?: TlsDialing | undefined;
  /** How long waiting bytes may stand still; LIMITS.peerStallMs if not given. */
  readonly stallMs?: number;
  up(): void;
  down(reason: string): void;
  /** The peer told its HTTP base URL, and what it knows (`features.ts`). */
  told(http: string, features: number): void;
  /** Why the peer is not the one that it should be, by what it said of its disk; undefined where it is. */
  stranger?(incarnation: string): string | undefined;
  /** The peer broke the protocol. */
  fault(fault: FrameFault): void;
}

type Outcome = 'WAITING' | 'REFUSED';

export class Dialer {
  readonly #options: DialerOptions;
  #state: PeerLinkStatus['state'] = 'WAITING';
  #reason = 'not dialled yet';
  #socket: Socket | undefined;
  /** Deadline of the attempt while CONNECTING, else the pause before the next one. */
  #timer: NodeJS.Timeout | undefined;
  #corked = false;
  #closed = false;
  /** Attempts since a link last held; sets the pause. */
  #attempts = 0;
  #dialledAt = Number.NEGATIVE_INFINITY;
  #connectedAt = 0;
  #loggedReason = '';
  #dropped = 0;
  #sentBytes = 0;

  constructor(options: DialerOptions) {
    this.#options = options;
  }

  get address(): PeerAddress {
    return this.#options.address;
  }

  status(): Omit<PeerLinkStatus, 'receivedBytes' | 'http' | 'features'> {
    const { id, host, port } = this.#options.address;
    return {
      id,
      address: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
      state: this.#state,
      reason: this.#reason,
      queuedBytes: this.#state === 'CONNECTED' ? (this.#socket?.writableLength ?? 0) : 0,
      droppedMessages: this.#dropped,
      sentBytes: this.#sentBytes,
    };
  }

  /** True while a frame could be taken: asked before the work of encoding one. False counts as a drop. */
  ready(): boolean {
    const socket = this.#socket;
    if (this.#state === 'CONNECTED' && socket !== undefined) {
      if (socket.writableLength < LIMITS.peerQueueBytes) return true;
    }
    this.#dropped++;
    return false;
  }

  /** Queues `frame`; everything queued in one turn leaves in one write. Drops it when it does not fit. */
  send(frame: Buffer): void {
    const socket = this.#socket;
    const fits = socket !== undefined && socket.writableLength + frame.length <= LIMITS.peerQueueBytes;
    if (this.#state !== 'CONNECTED' || !fits) {
      this.#dropped++;
      return;
    }
    if (!this.#corked) {
      // nextTick, not setImmediate: it runs right after the callback that sends, before the loop polls
      // again, so that a single request does not wait for the next turn.
      this.#corked = true;
      socket.cork();
      process.nextTick(this.#uncork);
    }
    socket.write(frame);
    this.#sentBytes += frame.length;
  }

  readonly #uncork = (): void => {
    this.#corked = false;
    this.#socket?.uncork();
  };

  /** Counts a message that was dropped before it reached `send`. */
  drop(): void {
    this.#dropped++;
  }

  /** Dials; the peer showed that it is alive. Nothing happens if we are connected, or dialled just now. */
  dialNow(): void {
    if (this.#closed || this.#state === 'CONNECTING' || this.#state === 'CONNECTED') return;
    const pause = LIMITS.peerRedialMinMs - (performance.now() - this.#dialledAt);
    if (pause <= 0) this.#dial();
    else this.#dialAfter(pause);
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#corked) this.#uncork();
    this.#end('WAITING', reason);
  }

  #dialAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#dial(), ms);
  }

  #dial(): void {
    clearTimeout(this.#timer);
    this.#state = 'CONNECTING';
    this.#reason = 'connecting';
    this.#dialledAt = performance.now();
    const { tls, address } = this.#options;
    const { host, port } = address;
    const secured = tls?.dial(address);
    const socket = secured ?? connect({ host, port, ...connectOptions });
    this.#socket = socket;
    const failed = (reason: string): void => {
      if (this.#socket === socket) this.#end('WAITING', reason);
    };
    const deadline = (ms: number, what: string): void => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => failed(`${what} within ${ms} ms`), ms);
    };
    deadline(LIMITS.peerConnectMs, 'no connection');
    const greet = (): void => {
      if (this.#socket !== socket) return;
      deadline(LIMITS.peerHandshakeMs, 'no reply to hello');
      socket.write(encodeHello(this.#options.hello()));
    };
    if (secured === undefined || tls === undefined) socket.on('connect', greet);
    else {
      secured.on('connect', () => {
        if (this.#socket === socket) deadline(LIMITS.peerHandshakeMs, 'no TLS handshake');
      });
      secured.on('secureConnect', () => {
        const stranger = tls.refusal(secured, address.id);
        if (stranger === undefined) greet();
        else failed(stranger);
      });
    }
    const reader = new FrameReader(LIMITS.peerHelloBytes, (payload) => this.#reply(payload));
    socket.on('data', (chunk) => {
      if (this.#socket === socket) this.#read(reader, chunk);
    });
    const stallMs = this.#options.stallMs ?? LIMITS.peerStallMs;
    socket.setTimeout(stallMs, () => {
      // Node does not call this while a write makes progress; without waiting bytes the link is only idle.
      if (socket.writableLength > 0) failed(`nothing could be sent for ${stallMs} ms`);
    });
    socket.on('error', (error) => failed(tls === undefined ? failureSentence(error) : tlsFailure(error)));
    socket.on('end', () => failed('the peer closed the connection'));
    socket.on('close', () => failed('the connection closed'));
  }

  #read(reader: FrameReader, chunk: Buffer): void {
    try {
      reader.push(chunk);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#options.fault(error.fault);
      this.#end('WAITING', error.message);
    }
  }

  /** Takes the reply to hello, the only thing a peer ever sends on this connection. */
  #reply(payload: Buffer): boolean {
    if (this.#state === 'CONNECTED') {
      throw new FrameError('NOT_ALLOWED', 'the peer sent a frame on a connection that is ours to send on');
    }
    const reply = decodeHelloReply(payload);
    if (!reply.ok) {
      this.#end('REFUSED', `${reply.code}: ${reply.message}`);
      return false;
    }
    const stranger = this.#options.stranger?.(reply.incarnation);
    if (stranger !== undefined) {
      this.#end('REFUSED', `WRONG_DISK: ${stranger}`);
      return false;
    }
    if (!isHttpBase(reply.http)) {
      throw new FrameError('NOT_ALLOWED', 'the peer announced an HTTP address that is not one');
    }
    clearTimeout(this.#timer);
    this.#state = 'CONNECTED';
    this.#reason = '';
    this.#loggedReason = '';
    this.#connectedAt = performance.now();
    this.#options.log('info', 'peer link up', { peer: this.#options.address.id });
    this.#options.told(reply.http, reply.features);
    this.#options.up();
    return !this.#closed;
  }

  /** Ends the attempt or the link; plans the next one. */
  #end(outcome: Outcome, reason: string): void {
    const wasUp = this.#state === 'CONNECTED';
    clearTimeout(this.#timer);
    this.#state = outcome;
    this.#reason = reason;
    this.#corked = false;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
    if (!this.#closed) {
      // Only a link that held for a while earns short pauses again, so that one which dies at its first
      // message is not dialled fifty times a second.
      if (wasUp && performance.now() - this.#connectedAt > LIMITS.peerRedialMaxMs) this.#attempts = 0;
      this.#dialAfter(this.#pause(outcome));
      this.#logDown(outcome, reason);
    }
    if (wasUp) this.#options.down(reason);
  }

  /** Half of the pause is random, so that peers which failed together do not return together. */
  #pause(outcome: Outcome): number {
    const doubled = LIMITS.peerRedialMinMs * 2 ** this.#attempts;
    const full = outcome === 'REFUSED' ? LIMITS.peerRefusedMs : Math.min(doubled, LIMITS.peerRedialMaxMs);
    if (doubled < LIMITS.peerRedialMaxMs) this.#attempts++;
    return full * (0.5 + this.#options.random() / 2);
  }

  /** A peer that stays away for the same reason is logged once, not at every attempt. */
  #logDown(outcome: Outcome, reason: string): void {
    if (reason === this.#loggedReason) return;
    this.#loggedReason = reason;
    this.#options.log('warn', outcome === 'REFUSED' ? 'peer refused us' : 'peer link down', {
      peer: this.#options.address.id,
      reason,
    });
  }
}
