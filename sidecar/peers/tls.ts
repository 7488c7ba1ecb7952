/**
 * Peers over TLS 1.3, both sides with a certificate: how one of us dials, and what is asked of whoever dials us.
 *
 * MUST: give no connection on before it was checked that the certificate is of our CA, valid now, and names the node that it
 * has to name; do so on every connection, since a resumed session would bring an old proof along; take nothing that is not
 * TLS; say to the other side and in the log why somebody was refused, since within TLS 1.3 a dialer only learns that the
 * connection ended. MUST NOT: be on the path of a message: once checked, a TLS socket is a socket.
 */
import { constants, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  connect,
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { LIMITS } from '../../shared/limits.ts';
import { anotherThan, type NodeName, nodeOf, readNames } from '../../shared/node-certificate.ts';
import { certificateFault, type TlsMaterial, type TlsSource, tlsFault } from '../../shared/tls.ts';
import type { PeerAddress } from './contract.ts';
import { encodeHelloReply, type Hello, type HelloReply } from './hello-codec.ts';
import type { RefusalLog } from './refusal-log.ts';
import { connectOptions, failureSentence, type Log } from './sockets.ts';

/**
 * Do these first bytes begin TLS (a handshake record of version 3.1 to 3.4)? As the length of a hello they would be far over
 * LIMITS.peerHelloBytes. Of fewer than three bytes: could they?
 */
export function isTls([type, major, minor]: Uint8Array): boolean {
  if (type !== 0x16 || (major !== undefined && major !== 0x03)) return false;
  return minor === undefined || (minor >= 1 && minor <= 4);
}

/** A refusal in place of the reply to hello. */
export function refuse(code: string, message: string): HelloReply {
  return { ok: false, code, message, http: '', features: 0, incarnation: '' };
}

function contextOptions({ ca, cert, key }: TlsMaterial): SecureContextOptions {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...{ cert, key, minVersion: 'TLSv1.3' },
    // No tickets: a session is never resumed, so that every connection is checked anew.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/**
 * Who stands at the other end, as its certificate proves; or why that is not proven, in one sentence. Asked once for a
 * connection: of a dialer's socket, Node.js gives the certificate out only the first time.
 */
export function proven(socket: TLSSocket): NodeName | { readonly problem: string } {
  if (socket.isSessionReused()) return { problem: 'the TLS session was resumed, which proves nothing now' };
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { problem: 'it showed no certificate' };
  if (!socket.authorized) {
    const error: unknown = socket.authorizationError;
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return { problem: faultOf(code, certificate) };
  }
  return nodeOf(readNames(certificate.subjectAltName));
}

function faultOf(code: string, { validTo, validFrom }: X509Certificate): string {
  const words = certificateFault(code) ?? `the certificate is refused (${code})`;
  if (code === 'CERT_HAS_EXPIRED') return `${words} (${day(validTo)})`;
  return code === 'CERT_NOT_YET_VALID' ? `${words} (from ${day(validFrom)})` : words;
}

function day(text: string): string {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date.toISOString().slice(0, 10);
}

/** Why `hello` may not be said over a connection whose certificate is of `node`; undefined where it may. */
export function notTheSpeaker({ node, cluster }: NodeName, hello: Hello): HelloReply | undefined {
  if (hello.cluster === cluster && hello.from === node) return undefined;
  const [says, is] = [`${hello.cluster}/${hello.from}`, `${cluster}/${node}`].map((name) =>
    JSON.stringify(name),
  );
  return refuse('CERTIFICATE', `the certificate is of ${is}, and its hello says ${says}`);
}

/** The dialing side. */
export class TlsDialing {
  readonly #source: TlsSource;
  readonly #cluster: string;
  #made: { readonly of: TlsMaterial; readonly context: SecureContext } | undefined;

  constructor(source: TlsSource, cluster: string) {
    this.#source = source;
    this.#cluster = cluster;
  }

  /** Begins to connect. `secureConnect` follows, or `error`; then ask `refusal` before a byte is sent. */
  dial({ host, port }: PeerAddress): TLSSocket {
    const socket = connect({
      ...{ host, port },
      secureContext: this.#context(),
      rejectUnauthorized: true,
      // Peers are named by their certificates, not by the addresses at which they are found.
      checkServerIdentity: () => undefined,
    });
    // TLS does not take these from its options.
    socket.once('connect', () => {
      socket.setNoDelay(connectOptions.noDelay);
      socket.setKeepAlive(connectOptions.keepAlive, connectOptions.keepAliveInitialDelay);
    });
    return socket;
  }

  /** Why what answered at the address of `id` is not that node; undefined where it is. Asked once for a connection. */
  refusal(socket: TLSSocket, id: string): string | undefined {
    const found = proven(socket);
    const wanted = { cluster: this.#cluster, node: id };
    const wrong = 'problem' in found ? found.problem : anotherThan(wanted, found);
    return wrong === undefined ? undefined : `at the address of ${id}: ${wrong}`;
  }

  #context(): SecureContext {
    const of = this.#source.current();
    if (this.#made?.of !== of) this.#made = { of, context: createSecureContext(contextOptions(of)) };
    return this.#made.context;
  }
}

/** What failed on a TLS connection, in words. */
export function tlsFailure(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  // Node.js says it so when the other side hung up, and says nothing of a system call.
  if (code === 'ECONNRESET' && !('syscall' in error)) return 'the connection ended within the TLS handshake';
  return tlsFault(code) ?? failureSentence(error);
}

interface Pending {
  readonly raw: Socket;
  readonly deadline: NodeJS.Timeout;
}

export interface TlsDoorOptions {
  readonly source: TlsSource;
  /** Our own cluster and node. */
  readonly us: NodeName;
  readonly log: Log;
  readonly refusals: RefusalLog;
  /** It is TLS, and the certificate is that of `node`, of our cluster. */
  admitted(socket: TLSSocket, node: NodeName): void;
}

/** The accepting side: takes raw connections, hands on those that proved who they are. */
export class TlsDoor {
  readonly #options: TlsDoorOptions;
  readonly #server: Server;
  /** Connections in their handshake, by their remote end: that is how the TLS server names them back to us. */
  readonly #pending = new Map<string, Pending>();
  /** Connections that were refused and are told so. */
  readonly #leaving = new Set<Socket>();
  #full = false;

  constructor(options: TlsDoorOptions) {
    this.#options = options;
    const { source } = options;
    // Who is not authorized is admitted by nobody: `#secured` refuses it, and can say why, which `rejectUnauthorized` cannot.
    this.#server = createServer({
      ...contextOptions(source.current()),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: LIMITS.peerHandshakeMs,
    });
    this.#server.on('secureConnection', (socket) => this.#secured(socket));
    this.#server.on('tlsClientError', (error, socket) => this.#failed(error, socket));
    source.onChange(() => this.#server.setSecureContext(contextOptions(source.current())));
  }

  take(raw: Socket): void {
    const full = this.#pending.size >= LIMITS.tlsHandshakes;
    if (full && !this.#full) {
      const reason = `over ${LIMITS.tlsHandshakes} TLS handshakes at once`;
      this.#options.log('warn', 'peer connection refused', { reason });
    }
    this.#full = full;
    const key = endOf(raw);
    if (full || key === undefined) {
      raw.destroy();
      return;
    }
    const deadline = setTimeout(() => {
      this.#options.refusals.say(raw, '', 'TLS', `no TLS handshake within ${LIMITS.peerHandshakeMs} ms`);
      this.#forget(key);
      raw.destroy();
    }, LIMITS.peerHandshakeMs);
    this.#pending.set(key, { raw, deadline });
    raw.on('close', () => this.#forget(key, raw));
    // What fails before TLS has it: the peer went away.
    raw.on('error', () => raw.destroy());
    raw.once('readable', () => this.#look(raw, key));
  }

  close(): void {
    for (const [key, { raw }] of this.#pending) {
      this.#forget(key);
      raw.destroy();
    }
    for (const socket of this.#leaving) socket.destroy();
  }

  /** The first byte tells TLS from everything else, so that whoever speaks the plain protocol can be answered in it. */
  #look(raw: Socket, key: string): void {
    const head: Buffer | null = raw.read();
    if (head === null) {
      // It said nothing and ended; or it is gone already.
      raw.destroy();
      return;
    }
    if (!isTls(head)) {
      this.#forget(key);
      this.#refuse(raw, 'TLS_REQUIRED', `${this.#options.us.node} takes TLS connections only`);
      return;
    }
    raw.unshift(head);
    this.#server.emit('connection', raw);
  }

  #secured(socket: TLSSocket): void {
    const key = endOf(socket);
    if (key !== undefined) this.#forget(key);
    const { us, admitted } = this.#options;
    const found = proven(socket);
    if ('problem' in found)
      this.#refuse(socket, 'CERTIFICATE', `${us.node} refuses the certificate: ${found.problem}`);
    else if (found.cluster !== us.cluster) {
      const [ours, theirs] = [JSON.stringify(us.cluster), JSON.stringify(found.cluster)];
      this.#refuse(
        socket,
        'WRONG_CLUSTER',
        `${us.node} belongs to cluster ${ours}, and the certificate is of ${theirs}`,
      );
    } else admitted(socket, found);
  }

  #failed(error: Error, socket: TLSSocket): void {
    const key = endOf(socket);
    // Those that were refused before are not told of again.
    if (key === undefined || !this.#pending.has(key)) return;
    this.#options.refusals.say(socket, '', 'TLS', tlsFailure(error));
    this.#forget(key);
  }

  /** Tells it why, and closes. It may not listen: then the deadline closes. */
  #refuse(socket: Socket, code: string, message: string): void {
    this.#options.refusals.say(socket, '', code, message);
    this.#leaving.add(socket);
    const deadline = setTimeout(() => socket.destroy(), LIMITS.peerHandshakeMs);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(deadline);
      this.#leaving.delete(socket);
    });
    // What it still sends is thrown away: closing over unread bytes would cut our answer off.
    socket.resume();
    socket.end(encodeHelloReply(refuse(code, message)));
  }

  #forget(key: string, only?: Socket): void {
    const pending = this.#pending.get(key);
    if (pending === undefined || (only !== undefined && pending.raw !== only)) return;
    clearTimeout(pending.deadline);
    this.#pending.delete(key);
  }
}

function endOf({ remoteAddress, remotePort }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`;
}
