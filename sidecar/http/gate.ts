/**
 * The door before every route: who may even ask. It keeps web pages and other hosts out (DNS rebinding,
 * cross-site requests), whatever the routes behind it do.
 *
 * MUST: judge by literals only, since each clever rule of this kind has been a hole in some server; look at
 * the raw header list, since node's parsed headers hide a second Host; know nothing of routes and tokens.
 */
import type { IncomingMessage } from 'node:http';
import { isIP, isIPv4 } from 'node:net';
import { type Refusal, refusal } from '../../shared/codes.ts';
import { type CertificateNames, plainIp } from '../../shared/node-certificate.ts';

/** A refusal with the HTTP status it is answered with. */
export interface GateRefusal {
  readonly status: number;
  readonly refusal: Refusal;
}

/**
 * The address to bind for `host`: a loopback literal, or with TLS any IP address. Throws RangeError with one sentence for
 * everything else: without TLS tokens must not leave the machine.
 */
export function addressToBind(host: string, secure: boolean): string {
  // Not looked up: a name is whatever the resolver says.
  if (host === 'localhost') return '127.0.0.1';
  if (isLoopbackAddress(host) || (secure && isIP(host) !== 0)) return host;
  const found = JSON.stringify(host);
  throw new RangeError(
    secure
      ? `HTTP listens on an IP address, not on ${found}: names are whatever the resolver says`
      : `HTTP without TLS listens on loopback only (127.0.0.0/8, ::1 or localhost), not on ${found}: tokens must not cross a network in the clear`,
  );
}

/** True for addresses that no other machine reaches. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || (isIPv4(address) && address.startsWith('127.'));
}

/** `host:port` as it is written in a URL. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export type Gate = (request: IncomingMessage) => GateRefusal | undefined;

/** Which Hosts are ours, and what the Origin of a page of a Host is. */
interface Allowed {
  host(host: string): boolean;
  readonly scheme: 'http' | 'https';
  /** How to ask instead. */
  readonly hint: () => string;
}

/** The check for a listener bound to `address` and `port`: a refusal, or undefined to let the request in. */
export function createGate(address: string, port: number): Gate {
  const hosts = new Set([address, '127.0.0.1', '::1', 'localhost'].map((host) => hostAndPort(host, port)));
  // Clients leave out the port that HTTP has by default.
  if (port === 80) for (const host of [...hosts]) hosts.add(host.slice(0, -':80'.length));
  const hint = hostAndPort(address, port);
  return gateOf({ host: (host) => hosts.has(host), scheme: 'http', hint: () => hint });
}

/**
 * The same with TLS. Hosts are those that the certificate names, at any port (a balancer or a tunnel has its own), and the
 * address that was bound: whoever checks the certificate asks for no other. A wildcard in a certificate is not one of them.
 */
export function createTlsGate(address: string, names: () => CertificateNames): Gate {
  const host = (text: string): boolean => {
    const name = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::\d{1,5})?$/.exec(text);
    if (name === null) return false;
    const [, ipv6, plain = ''] = name;
    const asked = ipv6 === undefined ? plain.toLowerCase() : plainIp(ipv6);
    const { dns, ips } = names();
    return asked === plainIp(address) || dns.includes(asked) || ips.includes(asked);
  };
  const hint = (): string => [...names().dns, ...names().ips].join(', ') || address;
  return gateOf({ host, scheme: 'https', hint });
}

function gateOf(allowed: Allowed): Gate {
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
    if (!found.host.every((host) => allowed.host(host))) {
      return foreign(`this Host is not ours; use ${allowed.hint()}`);
    }
    if (!found.origin.every((origin) => isOurs(origin, found.host[0] ?? '', allowed))) {
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

/** A page may ask where it came from. Without TLS all names of this port are one place. */
function isOurs(origin: string, host: string, { scheme, host: known }: Allowed): boolean {
  const prefix = `${scheme}://`;
  if (!origin.startsWith(prefix)) return false;
  const at = origin.slice(prefix.length);
  return scheme === 'https' ? at.toLowerCase() === host.toLowerCase() : known(at);
}

function bad(message: string): GateRefusal {
  return { status: 400, refusal: refusal('BAD_REQUEST', message) };
}

function foreign(message: string): GateRefusal {
  return { status: 403, refusal: refusal('FORBIDDEN', message) };
}
