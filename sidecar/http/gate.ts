/**
 * The door before every route: who may even ask. It keeps web pages and other hosts out (DNS rebinding,
 * cross-site requests), whatever the routes behind it do.
 *
 * MUST: judge by literals only, since each clever rule of this kind has been a hole in some server; look at
 * the raw header list, since node's parsed headers hide a second Host; know nothing of routes and tokens.
 */
import type { IncomingMessage } from 'node:http';
import { isIPv4 } from 'node:net';
import { type Refusal, refusal } from '../../shared/codes.ts';

/** A refusal with the HTTP status it is answered with. */
export interface GateRefusal {
  readonly status: number;
  readonly refusal: Refusal;
}

/**
 * The address to bind for `host`, which must be a loopback literal. Throws RangeError with one sentence for
 * everything else: this surface has no TLS, so its tokens must not leave the machine.
 */
export function loopbackAddress(host: string): string {
  // Not looked up: a name is whatever the resolver says.
  if (host === 'localhost') return '127.0.0.1';
  if (host === '::1' || (isIPv4(host) && host.startsWith('127.'))) return host;
  throw new RangeError(
    `HTTP listens on loopback only (127.0.0.0/8, ::1 or localhost), not on ${JSON.stringify(host)}: it has no TLS yet, and tokens must not cross a network in the clear`,
  );
}

/** `host:port` as it is written in a URL. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The check for a listener bound to `address` and `port`: a refusal, or undefined to let the request in. */
export function createGate(
  address: string,
  port: number,
): (request: IncomingMessage) => GateRefusal | undefined {
  const hosts = new Set([address, '127.0.0.1', '::1', 'localhost'].map((host) => hostAndPort(host, port)));
  // Clients leave out the port that HTTP has by default.
  if (port === 80) for (const host of [...hosts]) hosts.add(host.slice(0, -':80'.length));
  const origins = new Set([...hosts].map((host) => `http://${host}`));

  return ({ url, rawHeaders }) => {
    const found = { host: [] as string[], origin: [] as string[], 'sec-fetch-site': [] as string[] };
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      const name = rawHeaders[at]?.toLowerCase();
      if (name === 'host' || name === 'origin' || name === 'sec-fetch-site') {
        found[name].push(rawHeaders[at + 1] ?? '');
      }
    }
    if (found.host.length !== 1) {
      return bad(`a request has exactly one Host header, this one has ${found.host.length}`);
    }
    if (!found.host.every((host) => hosts.has(host))) {
      return foreign(`this Host is not ours; use ${hostAndPort(address, port)}`);
    }
    if (!found.origin.every((origin) => origins.has(origin))) {
      return foreign('requests from other web origins are refused');
    }
    if (found['sec-fetch-site'].some((site) => site.toLowerCase() === 'cross-site')) {
      return foreign('cross-site requests of web pages are refused');
    }
    if (url === undefined || !url.startsWith('/'))
      return bad('the request target must be a path that starts with /');
    return undefined;
  };
}

function bad(message: string): GateRefusal {
  return { status: 400, refusal: refusal('BAD_REQUEST', message) };
}

function foreign(message: string): GateRefusal {
  return { status: 403, refusal: refusal('FORBIDDEN', message) };
}
