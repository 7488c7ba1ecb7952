/**
 * The configuration of `outrigger gateway`: its flags, checked as a whole.
 *
 * MUST: refuse anything wrong with one clear sentence that names the flag, and exit code 2. MUST NOT: start anything.
 */
import { basename, dirname, extname, join, resolve } from 'node:path';
import { endpointRoot, listEndpoints, NAME_PATTERN, readTokenFile } from '../../shared/endpoint-files.ts';
import { LIMITS } from '../../shared/limits.ts';
import { PrivateFileError } from '../../shared/private-file.ts';
import type { GatewayOptions } from '../gateway/gateway.ts';
import { parseAppSocket, type Replica } from '../gateway/replicas.ts';
import { isLoopback, NAME_RULE, parseAddress } from './address.ts';
import { SOCKET_PATH_BYTES } from './config.ts';
import { usageError } from './errors.ts';
import { narrow } from './targets.ts';

export interface GatewayFlags {
  readonly id?: string;
  readonly cluster?: string;
  readonly replicas?: string;
  readonly tokenFile?: string;
  readonly appSocket?: string;
  readonly httpListen?: string;
  readonly httpTlsCert?: string;
  readonly httpTlsKey?: string;
  readonly clientTokenFile?: string;
  readonly logLevel?: GatewayOptions['logLevel'];
}

/** Reads token and endpoint files too. Throws CliError (exit code 2). */
export async function loadGatewayConfig(
  flags: GatewayFlags,
  env: NodeJS.ProcessEnv,
): Promise<GatewayOptions> {
  const id = flags.id ?? 'gateway';
  if (!NAME_PATTERN.test(id)) throw usageError(`--id ${NAME_RULE}.`);
  if (flags.cluster !== undefined && !NAME_PATTERN.test(flags.cluster)) {
    throw usageError(`--cluster ${NAME_RULE}.`);
  }
  if (flags.appSocket === undefined)
    throw usageError('missing --app-socket: where clients reach this gateway.');
  const appListen = checked('--app-socket', () => listenAt(flags.appSocket ?? ''));
  const root = endpointRoot(env);
  const replicas =
    flags.replicas === undefined ? [] : await namedReplicas(flags.replicas, flags.tokenFile, flags.cluster);
  if (replicas.length === 0 && flags.tokenFile !== undefined) {
    throw usageError(
      '--token-file goes with --replicas: replicas of this machine are found with their tokens.',
    );
  }
  const httpTls = httpFiles(flags);
  return {
    ...{ id, replicas, endpointRoot: root, appListen },
    cluster: flags.cluster ?? (await onlyCluster(root)),
    httpListen: checked('--http-listen', () =>
      httpListen(flags.httpListen ?? '127.0.0.1:0', httpTls !== undefined),
    ),
    ...(httpTls === undefined ? {} : { httpTls }),
    tokenFile: clientTokenFile(flags.clientTokenFile, appListen),
    logLevel: flags.logLevel ?? 'info',
  };
}

/** A RangeError ("must …") as what is wrong with this flag. */
function checked<T>(flag: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`${flag} ${error.message}.`);
    throw error;
  }
}

/** Where clients connect: port 0 takes a free one. */
function listenAt(text: string): GatewayOptions['appListen'] {
  if (text.startsWith('tcp://')) {
    const address = parseAddress(text.slice('tcp://'.length));
    if (!isLoopback(address.host)) throw new RangeError('must be on this machine: tcp://127.0.0.1:PORT');
    return { tcp: address };
  }
  if (text.startsWith('\\\\.\\pipe\\')) return { path: text };
  const path = resolve(text);
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES) {
    throw new RangeError(`must be at most ${SOCKET_PATH_BYTES} bytes long as a path, and ${path} is longer`);
  }
  return { path };
}

