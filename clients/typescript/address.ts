/** Where nodes listen: the path of a Unix socket (or Windows pipe), or `tcp://HOST:PORT` with that node's token. */
import type { NetConnectOpts } from 'node:net';
import { definite } from './errors.ts';

/** A node by its address alone, or with the token it asks for (TCP). */
export type Address = string | { readonly address: string; readonly token?: string | undefined };

export interface Place {
  /** As the caller wrote it; never has the token. */
  readonly name: string;
  readonly to: NetConnectOpts;
  readonly token: string | undefined;
}

const TCP = /^tcp:\/\/(?:\[([0-9a-fA-F:.%]+)\]|([^:/\s@]+)):(\d{1,5})$/;

/** Throws Definite BAD_REQUEST with what is wrong with an address. */
export function placeOf(given: Address): Place {
  const { address, token } = typeof given === 'string' ? { address: given, token: undefined } : given;
  if (!address.includes('://')) {
    if (address === '' || address.includes('\0'))
      throw definite('BAD_REQUEST', 'an address is empty, or no path');
    return { name: address, to: { path: address }, token };
  }
  const match = TCP.exec(address);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port < 1 || port > 65_535) {
    throw definite(
      'BAD_REQUEST',
      `an address is the path of a socket or tcp://HOST:PORT, not ${withoutSecrets(address)}`,
    );
  }
  return { name: address, to: { host, port, noDelay: true }, token };
}

/** What stands before an @ may be a token that somebody put there. */
function withoutSecrets(address: string): string {
  return address.replace(/\/\/[^/]*@/, '//…@');
}
