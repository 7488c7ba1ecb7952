/**
 * Which replicas there are, and how each is reached: as named at start, or found by the endpoint files of this machine.
 *
 * MUST: give a token only to the replica whose file it is from; say why a file that is there was not used.
 */
import { isIPv4 } from 'node:net';
import { listEndpoints, readTokenFile } from '../../shared/endpoint-files.ts';
import type { EndpointFile } from '../../shared/inspect.ts';
import { LIMITS } from '../../shared/limits.ts';
import { PrivateFileError } from '../../shared/private-file.ts';

export type Address = { readonly path: string } | { readonly host: string; readonly port: number };

export interface Replica {
  readonly id: string;
  readonly address: Address;
  /** What its app socket wants to hear, where it is on TCP. */
  readonly token: string | undefined;
  /** Its HTTP base URL, where known. */
  readonly http: string | undefined;
}

/** Where an app socket is, as it is written: a path, `unix:PATH`, a Windows pipe or `tcp://HOST:PORT`. Throws RangeError ("must …"). */
export function parseAppSocket(text: string): Address {
  if (!text.startsWith('tcp://')) {
    const path = text.startsWith('unix:') ? text.slice('unix:'.length) : text;
    if (path !== '') return { path };
  } else if (URL.canParse(text)) {
    const { hostname, port, pathname, username } = new URL(text);
    const host = hostname.replace(/^\[|\]$/g, '');
    if (port !== '' && port !== '0' && pathname === '' && username === '')
      return onThisMachine(host, Number(port));
  }
  throw new RangeError(`must be unix:PATH or tcp://127.0.0.1:PORT, not "${text}"`);
}

/** A token in the clear must not leave the machine, and app sockets have no TLS. */
function onThisMachine(host: string, port: number): Address {
  if (host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.')))
    return { host, port };
  throw new RangeError(
    `must be on this machine, and ${host} is not: app sockets have no TLS, so bring it here by a tunnel (ssh -L)`,
  );
}

export interface Found {
  readonly replicas: readonly Replica[];
  /** Files that are there and do not count. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

/** The replicas of `cluster` that run on this machine as this user. */
export async function discover(cluster: string, root: string): Promise<Found> {
  const { endpoints, skipped } = await listEndpoints(root);
  const replicas: Replica[] = [];
  const left = [...skipped];
  for (const endpoint of endpoints) {
    if (endpoint.cluster !== cluster) continue;
    const found = await replicaOf(endpoint);
    if ('reason' in found) left.push(found);
    else if (replicas.length < LIMITS.gatewayReplicas) replicas.push(found);
    else left.push({ path: endpoint.node, reason: `${LIMITS.gatewayReplicas} replicas are known already` });
  }
  return { replicas, skipped: left };
}

async function replicaOf(endpoint: EndpointFile): Promise<Replica | { path: string; reason: string }> {
  const { node: id, appSocket, tokenFile, http } = endpoint;
  try {
    const address = parseAppSocket(appSocket);
    if ('path' in address) return { id, address, token: undefined, http };
    const tokens = await readTokenFile(tokenFile);
    if (tokens === undefined) return { path: tokenFile, reason: `the token file of ${id} is not there` };
    return { id, address, token: tokens.write, http };
  } catch (error) {
    if (error instanceof RangeError)
      return { path: appSocket, reason: `the app socket of ${id} ${error.message}` };
    if (error instanceof PrivateFileError) return { path: tokenFile, reason: error.message };
    throw error;
  }
}
