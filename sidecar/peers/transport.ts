/**
 * The sidecar-to-sidecar transport: one outgoing link and one incoming connection per peer.
 *
 * MUST: deliver messages of one peer in the order they were sent, each under the name its handshake proved,
 * and never keep one for a peer that is not connected: Raft sends again. MUST NOT leave this machine without TLS.
 */
import { LIMITS } from '../../shared/limits.ts';
import type { PeerMessage } from '../../shared/messages.ts';
import type { TlsSource } from '../../shared/tls.ts';
import { Acceptor } from './acceptor.ts';
import { formatAddress, parseAddress } from './address.ts';
import { decodeMessage, PeerEncoder } from './codec.ts';
import type { PeerAddress, PeerLinkStatus, Transport, TransportListener } from './contract.ts';
import { Dialer } from './dialer.ts';
import { ANY_DISK, type KnownDisks, otherDisk } from './disks.ts';
import { FEATURES, PEER_PROTOCOL, PEER_PROTOCOL_OLDEST } from './features.ts';
import { FRAME_HEADER_BYTES, type FrameFault } from './framing.ts';
import { answerHello } from './handshake.ts';
import type { Hello } from './hello-codec.ts';
import { assertLoopback, isLoopback } from './loopback.ts';
import type { Log } from './sockets.ts';
import { TlsDialing } from './tls.ts';

export interface TransportOptions {
  readonly cluster: string;
  /** Our own node id. */
  readonly self: string;
  /** Version of this program, told to peers. */
  readonly version: string;
  /** Port 0 takes any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Who may connect and whom we dial; ourselves may be among them. */
  readonly members: readonly PeerAddress[];
  /** In 0 … 1; spreads the pauses between dials. */
  random(): number;
  readonly log: Log;
  /** Certificates: then every connection has TLS, in both directions, and addresses may be off this machine. */
  readonly tls?: TlsSource | undefined;
  /** Which disk each node has; absent: nobody looks. */
  readonly disks?: KnownDisks;
  /** Of our own data folder. Asked when it is needed. */
  incarnation?(): string;
}

interface Peer {
  readonly dialer: Dialer;
  /** It is no member that we know of: it dialled us, and is answered for as long as it does. */
  guest: boolean;
  receivedBytes: number;
  http: string;
  features: number | undefined;
}

export type TransportCounters = Readonly<Record<FrameFault | 'encodes' | 'tooLarge' | 'noSuchPeer', number>>;

export class TcpTransport implements Transport {
  readonly #options: TransportOptions;
  readonly #acceptor: Acceptor;
  readonly #encoder = new PeerEncoder();
  readonly #peers = new Map<string, Peer>();
  readonly #dialing: TlsDialing | undefined;
  readonly #faults: Record<FrameFault, number> = { TOO_LONG: 0, BAD_CRC: 0, UNDECODABLE: 0, NOT_ALLOWED: 0 };
  #tooLarge = 0;
  #noSuchPeer = 0;
  #listener: TransportListener | undefined;
  #dialling = false;
  #closed = false;
  #http = '';
  /** Where we are reached, once bound. */
  #peer = '';

  /** Throws an Error with one clear sentence for an address off this machine without TLS. */
  constructor(options: TransportOptions) {
    const { tls, cluster } = options;
    if (tls === undefined) assertLoopback(options.listen.host, 'the peer listen address');
    this.#options = options;
    this.#dialing = tls === undefined ? undefined : new TlsDialing(tls, cluster);
    this.#acceptor = this.#createAcceptor();
    this.setMembers(options.members);
  }

