/**
 * The port that HAProxy's agent-check asks: each connection is answered at once with one line, and closed.
 *
 * MUST: bind loopback only; read nothing of what is sent (it is thrown away, within a bound); say only operational
 * words (`up`, `down`): the administrative ones (`ready`, `drain`, `maint`) would undo what an operator set by hand.
 */
import { createServer, isIPv4, type Server, type Socket } from 'node:net';
import { LIMITS } from '../../shared/limits.ts';
import { codeOf } from '../../shared/private-file.ts';
import type { Standing } from './contract.ts';

export interface AgentOptions {
  /** A loopback literal and a port, 0 for any. */
  readonly listen: { readonly host: string; readonly port: number };
  /** The line for whoever asks now, without its end. */
  readonly answer: () => string;
  readonly onFault: (error: Error) => void;
}

/** For a backend of leaders: no weight, so that what an operator set by hand stays. */
export function leaderLine({ share, reason }: Standing): string {
  return share > 0 ? 'up' : `down ${remark(reason)}`;
}

/** For a backend of all nodes that can serve. */
export function readyLine({ share, reason }: Standing): string {
  return share > 0 ? `up ${share}%` : `down ${remark(reason)}`;
}

/** What HAProxy shows on its stats page: plain, one line, short. */
function remark(reason: string): string {
  return `#${reason.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, LIMITS.agentReasonChars)}`;
}

export class AgentServer {
  readonly #options: AgentOptions;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#serve(socket));
    this.#server.maxConnections = LIMITS.agentConnections;
  }

  /** Resolves with HOST:PORT as bound. Rejects with one sentence when it cannot be. */
  listen(): Promise<string> {
    const { listen, onFault } = this.#options;
    const host = listen.host === 'localhost' ? '127.0.0.1' : listen.host;
    if (host !== '::1' && !(isIPv4(host) && host.startsWith('127.'))) {
      return Promise.reject(new RangeError(`the agent-check port must be on loopback, not on ${host}`));
    }
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        const why = codeOf(error) === 'EADDRINUSE' ? 'another process has it' : codeOf(error);
        reject(
          new Error(`the agent-check cannot listen on ${printed(host, listen.port)}: ${why}`, {
            cause: error,
          }),
        );
      };
      this.#server.once('error', failed);
      this.#server.listen({ host, port: listen.port, exclusive: true }, () => {
        this.#server.off('error', failed).on('error', onFault);
        const address = this.#server.address();
        resolve(printed(host, typeof address === 'object' && address !== null ? address.port : 0));
      });
    });
  }

  #serve(socket: Socket): void {
    this.#open.add(socket);
    const timer = setTimeout(() => socket.destroy(), LIMITS.agentMs);
    socket
      .on('close', () => {
        clearTimeout(timer);
        this.#open.delete(socket);
      })
      // Whoever asks may be gone before it has its answer: it will ask again.
      .on('error', () => socket.destroy())
      // Unread bytes would turn our close into a reset, which can overtake the answer.
      .on('data', () => {
        if (socket.bytesRead > LIMITS.agentBytes) socket.destroy();
      });
    socket.end(`${this.#options.answer()}\n`);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#open) socket.destroy();
    });
  }
}

function printed(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
