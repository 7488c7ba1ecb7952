/**
 * Strings the checks together, in this order: door (`gate.ts`), path and method, token, load, body, handler.
 *
 * MUST: let no route be reached past one of them. MUST NOT: send CORS headers, trust proxies, or override methods.
 */
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { refusal } from '../../shared/codes.ts';
import { LIMITS } from '../../shared/limits.ts';
import { type HttpLog, HttpRefusal, sendError, setSecurityHeaders } from './answers.ts';
import type { EventStreams } from './event-stream.ts';
import type { Gate } from './gate.ts';
import { badRequest } from './input.ts';
import { BODY_BYTES, type Route } from './routes.ts';
import { allows, type Scope, type TokenCheck } from './tokens.ts';
import type { Traffic } from './traffic.ts';

export interface AppOptions<Host> {
  readonly host: Host;
  readonly routes: readonly Route<Host>[];
  readonly tokens: TokenCheck;
  readonly log: HttpLog;
  readonly gate: Gate;
  /** Other machines can reach this listener. */
  readonly afar: boolean;
  readonly traffic: Traffic;
  readonly streams: EventStreams;
}

type Step = (request: Request, response: Response, next: NextFunction) => void;

/** The routes and the order of their checks. Listens on nothing. */
export function createApp<Host>(options: AppOptions<Host>): Express {
  const { gate, log } = options;
  const app = express();
  app.set('x-powered-by', false);
  app.set('etag', false);
  app.set('trust proxy', false);
  app.set('query parser', 'simple');
  app.set('case sensitive routing', true);
  app.set('strict routing', true);

  app.use((request: Request, response: Response, next: NextFunction) => {
    setSecurityHeaders(response);
    const refused = gate(request);
    if (refused !== undefined) throw new HttpRefusal(refused.refusal, refused.status);
    next();
  });
  for (const path of new Set(options.routes.map((route) => route.path))) addPath(app, path, options);
  app.use(() => {
    throw new HttpRefusal(refusal('NOT_FOUND', 'there is no such path'));
  });
  // Express knows an error handler by its four parameters.
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    sendError(response, error, log);
  });
  return app;
}

const METHODS = { GET: 'get', POST: 'post', DELETE: 'delete' } as const;

/** The routes of one path, and 405 for every other method. */
function addPath<Host>(app: Express, path: string, options: AppOptions<Host>): void {
  const { host, tokens, traffic, streams } = options;
  const routes = options.routes.filter((route) => route.path === path);
  const at = app.route(path);
  for (const route of routes) {
    const scope = options.afar ? (route.scopeAfar ?? route.scope) : route.scope;
    at[METHODS[route.method]](
      ...(scope === 'open' ? [] : [authorize(scope, tokens), admit(traffic)]),
      ...bodySteps(route),
      (request: Request, response: Response) => route.handler(request, response, host, streams),
    );
  }
  const Allow = routes.flatMap(methodsOf).join(', ');
  for (const route of routes.filter(({ probe }) => probe)) {
    at.options((request: Request, response: Response) => {
      response.setHeader('Allow', Allow);
      return route.handler(request, response, host, streams);
    });
  }
  at.all(() => {
    throw new HttpRefusal(refusal('BAD_REQUEST', `this path takes ${Allow} only`), 405, { Allow });
  });
}

/** The methods by which a route can be asked. */
function methodsOf({ method, probe }: Pick<Route, 'method' | 'probe'>): string[] {
  if (method !== 'GET') return [method];
  return ['GET', 'HEAD', ...(probe ? ['OPTIONS'] : [])];
}

/** 401 without one of our tokens, 403 when it does not open this scope. A token counts in this header only. */
function authorize(scope: Scope, tokens: TokenCheck): Step {
  return (request, _response, next) => {
    const given = request.headersDistinct['authorization'] ?? [];
    const token =
      given.length === 1 ? /^Bearer ([A-Za-z0-9_-]{1,256})$/i.exec(given[0] ?? '')?.[1] : undefined;
    const held = token === undefined ? undefined : tokens.scopeOf(token);
    if (held === undefined) {
      const message = 'this needs the header "Authorization: Bearer TOKEN" with a token of this sidecar';
      const headers = { 'WWW-Authenticate': 'Bearer realm="outrigger"' };
      throw new HttpRefusal(refusal('UNAUTHORIZED', message), 401, headers);
    }
    if (!allows(held, scope)) {
      throw new HttpRefusal(refusal('FORBIDDEN', `this needs the ${scope} token, not the ${held} token`));
    }
    next();
  };
}

/** Bounds the requests that wait, so that a client that pipelines without reading costs bounded memory. */
function admit(traffic: Traffic): Step {
  return (request, response, next) => {
    if (traffic.open >= LIMITS.httpRequests) {
      const message = `${LIMITS.httpRequests} HTTP requests wait already`;
      throw new HttpRefusal(refusal('OVERLOADED', message, { retryAfterMs: 1000 }));
    }
    traffic.begin(request.socket, response);
    next();
  };
}

/** Reads the body, where the route takes one. Elsewhere it is left alone, and node throws it away. */
function bodySteps(route: Pick<Route, 'body'>): Step[] {
  if (route.body === 'none') return [];
  const limit = BODY_BYTES[route.body];
  const precheck: Step = (request, _response, next) => {
    const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
    if (route.body === 'json' && type !== 'application/json') {
      throw badRequest('this route takes a body with Content-Type: application/json', 415);
    }
    // Said at once, not after all of it was sent.
    if (Number(request.headers['content-length'] ?? 0) > limit) {
      throw new HttpRefusal(
        refusal('TOO_LARGE', `the body is larger than the ${limit} bytes this route takes`),
      );
    }
    next();
  };
  const options = { limit, inflate: false, type: () => true };
  return [precheck, route.body === 'json' ? express.json(options) : express.raw(options)];
}
