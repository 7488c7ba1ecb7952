/**
 * The rule that peers without TLS talk on this machine only.
 *
 * MUST: refuse every address that could leave the machine, before anything binds or dials it.
 */
import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host === 'localhost';
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/**
 * Throws an Error with one sentence unless `host` is in 127.0.0.0/8, `::1` or `localhost`.
 * `what` opens the sentence, for example `the address of n2`.
 */
export function assertLoopback(host: string, what: string): void {
  if (isLoopback(host)) return;
  throw new Error(
    `${what} ${JSON.stringify(host)} is not a loopback address; addresses off this machine need TLS (--tls-ca, --tls-cert, --tls-key)`,
  );
}
