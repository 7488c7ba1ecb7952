/** Addresses of peers as text: HOST:PORT, and [HOST]:PORT where the host is IPv6. */
import type { PeerAddress } from './contract.ts';

export function formatAddress({ host, port }: Pick<PeerAddress, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Undefined where it is none that can be dialled. */
export function parseAddress(id: string, text: string | undefined): PeerAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text ?? '');
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) return undefined;
  return { id, host: match[1] ?? match[2] ?? '', port };
}
