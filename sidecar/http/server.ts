/**
 * The HTTP listener: binds, sets every timeout and limit, and stops gracefully.
 *
 * MUST: bind loopback only, unless it has TLS; answer what cannot be parsed with JSON too; stop within a bound.
 */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { refusal } from '../../shared/codes.ts';
import { LIMITS } from '../../shared/limits.ts';
import { codeOf } from '../../shared/private-file.ts';
import type { TlsSource } from '../../shared/tls.ts';
import { type HttpLog, rawRefusal, sendRefusal, setSecurityHeaders } from './answers.ts';
import { createApp } from './app.ts';
import { EventStreams, type StreamTimes } from './event-stream.ts';
import { addressToBind, createGate, createTlsGate, hostAndPort, isLoopbackAddress } from './gate.ts';
import type { ClientHost, HttpHost } from './host.ts';
import { createListener } from './listener.ts';
import { GATEWAY_ROUTES, ROUTES, type Route } from './routes.ts';
import type { TokenCheck } from './tokens.ts';
import { Traffic } from './traffic.ts';

export interface HttpOptions<Host = HttpHost> {
  readonly host: Host;
  /** A loopback literal (with TLS: any IP address) and a port, 0 for any. */
  readonly listen: { readonly host: string; readonly port: number };
  /** The certificate: then HTTPS is spoken, and nothing else. */
  readonly tls?: TlsSource | undefined;
  /** The host of our base URL where `listen` says "every address of this machine". */
  readonly publicHost?: string | undefined;
  readonly tokens: TokenCheck;
  readonly log: HttpLog;
  /** How long a request may take to arrive, in milliseconds; the limits unless a test is in a hurry. */
  readonly arrival?: { readonly headersMs: number; readonly receiveMs: number };
  /** The same for what event streams wait for. */
  readonly streamTimes?: StreamTimes;
}

const ARRIVAL = { headersMs: LIMITS.httpHeadersMs, receiveMs: LIMITS.httpReceiveMs };

export interface HttpServer {
  /** Base URL, with the port that was bound. */
  readonly url: string;
  readonly port: number;
  /** Takes no more connections, lets open requests finish for at most `graceMs`, then cuts them. Idempotent. */
  close(graceMs?: number): Promise<void>;
}

/** Starts the HTTP surface of a sidecar. Rejects with one clear sentence: RangeError for an address that may not be listened on, Error when it cannot be bound. */
export function startHttp(options: HttpOptions): Promise<HttpServer> {
  return serve(options, ROUTES);
}

/** Starts that of a gateway. Rejects as `startHttp` does. */
export function startGatewayHttp(options: HttpOptions<ClientHost>): Promise<HttpServer> {
  return serve(options, GATEWAY_ROUTES);
}

async function serve<Host>(options: HttpOptions<Host>, routes: readonly Route<Host>[]): Promise<HttpServer> {
  const { host, listen, tokens, log, arrival = ARRIVAL } = options;
  const { tls } = options;
  const address = addressToBind(listen.host, tls !== undefined);
  const server = createListener(tls, log, {
    // Our own check answers with JSON, and sees HTTP/1.0 and second Hosts too.
    requireHostHeader: false,
    insecureHTTPParser: false,
    maxHeaderSize: 16 * 1024,
    headersTimeout: arrival.headersMs,
    requestTimeout: arrival.receiveMs,
    keepAliveTimeout: LIMITS.httpKeepAliveMs,
    // How often the two timeouts above are looked at.
    connectionsCheckingInterval: arrival.headersMs / 10,
  });
  server.maxConnections = LIMITS.httpConnections;

  const port = await bind(server, address, listen.port);
  const traffic = new Traffic();
  let closed: Promise<void> | undefined;
  server.on('request', (_request, response) => {
    if (closed !== undefined) response.shouldKeepAlive = false;
    // Else a connection whose last answer is written would wait for its next request, and so would `close`.
    response.once('close', () => closed && setImmediate(() => server.closeIdleConnections()));
  });
  const streams = new EventStreams(options.streamTimes);
  const gate =
    tls === undefined ? createGate(address, port) : createTlsGate(address, () => tls.current().names);
  const afar = !isLoopbackAddress(address);
  server.on('request', createApp({ host, routes, tokens, log, gate, afar, traffic, streams }));
  server.on('clientError', (error, socket) => answerUnparsed(error, socket, traffic));
  server.on('checkExpectation', (_request, response) => {
    setSecurityHeaders(response);
    sendRefusal(response, refusal('BAD_REQUEST', 'only Expect: 100-continue is understood'), 417);
  });
  server.on('error', (error) => log.error({ err: error }, 'the HTTP listener failed'));

  return {
    url: `${tls === undefined ? 'http' : 'https'}://${hostAndPort(publicHost(address, options.publicHost), port)}`,
    port,
    close(graceMs = LIMITS.shutdownMs) {
      if (closed === undefined) {
        closed = stop(server, graceMs);
        streams.end();
      }
      return closed;
    },
  };
}

/** What others dial: a wildcard is no address. */
function publicHost(address: string, given: string | undefined): string {
  return (address === '0.0.0.0' || address === '::') && given !== undefined ? given : address;
}

function bind(server: Server, address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      const why = codeOf(error) === 'EADDRINUSE' ? 'another process has it' : codeOf(error);
      reject(new Error(`HTTP cannot listen on ${hostAndPort(address, port)}: ${why}`, { cause: error }));
    };
    server.once('error', failed);
    server.listen({ host: address, port, exclusive: true }, () => {
      server.off('error', failed);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** A request that is not HTTP, too slow or too long in its headers: there is no response object for it. */
function answerUnparsed(error: Error, socket: Duplex, traffic: Traffic): void {
  // Where a request of this connection is still open, whatever we wrote now would be taken for its answer.
  if (!socket.writable || traffic.openOn(socket) > 0 || isHandshake(codeOf(error))) {
    socket.destroy();
    return;
  }
  const [status, message] =
    {
      HPE_HEADER_OVERFLOW: [431, 'the headers are too long'] as const,
      HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'the chunk extensions are too long'] as const,
      ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request took too long to arrive'] as const,
    }[codeOf(error)] ?? ([400, 'this is not an HTTP request'] as const);
  socket.end(rawRefusal(status, refusal('BAD_REQUEST', message)));
}

/** It failed before there was a connection on which something could be said. */
function isHandshake(code: string): boolean {
  return code.startsWith('ERR_SSL_') || code === 'ERR_TLS_HANDSHAKE_TIMEOUT';
}

function stop(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const bound = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(bound);
      resolve();
    });
    server.closeIdleConnections();
  });
}
