/**
 * Every route, in tables: method, path, the scope that opens it, the body it takes, and its handler.
 *
 * MUST: hold everything that can be asked for, so that a test walks the tables and no route escapes its checks.
 */
import { LIMITS } from '../../shared/limits.ts';
import { downloadSnapshot } from './download.ts';
import * as handlers from './handlers.ts';
import type { ClientHost, HttpHost } from './host.ts';
import { page, pageScript, pageStyle } from './page.ts';
import type { Scope } from './tokens.ts';

export interface Route<Host = HttpHost> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** In express' words. Matched exactly: letter case and a trailing slash count. */
  readonly path: string;
  /** `open`: no token, because it shows no payload and changes nothing. */
  readonly scope: Scope | 'open';
  /** What opens it where other machines can ask: they need not know how a cluster is. Absent: as here. */
  readonly scopeAfar?: Scope;
  readonly body: 'none' | 'json' | 'bytes';
  readonly handler: handlers.Handler<Host>;
  /** Load balancers ask this: OPTIONS, which HAProxy sends unless told otherwise, is answered like HEAD. */
  readonly probe?: true;
}

/** What a client needs, of a sidecar and of a gateway. */
const CLIENT_ROUTES: readonly Route<ClientHost>[] = [
  { method: 'GET', path: '/livez', scope: 'open', body: 'none', handler: handlers.livez, probe: true },
  { method: 'GET', path: '/readyz', scope: 'open', body: 'none', handler: handlers.readyz, probe: true },
  { method: 'GET', path: '/leader', scope: 'open', body: 'none', handler: handlers.leader, probe: true },
  {
    ...{ method: 'GET', path: '/metrics', scope: 'open', scopeAfar: 'view' },
    ...{ body: 'none', handler: handlers.metrics },
  },
  {
    ...{ method: 'GET', path: '/v1/status', scope: 'open', scopeAfar: 'view' },
    ...{ body: 'none', handler: handlers.status },
  },

  { method: 'POST', path: '/v1/propose', scope: 'write', body: 'bytes', handler: handlers.propose },
  { method: 'POST', path: '/v1/sessions', scope: 'write', body: 'json', handler: handlers.openSession },
  {
    method: 'POST',
    path: '/v1/sessions/:id/keep',
    scope: 'write',
    body: 'none',
    handler: handlers.keepSession,
  },
  {
    method: 'DELETE',
    path: '/v1/sessions/:id',
    scope: 'write',
    body: 'none',
    handler: handlers.closeSession,
  },
  { method: 'POST', path: '/v1/read', scope: 'write', body: 'json', handler: handlers.read },
];

/** What only a sidecar has. */
const NODE_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/', scope: 'open', body: 'none', handler: page },
  { method: 'GET', path: '/page/panel.js', scope: 'open', body: 'none', handler: pageScript },
  { method: 'GET', path: '/page/panel.css', scope: 'open', body: 'none', handler: pageStyle },

  { method: 'GET', path: '/v1/log', scope: 'view', body: 'none', handler: handlers.log },
  { method: 'GET', path: '/v1/log/terms', scope: 'view', body: 'none', handler: handlers.terms },
  { method: 'GET', path: '/v1/members', scope: 'view', body: 'none', handler: handlers.members },
  { method: 'GET', path: '/v1/events', scope: 'view', body: 'none', handler: handlers.events },
  { method: 'GET', path: '/v1/explain', scope: 'view', body: 'none', handler: handlers.explain },

  { method: 'POST', path: '/v1/leader/transfer', scope: 'admin', body: 'json', handler: handlers.transfer },
  {
    ...{ method: 'POST', path: '/v1/app-version' },
    ...{ scope: 'admin', body: 'json', handler: handlers.setAppVersion },
  },
  { method: 'POST', path: '/v1/skip', scope: 'admin', body: 'json', handler: handlers.skip },
  { method: 'POST', path: '/v1/members', scope: 'admin', body: 'json', handler: handlers.addMember },
  {
    ...{ method: 'DELETE', path: '/v1/members/:id' },
    ...{ scope: 'admin', body: 'none', handler: handlers.removeMember },
  },
  {
    ...{ method: 'POST', path: '/v1/members/:id/promote' },
    ...{ scope: 'admin', body: 'json', handler: handlers.promoteMember },
  },
  { method: 'POST', path: '/v1/snapshot', scope: 'admin', body: 'json', handler: handlers.snapshot },
  { method: 'GET', path: '/v1/snapshot', scope: 'admin', body: 'none', handler: downloadSnapshot },
  { method: 'GET', path: '/v1/faults', scope: 'admin', body: 'none', handler: handlers.faults },
  { method: 'POST', path: '/v1/faults', scope: 'admin', body: 'json', handler: handlers.plantFault },
  { method: 'DELETE', path: '/v1/faults/:id', scope: 'admin', body: 'none', handler: handlers.endFault },
];

export const ROUTES: readonly Route[] = [...CLIENT_ROUTES, ...NODE_ROUTES];

/** Of a gateway: what it does not have it says so, behind the same checks. */
export const GATEWAY_ROUTES: readonly Route<ClientHost>[] = [
  ...CLIENT_ROUTES,
  ...NODE_ROUTES.map((route) => ({ ...route, body: 'none' as const, handler: handlers.notAtGateway })),
];

/** The most bytes a body of this kind may have. */
export const BODY_BYTES = {
  none: LIMITS.httpBodyBytes,
  json: LIMITS.httpBodyBytes,
  bytes: LIMITS.commandBytes,
};
