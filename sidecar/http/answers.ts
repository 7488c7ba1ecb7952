/**
 * How answers are written: security headers on every one, JSON `{code, definite, message, …}` for every error.
 *
 * MUST: never show a stack trace or the text of an unexpected error; promise `definite` only where it is true.
 */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import { type ErrorCode, type Refusal, refusal } from '../../shared/codes.ts';

/** What the daemon's logger (pino) offers. */
export interface HttpLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Thrown by checks and handlers; becomes the answer. */
export class HttpRefusal extends Error {
  readonly status: number;
  readonly refusal: Refusal;
  readonly headers: Readonly<Record<string, string>>;

  constructor(refused: Refusal, status?: number, headers: Readonly<Record<string, string>> = {}) {
    super(refused.message);
    this.name = 'HttpRefusal';
    this.status = status ?? STATUS[refused.code];
    this.refusal = refused;
    this.headers = headers;
  }
}

/** Which HTTP status a code is answered with. */
export const STATUS: Readonly<Record<ErrorCode, number>> = {
  BAD_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  NOT_LEADER: 409,
  TERM_CHANGED: 409,
  SESSION_UNKNOWN: 409,
  SEQUENCE_GAP: 409,
  SKIPPED: 409,
  TOO_LARGE: 413,
  INTERNAL: 500,
  UNSUPPORTED: 501,
  OVERLOADED: 503,
  APP_ABSENT: 503,
  APP_AHEAD: 503,
  APP_DIVERGED: 503,
  NOT_READY: 503,
  LEADER_LOST: 503,
  SHUTTING_DOWN: 503,
  TIMEOUT: 504,
  NO_SPACE: 507,
};

/** On every answer, also on refusals. No CORS header is ever sent: other origins have no business here. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

export function setSecurityHeaders(response: ServerResponse): void {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
}

/** Ends the response with these bytes (to HEAD, node sends the headers only). */
export function sendBytes(response: ServerResponse, status: number, type: string, body: Uint8Array): void {
  response.statusCode = status;
  response.setHeader('Content-Type', type);
  response.setHeader('Content-Length', body.length);
  response.end(body);
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  sendBytes(response, status, 'application/json; charset=utf-8', Buffer.from(`${JSON.stringify(body)}\n`));
}

export function sendRefusal(response: ServerResponse, refused: Refusal, status = STATUS[refused.code]): void {
  if (refused.retryAfterMs !== undefined) {
    response.setHeader('Retry-After', Math.max(1, Math.ceil(refused.retryAfterMs / 1000)));
  }
  setPlainHeader(response, 'X-Outrigger-Leader', refused.leader);
  sendJson(response, status, refused);
}

/** Sets a header whose value came from elsewhere; one that is absent or not plain ASCII is left out. */
export function setPlainHeader(
  response: ServerResponse,
  name: string,
  value: string | null | undefined,
): void {
  if (value && /^[\x21-\x7e]{1,512}$/.test(value)) response.setHeader(name, value);
}

/** Answers whatever was thrown on the way. */
export function sendError(response: ServerResponse, error: unknown, log: HttpLog): void {
  const known = error instanceof HttpRefusal ? error : fromExpress(error);
  if (known === undefined) log.error({ err: error }, 'an HTTP request failed unexpectedly');
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(known?.headers ?? {})) response.setHeader(name, value);
  if (known !== undefined) sendRefusal(response, known.refusal, known.status);
  else
    sendRefusal(
      response,
      refusal('INTERNAL', 'this request met a fault of the sidecar; its log has the cause'),
    );
}

/** The same error as text for a socket that has no response object (a request that could not be parsed). */
export function rawRefusal(status: number, refused: Refusal): string {
  const body = `${JSON.stringify(refused)}\n`;
  const headers = {
    ...SECURITY_HEADERS,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`;
}

/** What express and its body parsers throw for a client's mistake; undefined for everything else. */
function fromExpress(error: unknown): HttpRefusal | undefined {
  if (!(error instanceof Error)) return undefined;
  const type = 'type' in error ? error.type : undefined;
  const bad = (message: string, status = 400) => new HttpRefusal(refusal('BAD_REQUEST', message), status);
  switch (type) {
    case 'entity.too.large':
      return new HttpRefusal(refusal('TOO_LARGE', 'the body is larger than this route takes'));
    case 'entity.parse.failed':
      return bad('the body is not valid JSON');
    case 'encoding.unsupported':
      return bad('a compressed body is not taken', 415);
    case 'charset.unsupported':
      return bad('a JSON body must be UTF-8', 415);
    case 'request.aborted':
    case 'request.size.invalid':
      return bad('the body ended before its announced length');
    default:
  }
  // Set by the router for a path that is not valid percent-encoding.
  if (error instanceof URIError) return bad('the path is not valid percent-encoding');
  return undefined;
}
