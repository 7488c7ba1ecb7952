/**
 * What both directions do with TCP: options, and failures in words.
 */

/** Peers notice a machine that vanished by Raft's heartbeats; keepalive frees connections nobody writes on. */
const KEEPALIVE_MS = 10_000;

export const connectOptions = {
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEPALIVE_MS,
} as const;

export type Log = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the peer closed the connection',
  ETIMEDOUT: 'the connection timed out',
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'this machine does not have that address',
  EACCES: 'permission denied',
  ENOTFOUND: 'the name does not resolve',
};

/** What a socket error means, in words where we have them. */
export function failureSentence(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  return WORDS[code] ?? (code || error.message);
}
