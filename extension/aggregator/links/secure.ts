/**
 * The connections of one link: plain ones on this machine, and TLS ones whose server has to prove itself.
 *
 * MUST: take a certificate only when the CA of the cluster made it (or one of the system's, where no CA is known) and it names
 * the node or the host; read the CA file each time it is needed, since it may be renewed. MUST NOT: resume sessions.
 */
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { type RequestOptions, Agent as SecureAgent } from 'node:https';
import type { Socket } from 'node:net';
import { codeOf } from '../../../shared/private-file.ts';
import { wrongServer } from '../../../shared/server-identity.ts';
import { InspectError } from '../contract.ts';

/** Whose certificate is taken. Empty where it is not known. */
export interface Trust {
  /** PEM file. */
  readonly ca: string;
  readonly cluster: string;
  readonly node: string;
}

export type TlsOptions = Pick<RequestOptions, 'ca' | 'checkServerIdentity'>;

export function isSecure(base: string): boolean {
  return base.startsWith('https:');
}

/** What a request to `base` needs besides; nothing where it is plain. Rejects with InspectError. */
export async function tlsOptionsFor(base: string, { ca, cluster, node }: Trust): Promise<TlsOptions> {
  if (!isSecure(base)) return {};
  const meant = cluster === '' || node === '' ? undefined : { cluster, node };
  const checkServerIdentity: RequestOptions['checkServerIdentity'] = (host, certificate) =>
    wrongServer(host, certificate, meant);
  if (ca === '') return { checkServerIdentity };
  try {
    return { ca: await readFile(ca, 'utf8'), checkServerIdentity };
  } catch (error) {
    throw new InspectError(`the CA file ${ca} cannot be read (${codeOf(error)})`, { cause: error });
  }
}

/** Keeps connections for the next question. */
export class Connections {
  readonly #plain = new Agent({ keepAlive: true, maxFreeSockets: 2 });
  readonly #secure = new SecureAgent({ keepAlive: true, maxFreeSockets: 2, maxCachedSessions: 0 });

  /** `kept`: may a connection that nobody uses stay? */
  constructor(kept: () => boolean) {
    for (const agent of [this.#plain, this.#secure]) {
      agent.on('free', (socket: Socket) => {
        if (!kept()) socket.destroy();
      });
    }
  }

  agentFor(base: string): Agent {
    return isSecure(base) ? this.#secure : this.#plain;
  }

  closeIdle(): void {
    for (const { freeSockets } of [this.#plain, this.#secure]) {
      for (const sockets of Object.values(freeSockets)) for (const socket of sockets ?? []) socket.destroy();
    }
  }

  destroy(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }
}
