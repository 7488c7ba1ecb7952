/** HOST:PORT and the member list, as people write them. MUST refuse anything else with one clear sentence. */
import { NAME_PATTERN } from '../../shared/endpoint-files.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Member extends Address {
  readonly id: string;
}

/** What `NAME_PATTERN` says, as the end of a sentence. */
export const NAME_RULE = 'must be 1 to 64 letters, digits, ".", "_" or "-", and begin with a letter or digit';

/** `127.0.0.1:7001`, `host:7001`, `[::1]:7001`. Throws RangeError with a sentence that begins with "must". */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new RangeError(
      `must be HOST:PORT with a port from 0 to 65535 (an IPv6 host in [ ]), not "${text}"`,
    );
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Hosts that nothing off this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** Hosts that mean "every address of this machine". */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** `n1=HOST:PORT,n2=HOST:PORT`. Throws RangeError with a sentence that begins with "must". */
export function parseMembers(text: string): Member[] {
  const parts = text.split(',').map((part) => part.trim());
  return checkMembers(
    parts.map((part) => {
      const at = part.indexOf('=');
      if (at < 1) throw new RangeError(`must be ID=HOST:PORT,ID=HOST:PORT,…, but has "${part}"`);
      return [part.slice(0, at), part.slice(at + 1)];
    }),
  );
}

/** Pairs of id and address, from the flag or from the configuration file. */
export function checkMembers(pairs: readonly (readonly [string, string])[]): Member[] {
  const members: Member[] = [];
  for (const [id, text] of pairs) {
    if (!NAME_PATTERN.test(id))
      throw new RangeError(`must name valid nodes, but "${id}" is not: an id ${NAME_RULE}`);
    const address = memberAddress(id, text);
    if (members.some((member) => member.id === id)) {
      throw new RangeError(`must name each node once, but has ${id} twice`);
    }
    const same = members.find((member) => member.host === address.host && member.port === address.port);
    if (same !== undefined) {
      throw new RangeError(`must give each node its own address, but ${same.id} and ${id} share ${text}`);
    }
    members.push({ id, ...address });
  }
  if (members.length === 0) throw new RangeError('must name at least one node');
  return members;
}

function memberAddress(id: string, text: string): Address {
  let address: Address;
  try {
    address = parseAddress(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`must give ${id} an address as HOST:PORT, not "${text}"`);
  }
  if (address.port === 0) {
    throw new RangeError(`must give ${id} a fixed port: other nodes cannot dial ${text}`);
  }
  if (isWildcard(address.host)) {
    throw new RangeError(`must give ${id} an address that others can dial, not ${text}`);
  }
  return address;
}
