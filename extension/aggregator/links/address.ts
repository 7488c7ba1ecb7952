/**
 * Which addresses we are ready to talk to: plain HTTP on this machine, HTTPS anywhere. Everything else is refused before a
 * byte is sent, wherever the address came from (a file, a peer, a person).
 *
 * MUST: judge literals only, never look a name up; say in one sentence why an address is refused.
 */
import { isIPv4 } from 'node:net';
import { InspectError } from '../contract.ts';

const MAX_CHARS = 200;

/** The base URL (`http://127.0.0.1:9001`) that `text` names; without a scheme it is plain HTTP. Throws InspectError. */
export function sidecarUrl(text: string): string {
  const given = text.trim();
  if (given === '') throw new InspectError('there is no address');
  const shown = JSON.stringify(given.slice(0, MAX_CHARS));
  if (given.length > MAX_CHARS) throw new InspectError(`${shown} is too long for an address`);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(given)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') {
    throw new InspectError(`${shown} is not http or https`);
  }
  let url: URL;
  try {
    url = new URL(scheme === undefined ? `http://${given}` : given);
  } catch (error) {
    throw new InspectError(`${shown} is not an address; write 127.0.0.1:PORT`, { cause: error });
  }
  if (url.username !== '' || url.password !== '' || !/^\/?$/.test(url.pathname) || url.search || url.hash) {
    throw new InspectError(`${shown} has more than a host and a port; write http://127.0.0.1:PORT`);
  }
  if (scheme === 'https') return url.origin;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (host === 'localhost') url.hostname = '127.0.0.1';
  else if (host !== '::1' && !(isIPv4(host) && host.startsWith('127.'))) {
    throw new InspectError(
      `${shown} is not on this machine: only loopback (127.0.0.0/8, ::1, localhost) is contacted by plain HTTP; write https:// for others`,
    );
  }
  return url.origin;
}

/** `127.0.0.1:9001`: how an address is shown. */
export function hostAndPort(http: string): string {
  return http.replace(/^https?:\/\//, '');
}
