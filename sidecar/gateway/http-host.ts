/** The gateway as HTTP sees it: health, who leads, and requests as promises, each HTTP connection a client of its own. */
import type { Refusal } from '../../shared/codes.ts';
import { type Check, type GatewayStatus, INSPECT_PROTOCOL, type LeaderView } from '../../shared/inspect.ts';
import { VERSION } from '../../shared/version.ts';
import type { ProposeResult, SessionResult } from '../app/host.ts';
import type { ClientHost, HttpProposal, HttpSessionRequest } from '../http/host.ts';
import { Client, type ClientContext } from './client.ts';

export interface HttpHostParts {
  readonly context: ClientContext;
  readonly clients: () => number;
  readonly pressure: () => GatewayStatus['pressure'];
  readonly metrics: () => Promise<{ contentType: string; text: string }>;
}

export class GatewayHttpHost implements ClientHost {
  readonly #parts: HttpHostParts;
  readonly #startedAt = Date.now();
  readonly #clients = new WeakMap<object, Client>();

  constructor(parts: HttpHostParts) {
    this.#parts = parts;
  }

  status(): GatewayStatus {
    const { context, clients, pressure } = this.#parts;
    const { cluster, node, group, term, leader } = context.facts();
    const { dispatcher } = context;
    const now = Date.now();
    return {
      ...{ protocol: INSPECT_PROTOCOL, cluster, node, group, version: VERSION, role: 'GATEWAY', term },
      leader: leader ?? null,
      clients: clients(),
      requests: { open: dispatcher.open, waiting: dispatcher.waiting, commandBytes: dispatcher.bytes },
      pressure: pressure(),
      upstreams: dispatcher.upstreams.map(({ id, state, reason, inFlight, window }) => ({
        ...{ id, state, reason, inFlight, window },
      })),
      uptimeMs: now - this.#startedAt,
      now,
    };
  }

  /** A gateway never leads: a load balancer that wants the leader itself passes it over. */
  leader(): LeaderView {
    const { term, leader } = this.#parts.context.facts();
    const upstream = this.#parts.context.dispatcher.upstreams.find(({ id }) => id === leader);
    return { leader: leader ?? null, http: upstream?.http ?? null, term, isLeader: false };
  }

  readiness(): readonly Check[] {
    const { dispatcher, closed } = this.#parts.context;
    const open = dispatcher.upstreams.filter(({ state }) => state === 'OPEN');
    const { leader } = dispatcher.leader;
    const check = (name: string, ok: boolean, reason: string): Check => ({
      name,
      ok,
      reason: ok ? '' : reason,
    });
    return [
      check('replica', open.length > 0, 'no replica is connected'),
      check('leader', leader !== undefined, 'no leader is known'),
      check('running', closed() === undefined, 'the gateway is stopping'),
    ];
  }

  propose(request: HttpProposal, from: object): Promise<ProposeResult | Refusal> {
    return new Promise((resolve) => {
      this.#client(from).propose({ ...request, expectedTerm: undefined, wait: 'APPLIED' }, resolve);
    });
  }

  session(request: HttpSessionRequest, from: object): Promise<SessionResult | Refusal> {
    return new Promise((resolve) => this.#client(from).session(request, resolve));
  }

  read(request: Parameters<ClientHost['read']>[0], from: object): Promise<{ index: number } | Refusal> {
    return new Promise((resolve) => this.#client(from).read(request, resolve));
  }

  metrics(): Promise<{ contentType: string; text: string }> {
    return this.#parts.metrics();
  }

  #client(from: object): Client {
    let client = this.#clients.get(from);
    if (client === undefined) {
      client = new Client(this.#parts.context);
      this.#clients.set(from, client);
    }
    return client;
  }
}
