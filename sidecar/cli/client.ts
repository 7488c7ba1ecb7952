/**
 * Talks to one sidecar over HTTP (PROTOCOL §3). Refusals become one line with exit code 1.
 *
 * MUST: say of a failed write whether it may still take effect. MUST NOT retry.
 */
import { readTokenFile } from '../../shared/endpoint-files.ts';
import type { NodeStatus, TokenFile } from '../../shared/inspect.ts';
import { CliError, messageOf, usageError } from './errors.ts';
import { type Asked, fetchFrom, secureFault, type Trust } from './secure-fetch.ts';

/** Where a sidecar is, and where its tokens are. */
export interface Target {
  /** Node id, or the address where only that is known. */
  readonly name: string;
  readonly http: string;
  readonly tokenFile: string | undefined;
  /** Whose certificate is taken at an https:// address. */
  readonly trust?: Trust;
}

export interface Answer {
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** How long a question may take; a proposal waits for a quorum and the app. Milliseconds. */
const QUESTION_MS = 5_000;
const PROPOSAL_MS = 15_000;

/** It took the question and gave no answer in time: it is stuck, not gone. */
export class SilentError extends CliError {}

export class Client {
  readonly target: Target;

  constructor(target: Target) {
    this.target = target;
  }

  /** GET of a JSON answer. Without `scope` no token is sent. Throws CliError. */
  async get<T>(path: string, scope?: keyof TokenFile): Promise<T> {
    return this.#json<T>(await this.#request('GET', path, scope, undefined, QUESTION_MS));
  }

  /** How the node is. Where its address is HTTPS it may be off this machine, where that needs a token. Throws CliError. */
  status(): Promise<NodeStatus> {
    const { http, tokenFile } = this.target;
    const scope = http.startsWith('https:') && tokenFile !== undefined ? 'view' : undefined;
    return this.get<NodeStatus>('/v1/status', scope);
  }

  /** POST of a JSON body for a JSON answer. Throws CliError. */
  async post<T>(path: string, scope: keyof TokenFile, body: unknown, timeoutMs = PROPOSAL_MS): Promise<T> {
    const answer = await this.#request('POST', path, scope, JSON.stringify(body), timeoutMs);
    return this.#json<T>(answer);
  }

  /** DELETE for a JSON answer. Throws CliError. */
  async delete<T>(path: string, scope: keyof TokenFile, timeoutMs = PROPOSAL_MS): Promise<T> {
    return this.#json<T>(await this.#request('DELETE', path, scope, undefined, timeoutMs));
  }

  /** POST of bytes for bytes. Throws CliError. */
  postBytes(path: string, scope: keyof TokenFile, body: Uint8Array<ArrayBuffer>): Promise<Answer> {
    return this.#request('POST', path, scope, body, PROPOSAL_MS);
  }

  /** GET of an event stream that resumes after `lastId` ('': from its beginning); the answer's body is still to come. Throws CliError. */
  async stream(path: string, scope: keyof TokenFile, lastId: string, signal: AbortSignal): Promise<Response> {
    const headers = new Headers({ Authorization: `Bearer ${await this.#token(scope)}` });
    if (lastId !== '') headers.set('Last-Event-ID', lastId);
    const response = await this.#fetch(path, { headers, signal });
    if (response.ok) return response;
    throw refused(response.status, new Uint8Array(await response.arrayBuffer()), this.target.name);
  }

  /** One line that says that, and why, this sidecar could not be talked to. */
  unreachable(error: unknown): string {
    return this.#unreachable(error, 'GET', QUESTION_MS);
  }

  async #request(
    method: string,
    path: string,
    scope: keyof TokenFile | undefined,
    body: string | Uint8Array<ArrayBuffer> | undefined,
    timeoutMs: number,
  ): Promise<Answer> {
    const headers = new Headers();
    if (scope !== undefined) headers.set('Authorization', `Bearer ${await this.#token(scope)}`);
    if (body !== undefined) {
      headers.set('Content-Type', typeof body === 'string' ? 'application/json' : 'application/octet-stream');
    }
    const signal = AbortSignal.timeout(timeoutMs);
    const init = body === undefined ? { method, headers, signal } : { method, headers, signal, body };
    let response: Response;
    let bytes: Uint8Array;
    try {
      response = await this.#fetch(path, init);
      bytes = new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      if (error instanceof CliError) throw error;
      const sentence = this.#unreachable(error, method, timeoutMs);
      throw isTimeout(error) ? new SilentError(sentence) : new CliError(sentence);
    }
    if (!response.ok) throw refused(response.status, bytes, this.target.name);
    return { headers: response.headers, body: bytes };
  }

  #fetch(path: string, asked: Asked): Promise<Response> {
    return fetchFrom(new URL(path, this.target.http), asked, this.target.trust ?? {});
  }

  async #token(scope: keyof TokenFile): Promise<string> {
    const file = this.target.tokenFile;
    if (file === undefined) {
      throw usageError('this needs a token: give the token file of that sidecar with --token-file FILE.');
    }
    const tokens = await readTokenFile(file).catch((error: unknown) => {
      throw usageError(`${messageOf(error)}.`);
    });
    if (tokens === undefined) throw usageError(`the token file ${file} does not exist.`);
    return tokens[scope];
  }

  #json<T>(answer: Answer): T {
    try {
      return JSON.parse(Buffer.from(answer.body).toString('utf8'));
    } catch (error) {
      throw new CliError(`${this.target.http} did not answer with JSON: ${messageOf(error)}.`);
    }
  }

  #unreachable(error: unknown, method: string, timeoutMs: number): string {
    const { name, http } = this.target;
    const where = name === http ? http : `${name} (${http})`;
    if (isTimeout(error)) {
      const unsure = method === 'POST' ? ' It may still take effect.' : '';
      return `${where} did not answer within ${timeoutMs / 1000} s.${unsure}`;
    }
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return `${where} cannot be reached: ${secureFault(cause) ?? (messageOf(cause) || messageOf(error))}.`;
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

function refused(status: number, body: Uint8Array, name: string): CliError {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (error) {
    return new CliError(`${name} answered ${status} without saying why (${messageOf(error)}).`);
  }
  const { code, definite, message } = {
    ...(parsed as { code?: string; definite?: boolean; message?: string }),
  };
  const unsure = definite === false ? ' It may still take effect.' : '';
  return new CliError(
    `${name} answered ${code ?? status}: ${(message ?? 'no reason given').replace(/\.?$/, '.')}${unsure}`,
  );
}
