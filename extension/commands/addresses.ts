/**
 * Addresses of sidecars that people type.
 *
 * MUST: be pure; refuse what would send a token in the clear over a network.
 */

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

export type ParsedAddress =
  | { readonly ok: true; readonly address: string }
  /** One sentence. */
  | { readonly ok: false; readonly reason: string };

/** An HTTP base URL without path. `host:port` alone means `http://host:port`. */
export function parseAddress(text: string): ParsedAddress {
  const trimmed = text.trim();
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed) ? trimmed : `http://${trimmed}`;
  if (trimmed === '' || !URL.canParse(whole))
    return refused('Type an address such as http://127.0.0.1:7001.');
  const url = new URL(whole);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return refused('An address begins with http:// or https://.');
  }
  if (url.username !== '' || url.password !== '')
    return refused('An address holds no user name or password.');
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    return refused('An address ends after the port: no path, no query.');
  }
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    return refused('Beyond this machine only https:// is used, since a token goes with each request.');
  }
  return { ok: true, address: url.origin };
}

function refused(reason: string): ParsedAddress {
  return { ok: false, reason };
}
