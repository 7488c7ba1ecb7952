/**
 * `fetch` for sidecars: over plain HTTP as Node.js has it, over HTTPS with the CA of the cluster.
 *
 * MUST: take a certificate only when the CA made it, or the system's CAs where none is given, and only when it names the node
 * or the host that was asked for; put no token on a connection before that. MUST NOT: follow redirects.
 */
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { Readable } from 'node:stream';
import type { NodeName } from '../../shared/node-certificate.ts';
import { codeOf } from '../../shared/private-file.ts';
import { wrongServer } from '../../shared/server-identity.ts';
import { tlsFault } from '../../shared/tls.ts';
import { usageError } from './errors.ts';

/** Whose certificate is taken. */
export interface Trust {
  /** PEM file of the CA; absent: the CAs of the system. */
  readonly ca?: string | undefined;
  /** Known from an endpoint file: a certificate of that node is as good as one of its host. */
  readonly node?: NodeName | undefined;
}

export interface Asked {
  readonly method?: string;
  readonly headers: Headers;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly signal: AbortSignal;
}

/** Answers and fails as `fetch` does. Throws CliError for a CA file that cannot be read. */
export async function fetchFrom(url: URL, asked: Asked, trust: Trust): Promise<Response> {
  if (url.protocol !== 'https:') return fetch(url, asked);
  const ca = trust.ca === undefined ? undefined : await readCa(trust.ca);
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      ...(ca === undefined ? {} : { ca }),
      method: asked.method ?? 'GET',
      headers: Object.fromEntries(asked.headers),
      signal: asked.signal,
      // A session of another connection proves nothing, and a question needs one connection.
      agent: false,
      checkServerIdentity: (host, certificate) => wrongServer(host, certificate, trust.node),
    });
    outgoing.on('response', (incoming) => resolve(responseOf(incoming)));
    outgoing.on('error', (error) => reject(asked.signal.aborted ? asked.signal.reason : error));
    outgoing.end(asked.body);
  });
}

/** What a failed connection means where it is about TLS; undefined where it is not. */
export function secureFault(error: unknown): string | undefined {
  return tlsFault(codeOf(error));
}

function responseOf(incoming: IncomingMessage): Response {
  const headers = new Headers();
  for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
    headers.append(incoming.rawHeaders[at] ?? '', incoming.rawHeaders[at + 1] ?? '');
  }
  const status = incoming.statusCode ?? 0;
  const empty = status === 204 || status === 304;
  if (empty) incoming.resume();
  const body = empty ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>);
  return new Response(body, { status, headers });
}

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const why = codeOf(error) === 'ENOENT' ? 'there is no such file' : codeOf(error);
    throw usageError(`the CA file ${path} cannot be read: ${why}.`);
  }
}
