/**
 * A client of a balanced cluster over HTTP, one connection per request.
 *
 * MUST: count as definite only what a sidecar said is definite. What HAProxy itself answers (502, 503, 504 without our
 * JSON), and a connection that broke, say nothing about what became of a request.
 */
import { type OutgoingHttpHeaders, request } from 'node:http';

const ANSWER_MS = 20_000;

export interface Answer {
  /** 0 when the connection broke. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export type Outcome =
  | { readonly kind: 'ok'; readonly answer: Answer }
  | { readonly kind: 'definite' | 'indefinite'; readonly answer: Answer; readonly code: string };

export interface Ask {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array;
}

/** One request on a connection of its own. Never rejects. */
export function ask(url: string, { method = 'GET', headers = {}, body = '' }: Ask = {}): Promise<Answer> {
  return new Promise((resolve) => {
    const broken = (error: Error): void => resolve({ status: 0, headers: {}, body: error.message });
    const sent = request(url, {
      method,
      headers: { ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' },
      agent: false,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    sent.on('error', broken);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('latin1').on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', broken);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    sent.end(body);
  });
}

export function outcomeOf(answer: Answer): Outcome {
  if (answer.status >= 200 && answer.status < 300) return { kind: 'ok', answer };
  try {
    const { code, definite } = JSON.parse(answer.body) as { code?: unknown; definite?: unknown };
    if (typeof code === 'string') {
      return { kind: definite === true ? 'definite' : 'indefinite', answer, code };
    }
  } catch {
    // Not a sidecar's answer.
  }
  return { kind: 'indefinite', answer, code: answer.status === 0 ? 'BROKEN' : `HTTP_${answer.status}` };
}

/** What a number in a header says; NaN where there is none. */
export function numberIn({ headers }: Answer, name: string): number {
  return Number(headers[name]);
}
