/**
 * One HTTP question and its whole answer, over connections that are kept for the next one.
 *
 * MUST: end within its time, hold no more of the answer than its limit, follow no redirect, and say of a failure what
 * kind it is (the link's state follows from it). MUST NOT: retry, except a GET on a kept connection that was already gone.
 */

import { type Agent, type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { StringDecoder } from 'node:string_decoder';
import { codeOf } from '../../../shared/private-file.ts';
import { tlsFault } from '../../../shared/tls.ts';
import { hostAndPort } from './address.ts';
import { isSecure, type TlsOptions } from './secure.ts';

/**
 * ABORTED: whoever asked does not want it any more. UNREACHABLE: no connection. BROKEN: it began and broke off.
 * TIMEOUT: the connection stands and the answer did not come. TOO_LARGE: the answer is over its limit. */
export type FailureKind = 'ABORTED' | 'UNREACHABLE' | 'BROKEN' | 'TIMEOUT' | 'TOO_LARGE';

/** `message` is one sentence without the node's name. */
export class RequestFailure extends Error {
  readonly kind: FailureKind;
  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RequestFailure';
    this.kind = kind;
  }
}

export interface Ask {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly token: string;
  readonly body?: Uint8Array;
  readonly contentType?: string;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** For an https:// address. */
  readonly tls?: TlsOptions;
  /** Called once when the connection stands and nothing was answered for `silentMs`. */
  readonly onSilent?: () => void;
  readonly silentMs?: number;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** UTF-8; bytes that are not show as replacement characters. */
  readonly body: string;
}

/** Asks `base` + path. Rejects with RequestFailure only. */
export async function ask(agent: Agent, base: string, question: Ask): Promise<Answered> {
  try {
    return await askOnce(agent, base, question);
  } catch (error) {
    // The server closed a kept connection while we wrote into it: nothing was answered, and a GET changes nothing.
    if (!(error instanceof StaleConnection) || question.method !== 'GET') throw error;
    return await askOnce(agent, base, question);
  }
}

class StaleConnection extends RequestFailure {}

function askOnce(agent: Agent, base: string, question: Ask): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const { signal, timeoutMs, maxBytes } = question;
    if (signal.aborted) {
      reject(new RequestFailure('ABORTED', 'it was not asked'));
      return;
    }
    const outgoing = open(agent, base, question);
    const connected = watchConnection(outgoing);
    let settled = false;
    // First what has arrived is read: when it was us who stood still, the answer may be there.
    const after = (ms: number | undefined, act: () => void) =>
      setTimeout(() => setImmediate(() => settled || act()), ms);
    const timers = [after(timeoutMs, () => fail(late(base, timeoutMs, connected())))];
    if (question.onSilent !== undefined) {
      timers.push(after(question.silentMs, () => connected() && question.onSilent?.()));
    }
    const abort = () => fail(new RequestFailure('ABORTED', 'it was given up'));
    const settle = () => {
      settled = true;
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    };
    const fail = (error: RequestFailure) => {
      settle();
      reject(error);
      outgoing.destroy();
    };
    signal.addEventListener('abort', abort);
    outgoing.on('error', (error) => fail(unreached(base, error, outgoing, connected())));
    outgoing.on('response', (incoming) => {
      collect(incoming, maxBytes, fail, (body) => {
        settle();
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body });
      });
    });
    outgoing.end(question.body);
  });
}

/** By the scheme of `base`. */
export const requestTo = (base: string): typeof plainRequest =>
  isSecure(base) ? secureRequest : plainRequest;

function open(agent: Agent, base: string, question: Ask): ClientRequest {
  const { method, path, token, body, contentType, tls } = question;
  return requestTo(base)(new URL(path, base), {
    ...tls,
    // A write must not meet a connection that is already gone: whether it took effect could not be told.
    agent: method === 'GET' ? agent : false,
    method,
    headers: {
      Accept: 'application/json',
      ...(token === '' ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined
        ? {}
        : {
            'Content-Type': contentType ?? 'application/octet-stream',
            'Content-Length': String(body.length),
          }),
    },
  });
}

/** Does the connection stand? Asked by the timers. */
export function watchConnection(outgoing: ClientRequest): () => boolean {
  let stands = false;
  outgoing.on('socket', (socket) => {
    if (!socket.connecting) stands = true;
    else socket.once('connect', () => (stands = true));
  });
  return () => stands;
}

/** Gathers a body of at most `maxBytes`. Half an answer is a failure, never an answer. */
export function collect(
  incoming: IncomingMessage,
  maxBytes: number,
  fail: (error: RequestFailure) => void,
  done: (body: string) => void,
): void {
  // Piece by piece: pages of a log as one buffer, and once more as a string, leave holes in the host's memory.
  const decoder = new StringDecoder('utf8');
  let body = '';
  let bytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      fail(new RequestFailure('TOO_LARGE', `its answer is larger than ${maxBytes} bytes`));
    } else body += decoder.write(chunk);
  });
  incoming.on('error', (error) => {
    fail(new RequestFailure('BROKEN', 'it broke off in the middle of an answer', { cause: error }));
  });
  incoming.on('end', () => done(body + decoder.end()));
}

function late(base: string, timeoutMs: number, connected: boolean): RequestFailure {
  const where = hostAndPort(base);
  return connected
    ? new RequestFailure('TIMEOUT', `it did not answer within ${timeoutMs / 1000} s`)
    : new RequestFailure('UNREACHABLE', `${where} did not accept a connection within ${timeoutMs / 1000} s`);
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'there is no way to it',
  EADDRNOTAVAIL: 'there is no such address here',
  EMFILE: 'this process has too many open files',
};

export function unreached(
  base: string,
  error: Error,
  outgoing: ClientRequest,
  connected: boolean,
): RequestFailure {
  const code = codeOf(error);
  const reason = `${hostAndPort(base)}: ${WORDS[code] ?? tlsFault(code) ?? (code.startsWith('HPE_') ? 'it does not speak HTTP' : code)}`;
  if (!connected) return new RequestFailure('UNREACHABLE', reason, { cause: error });
  if (outgoing.reusedSocket && code === 'ECONNRESET')
    return new StaleConnection('BROKEN', reason, { cause: error });
  return new RequestFailure('BROKEN', reason, { cause: error });
}
