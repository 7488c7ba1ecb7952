/**
 * The listener itself: HTTP, or HTTPS with a certificate that may change while it listens.
 *
 * MUST: speak TLS only, where there is a certificate: who speaks plainly is cut off at the first byte; bound the handshakes
 * that are open, in number and in time.
 */
import { createServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { LIMITS } from '../../shared/limits.ts';
import { codeOf } from '../../shared/private-file.ts';
import { type TlsMaterial, type TlsSource, tlsFault } from '../../shared/tls.ts';
import type { HttpLog } from './answers.ts';

export function createListener(tls: TlsSource | undefined, log: HttpLog, options: ServerOptions): Server {
  if (tls === undefined) return createServer(options);
  const server = createSecureServer({
    ...options,
    ...contextOf(tls.current()),
    handshakeTimeout: LIMITS.tlsHandshakeMs,
  });
  tls.onChange(() => server.setSecureContext(contextOf(tls.current())));
  boundHandshakes(server, log);
  return server;
}

/** Clients and balancers of others: TLS 1.2 is still spoken. Ours is proved by the certificate, theirs by a token. */
function contextOf({ cert, key }: TlsMaterial) {
  return { cert, key, minVersion: 'TLSv1.2' as const };
}

function boundHandshakes(server: Server, log: HttpLog): void {
  const open = new Set<string>();
  const failures = new Map<string, number>();
  let full = false;
  // Before the TLS of the server gets it: a connection that is destroyed here costs no handshake.
  const secure = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    const key = endOf(socket);
    const over = open.size >= LIMITS.tlsHandshakes;
    if (over && !full) log.warn({ limit: LIMITS.tlsHandshakes }, 'too many TLS handshakes at once');
    full = over;
    if (over) {
      socket.destroy();
      return;
    }
    open.add(key);
    socket.once('close', () => open.delete(key));
    for (const begin of secure) begin.call(server, socket);
  });
  server.on('secureConnection', (socket: TLSSocket) => open.delete(endOf(socket)));
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    const from = socket.remoteAddress ?? '';
    const code = codeOf(error);
    // Somebody who hangs up is no news: port checks do.
    if (code === 'ECONNRESET') return;
    const reason = tlsFault(code) ?? code;
    const what = `${from} ${reason}`;
    const now = performance.now();
    if (now - (failures.get(what) ?? Number.NEGATIVE_INFINITY) < LIMITS.tlsRefusalMs) return;
    if (failures.size >= LIMITS.tlsRefusals) failures.clear();
    failures.set(what, now);
    log.warn({ from, reason }, 'HTTP connection refused');
  });
}

function endOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