/** The certificate for HTTP, and its key: both or none. */
function httpFiles({ httpTlsCert: cert, httpTlsKey: key }: GatewayFlags): GatewayOptions['httpTls'] {
  if (cert === undefined && key === undefined) return undefined;
  if (key === undefined) throw usageError('--http-tls-cert needs --http-tls-key too.');
  if (cert === undefined) throw usageError('--http-tls-key needs --http-tls-cert too.');
  return { cert: resolve(cert), key: resolve(key) };
}

function httpListen(text: string, secure: boolean): GatewayOptions['httpListen'] {
  const address = parseAddress(text);
  if (secure || isLoopback(address.host)) return address;
  throw new RangeError(
    `has the host ${address.host}, which other machines can reach, and that needs TLS: give --http-tls-cert and --http-tls-key (docs/tls.md), or use 127.0.0.1`,
  );
}

/** The tokens that clients show: beside the socket, unless it is said where. */
function clientTokenFile(given: string | undefined, listen: GatewayOptions['appListen']): string {
  if (given !== undefined) return resolve(given);
  if (!('path' in listen) || listen.path.startsWith('\\\\')) {
    throw usageError(
      'missing --client-token-file: which tokens clients must show (it is made when it is not there).',
    );
  }
  const name = basename(listen.path, extname(listen.path));
  return join(dirname(listen.path), `${name}.tokens.json`);
}

/** `n1=unix:PATH,n2=tcp://127.0.0.1:7001`. */
async function namedReplicas(
  text: string,
  tokenFiles: string | undefined,
  cluster: string | undefined,
): Promise<Replica[]> {
  if (cluster === undefined)
    throw usageError('missing --cluster: the name of the cluster that --replicas are of.');
  const tokens = tokenFileOf(tokenFiles);
  const replicas: Replica[] = [];
  for (const [id, place] of pairs('--replicas', text)) {
    const address = checked(`--replicas: the app socket of ${id}`, () => parseAppSocket(place));
    if (replicas.some((other) => other.id === id)) throw usageError(`--replicas names ${id} twice.`);
    const token = 'path' in address ? undefined : await readToken(id, tokens(id));
    replicas.push({ id, address, token, http: undefined });
  }
  if (replicas.length > LIMITS.gatewayReplicas) {
    throw usageError(
      `--replicas names ${replicas.length} replicas, and a gateway takes ${LIMITS.gatewayReplicas}.`,
    );
  }
  return replicas;
}

function pairs(flag: string, text: string): [id: string, value: string][] {
  return text.split(',').map((part): [string, string] => {
    const at = part.indexOf('=');
    const id = part.slice(0, Math.max(0, at)).trim();
    if (at < 1 || !NAME_PATTERN.test(id))
      throw usageError(`${flag} must be ID=…,ID=…, but has "${part.trim()}".`);
    return [id, part.slice(at + 1).trim()];
  });
}

/** One file for all, or ID=FILE,ID=FILE,…: each sidecar mints its own. */
function tokenFileOf(text: string | undefined): (id: string) => string | undefined {
  if (text === undefined) return () => undefined;
  if (!text.includes('=')) return () => text;
  const files = new Map(pairs('--token-file', text));
  return (id) => files.get(id);
}

async function readToken(id: string, file: string | undefined): Promise<string> {
  if (file === undefined) {
    throw usageError(`${id} is reached over TCP, which needs its token: --token-file ${id}=FILE.`);
  }
  try {
    const tokens = await readTokenFile(resolve(file));
    if (tokens !== undefined) return tokens.write;
  } catch (error) {
    if (error instanceof PrivateFileError) throw usageError(`--token-file: ${error.message}.`);
    throw error;
  }
  throw usageError(`--token-file: ${file} is not there.`);
}

/** The cluster of this machine, where there is exactly one. */
async function onlyCluster(root: string): Promise<string> {
  const { endpoints } = await listEndpoints(root);
  const [first] = endpoints;
  if (first === undefined) {
    throw usageError('no sidecar of this user runs on this machine: name --cluster, and its --replicas.');
  }
  return narrow(endpoints, undefined, undefined)[0]?.cluster ?? first.cluster;
}