  async start(listener: TransportListener): Promise<{ host: string; port: number }> {
    if (this.#listener !== undefined) throw new Error('the transport was started before');
    this.#listener = listener;
    const { host, port } = this.#options.listen;
    const bound = await this.#acceptor.listen(host, port);
    this.#peer = formatAddress(bound);
    this.#dialling = true;
    for (const peer of this.#peers.values()) peer.dialer.dialNow();
    return bound;
  }

  announceHttp(url: string): void {
    this.#http = url;
  }

  /** Throws before anything changes if an address is off this machine and there is no TLS. */
  setMembers(members: readonly PeerAddress[]): void {
    if (this.#dialing === undefined) {
      for (const member of members) assertLoopback(member.host, `the address of ${member.id}`);
    }
    if (this.#closed) return;
    const wanted = new Map(members.map((member) => [member.id, member]));
    wanted.delete(this.#options.self);
    for (const [id, peer] of this.#peers) {
      const address = wanted.get(id);
      const { host, port } = peer.dialer.address;
      if (address?.host === host && address.port === port) {
        peer.guest = false;
        continue;
      }
      if (peer.guest && address === undefined) continue;
      this.#peers.delete(id);
      peer.dialer.close(address === undefined ? 'no member any more' : 'the address changed');
      if (address === undefined) this.#acceptor.disconnect(id, 'no member any more');
    }
    for (const [id, address] of wanted) {
      if (this.#peers.has(id)) continue;
      this.#addPeer(address, false);
    }
  }

  #addPeer(address: PeerAddress, guest: boolean): void {
    const dialer = this.#createDialer(address);
    this.#peers.set(address.id, { dialer, guest, receivedBytes: 0, http: '', features: undefined });
    if (this.#dialling) dialer.dialNow();
  }

  /** May it be answered there? Then it will be. */
  #admits(id: string, peer: string): boolean {
    const address = parseAddress(id, peer);
    if (address === undefined || this.#closed || id === this.#options.self) return false;
    if (this.#dialing === undefined && !isLoopback(address.host)) return false;
    const guests = [...this.#peers.values()].filter(({ guest }) => guest).length;
    if (guests >= LIMITS.peerGuests) return false;
    this.#addPeer(address, true);
    return true;
  }

  #guestLeft(id: string): void {
    const peer = this.#peers.get(id);
    if (peer?.guest !== true) return;
    this.#peers.delete(id);
    peer.dialer.close('it dials us no more');
  }

  send(message: PeerMessage): void {
    const peer = this.#peers.get(message.to);
    if (peer === undefined) {
      this.#noSuchPeer++;
      return;
    }
    if (!peer.dialer.ready()) return;
    const frame = this.#encoder.encode(message);
    if (frame.length - FRAME_HEADER_BYTES > LIMITS.peerFrameBytes) {
      this.#tooLarge++;
      peer.dialer.drop();
      const { type, to } = message;
      this.#options.log('error', 'message over the frame limit was dropped', {
        type,
        to,
        bytes: frame.length,
      });
      return;
    }
    peer.dialer.send(frame);
  }

  links(): PeerLinkStatus[] {
    return Array.from(this.#peers.values(), ({ dialer, receivedBytes, http, features }) => {
      return { ...dialer.status(), receivedBytes, http, features };
    });
  }

  /** What was encoded, and what went wrong so far, by kind. */
  counters(): TransportCounters {
    return {
      ...this.#faults,
      encodes: this.#encoder.encodes,
      tooLarge: this.#tooLarge,
      noSuchPeer: this.#noSuchPeer,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const peer of this.#peers.values()) peer.dialer.close('this node is closing');
    await this.#acceptor.close();
  }

  #createDialer(address: PeerAddress): Dialer {
    const { id } = address;
    return new Dialer({
      address,
      hello: () => this.#hello(id),
      random: this.#options.random,
      log: this.#options.log,
      tls: this.#dialing,
      up: () => this.#listener?.link?.(id, true, '', 'OUT'),
      down: (reason) => this.#listener?.link?.(id, false, reason, 'OUT'),
      told: (http, features) => this.#learn(id, http, features),
      stranger: (incarnation) => {
        const { disks = ANY_DISK } = this.#options;
        return incarnation === '' || disks.isOf(id, incarnation) ? undefined : otherDisk(id);
      },
      fault: (fault) => this.#count(fault),
    });
  }

  #createAcceptor(): Acceptor {
    const { self, cluster, log, tls } = this.#options;
    const { disks = ANY_DISK } = this.#options;
    const us = {
      ...{ self, cluster, disks },
      isMember: (id: string) => this.#peers.has(id),
      admits: (id: string, peer: string) => this.#admits(id, peer),
      incarnation: () => this.#options.incarnation?.() ?? '',
    };
    return new Acceptor({
      log,
      tls: tls === undefined ? undefined : { source: tls, us: { cluster, node: self } },
      answer: (hello) => answerHello(hello, { ...us, incarnation: us.incarnation() }, this.#http),
      up: (hello) => {
        log('info', 'incoming peer link up', { peer: hello.from, version: hello.version });
        this.#learn(hello.from, hello.http, hello.features);
        this.#peers.get(hello.from)?.dialer.dialNow();
        this.#listener?.link?.(hello.from, true, '', 'IN');
      },
      down: (id, reason) => {
        this.#guestLeft(id);
        this.#listener?.link?.(id, false, reason, 'IN');
      },
      payload: (id, payload) => this.#listener?.message(decodeMessage(payload, id, self)),
      received: (id, bytes) => {
        const peer = this.#peers.get(id);
        if (peer !== undefined) peer.receivedBytes += bytes;
      },
      fault: (fault) => this.#count(fault),
    });
  }

  #hello(to: string): Hello {
    const { cluster, self, version } = this.#options;
    return {
      ...{ protocol: PEER_PROTOCOL, oldest: PEER_PROTOCOL_OLDEST, features: FEATURES },
      ...{ cluster, from: self, to, version, http: this.#http },
      ...{ incarnation: this.#options.incarnation?.() ?? '', peer: this.#announced },
    };
  }

  /** A wildcard cannot be dialled. */
  get #announced(): string {
    const own = this.#options.members.find(({ id }) => id === this.#options.self);
    if (own === undefined) return this.#peer;
    return formatAddress(own);
  }

  #learn(id: string, http: string, features: number): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    peer.http = http;
    peer.features = features;
  }

  #count(fault: FrameFault): void {
    this.#faults[fault]++;
  }
}
