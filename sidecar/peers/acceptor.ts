/**
 * The incoming side: listens, checks each hello, then only reads.
 *
 * MUST: hand out nothing before a hello was accepted, and send nothing but the one reply to it. MUST close
 * a connection at its first wrong byte, and harm no other by that. One connection per peer: a newer one
 * takes the place of the older, which a restarted peer may have left behind.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { LIMITS } from '../../shared/limits.ts';
import type { NodeName } from '../../shared/node-certificate.ts';
import type { TlsSource } from '../../shared/tls.ts';
import { FrameError, type FrameFault, FrameReader } from './framing.ts';
import { decodeHello, encodeHelloReply, type Hello, type HelloReply } from './hello-codec.ts';
import { RefusalLog } from './refusal-log.ts';
import { connectOptions, failureSentence, type Log } from './sockets.ts';
import { isTls, notTheSpeaker, refuse, TlsDoor } from './tls.ts';

export interface AcceptorOptions {
  answer(hello: Hello): HelloReply;
  readonly log: Log;
  /** Given: only TLS connections are taken, of `us.cluster`, and a hello says nothing else than its certificate. */
  readonly tls?: { readonly source: TlsSource; readonly us: NodeName } | undefined;
  /** `hello.from` may send from now on. */
  up(hello: Hello): void;
  down(id: string, reason: string): void;
  /** One payload from an accepted peer. May throw FrameError: then its connection closes. */
  payload(id: string, payload: Buffer): void;
  /** Bytes that came from an accepted peer. */
  received(id: string, bytes: number): void;
  /** Somebody broke the protocol. */
  fault(fault: FrameFault): void;
}

/** One incoming connection. `from` is '' until its hello was accepted. */
interface Incoming {
  readonly socket: Socket;
  /** Whom its certificate names, where there is TLS. */
  readonly certified: NodeName | undefined;
  from: string;
  open: boolean;
  /** Until its hello was accepted. */
  deadline: NodeJS.Timeout | undefined;
}

export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #server: Server;
  readonly #all = new Set<Incoming>();
  readonly #byPeer = new Map<string, Incoming>();
  readonly #door: TlsDoor | undefined;
  readonly #refusals: RefusalLog;
  #closing: Promise<void> | undefined;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    const { log, tls } = options;
    this.#refusals = new RefusalLog(log);
    const admitted = (socket: Socket, node: NodeName): void => this.#accept(socket, node);
    this.#door =
      tls === undefined ? undefined : new TlsDoor({ ...tls, log, refusals: this.#refusals, admitted });
    this.#server = createServer(connectOptions, (socket) =>
      this.#door === undefined ? this.#accept(socket, undefined) : this.#door.take(socket),
    );
    this.#server.maxConnections = LIMITS.peerConnections;
    this.#server.on('drop', () => {
      options.log('warn', 'peer connection refused', {
        reason: `over ${LIMITS.peerConnections} connections`,
      });
    });
  }

  /** Rejects with one clear sentence. */
  async listen(host: string, port: number): Promise<{ host: string; port: number }> {
    this.#server.listen({ host, port });
    try {
      await once(this.#server, 'listening');
    } catch (error) {
      const why = error instanceof Error ? failureSentence(error) : String(error);
      throw new Error(`cannot listen for peers on ${host} port ${port}: ${why}`, { cause: error });
    }
    if (this.#closing !== undefined) {
      this.#server.close();
      throw new Error('the peer listener was closed while it started');
    }
    this.#server.on('error', (error) => {
      this.#options.log('error', 'peer listener', { reason: failureSentence(error) });
    });
    // A TCP server's address is an AddressInfo; the other types are for pipes and closed servers.
    const { address, port: bound } = this.#server.address() as AddressInfo;
    return { host: address, port: bound };
  }

  /** Closes the connection of a peer that is no member any more. */
  disconnect(id: string, reason: string): void {
    const connection = this.#byPeer.get(id);
    if (connection !== undefined) this.#end(connection, reason);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const wasListening = this.#server.listening;
    const closed = wasListening ? once(this.#server, 'close') : undefined;
    if (wasListening) this.#server.close();
    this.#door?.close();
    for (const connection of this.#all) this.#end(connection, 'this node is closing');
    await closed;
  }

  #accept(socket: Socket, certified: NodeName | undefined): void {
    if (this.#closing !== undefined) {
      socket.destroy();
      return;
    }
    const connection: Incoming = { socket, certified, from: '', open: true, deadline: undefined };
    this.#all.add(connection);
    const reader: FrameReader = new FrameReader(LIMITS.peerHelloBytes, (payload) => {
      if (connection.from !== '') this.#options.payload(connection.from, payload);
      else this.#greet(connection, reader, payload);
      return connection.open;
    });
    connection.deadline = setTimeout(() => {
      this.#end(connection, `no hello within ${LIMITS.peerHandshakeMs} ms`);
    }, LIMITS.peerHandshakeMs);
    socket.on('data', (chunk) => {
      if (connection.from !== '') this.#options.received(connection.from, chunk.length);
      else if (certified === undefined && connection.open && chunk.length > 2 && isTls(chunk)) {
        this.#refuse(connection, '', refuse('PLAIN', 'it speaks TLS, and this node has no certificate'));
      }
      if (connection.open) this.#read(connection, reader, chunk);
    });
    socket.on('error', (error) => this.#end(connection, failureSentence(error)));
    socket.on('end', () => this.#end(connection, 'the peer closed the connection'));
    socket.on('close', () => this.#end(connection, 'the connection closed'));
  }

  #read(connection: Incoming, reader: FrameReader, chunk: Buffer): void {
    try {
      reader.push(chunk);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#options.fault(error.fault);
      this.#options.log('warn', 'peer connection broke the protocol', {
        peer: connection.from,
        fault: error.fault,
        reason: error.message,
      });
      this.#end(connection, error.message);
    }
  }

  #greet(connection: Incoming, reader: FrameReader, payload: Buffer): void {
    const hello = decodeHello(payload);
    const { certified } = connection;
    const liar = certified === undefined ? undefined : notTheSpeaker(certified, hello);
    const reply = liar ?? this.#options.answer(hello);
    if (!reply.ok) {
      this.#refuse(connection, hello.from, reply);
      return;
    }
    const older = this.#byPeer.get(hello.from);
    if (older !== undefined) this.#end(older, 'the peer connected again');
    clearTimeout(connection.deadline);
    connection.from = hello.from;
    this.#byPeer.set(hello.from, connection);
    reader.maxBytes = LIMITS.peerFrameBytes;
    connection.socket.write(encodeHelloReply(reply));
    this.#options.up(hello);
  }

  /** The dialer reads our reply and hangs up; if it does not, the handshake's deadline ends it. */
  #refuse(connection: Incoming, peer: string, reply: HelloReply): void {
    this.#refusals.say(connection.socket, peer, reply.code, reply.message);
    connection.open = false;
    connection.socket.end(encodeHelloReply(reply));
  }

  #end(connection: Incoming, reason: string): void {
    connection.open = false;
    clearTimeout(connection.deadline);
    connection.socket.destroy();
    if (!this.#all.delete(connection) || connection.from === '') return;
    if (this.#byPeer.get(connection.from) === connection) this.#byPeer.delete(connection.from);
    this.#options.log('info', 'incoming peer link down', { peer: connection.from, reason });
    this.#options.down(connection.from, reason);
  }
}
