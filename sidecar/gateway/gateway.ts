/**
 * A gateway: replicas on one side, a crowd of clients on the other. It has no log and no vote.
 *
 * MUST: take clients only once it is set up; on a graceful stop take nothing new, let what is open be answered for a bounded
 * time, and close clients before replicas.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Refusal, refusal } from '../../shared/codes.ts';
import { LIMITS } from '../../shared/limits.ts';
import type { NodeFacts } from '../app/host.ts';
import { AppServer, type ListenAt } from '../app/server.ts';
import { type HttpServer, startGatewayHttp } from '../http/server.ts';
import { openTokenFile, tokenCheck } from '../http/tokens.ts';
import { GatewayMetrics, type GatewaySample } from '../record/gateway-metrics.ts';
import { createLogger, type LogLevel } from '../record/logger.ts';
import { Certificates } from '../tls/certificates.ts';
import { Client, type ClientContext } from './client.ts';
import { Dispatcher } from './dispatcher.ts';
import { GatewayHttpHost } from './http-host.ts';
import { openFiles } from './open-files.ts';
import { Pressure, wanted } from './pressure.ts';
import { discover, type Replica } from './replicas.ts';
import { KINDS } from './ticket.ts';
import { UPSTREAM_STATES } from './upstream.ts';

export type GatewayLimits = { readonly [Name in keyof typeof LIMITS]: number };

export interface GatewayOptions {
  readonly id: string;
  readonly cluster: string;
  /** The replicas by name; empty to find those of this machine, now and later, below `endpointRoot`. */
  readonly replicas: readonly Replica[];
  readonly endpointRoot: string;
  readonly appListen: ListenAt;
  readonly httpListen: { readonly host: string; readonly port: number };
  /** Certificate and key for HTTP: with them, and only with them, it may be off this machine. */
  readonly httpTls?: { readonly cert: string; readonly key: string } | undefined;
  /** Holds the tokens that clients show us; made when it is not there. */
  readonly tokenFile: string;
  readonly logLevel: LogLevel;
  /** Other limits than those of `limits.ts`, for tests that are in a hurry. */
  readonly limits?: Partial<GatewayLimits>;
}

export interface Gateway {
  /** Base URL actually bound. */
  readonly http: string;
  /** A path, or `tcp://HOST:PORT` actually bound. */
  readonly appSocket: string;
  /** Graceful stop. Idempotent. */
  stop(): Promise<void>;
}

/** How often pressure is looked at, and what clients do not read. */
const WATCH_MS = 100;
const SHED_MS = 1_000;
/** Files a gateway needs besides those of its clients. */
const OWN_FILES = 1_024;

/** Opens everything in order. Rejects with one clear sentence; nothing is left open then. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const gateway = new RunningGateway(options);
  try {
    await gateway.start();
  } catch (error) {
    await gateway.abandon();
    throw error;
  }
  return gateway;
}

class RunningGateway implements Gateway {
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #log: Logger;
  readonly #dispatcher: Dispatcher;
  readonly #pressure: Pressure;
  #app: AppServer | undefined;
  #http: HttpServer | undefined;
  #certificates: Certificates | undefined;
  #metrics: GatewayMetrics | undefined;
  #appSocket = '';
  #timers: NodeJS.Timeout[] = [];
  #discovering = false;
  /** What was said of endpoint files that do not count: once each. */
  readonly #saidSkipped = new Set<string>();
  #closed: Refusal | undefined;
  #stopping: Promise<void> | undefined;
  #shed = 0;
  #expired: number[] = [];

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#pressure = new Pressure(this.#limits.gatewayPressureMs);
    const { logLevel, cluster, id } = options;
    this.#log = createLogger(logLevel, cluster, id);
    this.#dispatcher = new Dispatcher({
      cluster,
      gateway: id,
      limits: this.#limits,
      random: Math.random,
      events: {
        leader: ({ term, leader }, cause) => {
          const what = leader === undefined ? 'no leader is known' : 'a replica leads';
          this.#log.info({ term, leader: leader ?? '' }, what);
          this.#app?.roleChanged('FOLLOWER', term, leader, cause);
        },
        sessionExpired: (session) => this.#sessionExpired(session),
        ended: (ticket, outcome, ms) => this.#metrics?.ended(ticket.kind, outcome, ms),
        log: (level, message, fields) => this.#log[level](fields, message),
      },
    });
  }

  get http(): string {
    return this.#http?.url ?? '';
  }
  get appSocket(): string {
    return this.#appSocket;
  }

  async start(): Promise<void> {
    const { tokenFile, appListen, httpListen, replicas } = this.#options;
    const certificates = await this.#openCertificates();
    const tokens = await openTokenFile(tokenFile);
    const metrics = new GatewayMetrics({
      sample: () => this.#sample(),
      kinds: KINDS,
      states: UPSTREAM_STATES,
    });
    this.#metrics = metrics;
    const context: ClientContext = {
      dispatcher: this.#dispatcher,
      limits: this.#limits,
      facts: () => this.#facts(),
      closed: () => this.#closed,
      refused: (kind, { code }) => metrics.ended(kind, code, 0),
    };
    const app = new AppServer({
      host: new Client(context),
      hostOf: () => new Client(context),
      listen: appListen,
      token: 'tcp' in appListen ? tokens.write : undefined,
      onFault: (error) => this.#log.error({ err: error }, 'the app socket failed'),
      limits: this.#appLimits(),
    });
    this.#app = app;
    if (replicas.length > 0) this.#dispatcher.know(replicas);
    else await this.#discover();
    const host = new GatewayHttpHost({
      context,
      clients: () => app.stats().connections,
      pressure: () => this.#pressure.level,
      metrics: () => metrics.scrape(),
    });
    this.#http = await startGatewayHttp({
      host,
      listen: httpListen,
      tls: certificates.http,
      tokens: tokenCheck(tokens),
      log: this.#log,
    });
    this.#appSocket = printable(await app.listen());
    this.#timers.push(
      setInterval(() => this.#watch(), WATCH_MS),
      setInterval(() => {
        this.#shed += app.shed(this.#limits.gatewayOutputBytesAll);
      }, SHED_MS),
    );
    if (replicas.length === 0) {
      this.#timers.push(setInterval(() => void this.#discover(), this.#limits.gatewayDiscoverMs));
    }
  }

  async #openCertificates(): Promise<Certificates> {
    const { httpTls: http, cluster, id: node } = this.#options;
    const files = http === undefined ? undefined : { http };
    const opened = await Certificates.open(files, { cluster, node }, (what, uses, sentence, ms) => {
      const level = what === 'EXPIRED' ? 'error' : what === 'RENEWED' ? 'info' : 'warn';
      this.#log[level]({ uses, days: Math.floor(ms / 86_400_000) }, sentence);
    });
    opened.start();
    this.#certificates = opened;
    return opened;
  }

  #appLimits() {
    const allowed = openFiles() - OWN_FILES;
    const appConnections = Math.max(1, Math.min(this.#limits.gatewayClients, allowed));
    if (appConnections < this.#limits.gatewayClients) {
      this.#log.warn({ clients: appConnections }, 'the system allows too few open files for more clients');
    }
    return {
      appConnections,
      requestsPerConnection: this.#limits.gatewayClientRequests,
      appOutputBytes: this.#limits.gatewayOutputBytes,
      appOutputBytesMax: this.#limits.gatewayOutputBytesMax,
      overloadedRestMs: this.#limits.gatewayRestMs,
    };
  }

  /** Never LEADER: to a client the gateway is a node that sends requests on to the leader. */
  #facts(): NodeFacts {
    const { id: node, cluster } = this.#options;
    const { term, leader } = this.#dispatcher.leader;
    return {
      ...{ cluster, node, group: '', role: 'FOLLOWER', term, leader },
      commitIndex: this.#dispatcher.index,
      firstIndex: 0,
    };
  }

  async #discover(): Promise<void> {
    if (this.#discovering) return;
    this.#discovering = true;
    try {
      const { replicas, skipped } = await discover(this.#options.cluster, this.#options.endpointRoot);
      this.#dispatcher.know(replicas);
      for (const { path, reason } of skipped) {
        const text = `${path}: ${reason}`;
        if (this.#saidSkipped.has(text) || this.#saidSkipped.size >= this.#limits.gatewayReplicas) continue;
        this.#saidSkipped.add(text);
        this.#log.warn({ path, reason }, 'an endpoint file is not used');
      }
    } catch (error) {
      this.#log.error({ err: error }, 'the endpoint files cannot be read');
    } finally {
      this.#discovering = false;
    }
  }

  /** Many end together; each is told to whoever used it. */
  #sessionExpired(session: number): void {
    if (this.#expired.push(session) > 1) return;
    setImmediate(() => this.#app?.sessionsExpired(this.#expired.splice(0)));
  }

  #watch(): void {
    const { open, bytes, pressure } = this.#dispatcher;
    const fill = Math.max(open / this.#limits.gatewayRequests, bytes / this.#limits.gatewayRequestBytes);
    this.#app?.setPressure(this.#pressure.update(wanted(pressure, fill), performance.now()));
  }

  #sample(): GatewaySample {
    const { open, waiting, bytes, leader, retries, detours, upstreams } = this.#dispatcher;
    const app = this.#app?.stats();
    return {
      clients: app?.connections ?? 0,
      ...{ open, waiting, commandBytes: bytes, retries, detours },
      outputBytes: app?.outputBytes ?? 0,
      pressure: this.#pressure.level,
      term: leader.term,
      leader: leader.leader ?? '',
      shed: this.#shed,
      replicas: upstreams.map(({ id, state, inFlight, window, backlog }) => ({
        ...{ id, state, inFlight, window, backlogBytes: backlog },
      })),
    };
  }

  // -------------------------------------------------------------- ending

  stop(): Promise<void> {
    this.#stopping ??= this.#stopInOrder();
    return this.#stopping;
  }

  async #stopInOrder(): Promise<void> {
    this.#log.info('stopping');
    // Definite: what is refused now was sent to nobody. The goodbye that follows says why.
    this.#closed = refusal('OVERLOADED', 'this gateway is stopping: ask another one', {
      retryAfterMs: 1_000,
    });
    const deadline = performance.now() + this.#limits.shutdownMs;
    while (this.#dispatcher.open > 0 && performance.now() < deadline) await delay(10);
    await this.abandon();
    this.#log.info('stopped');
  }

  /** Closes what is open, without ceremony. */
  async abandon(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#dispatcher.stop();
    this.#certificates?.close();
    await Promise.allSettled([this.#app?.close(), this.#http?.close()]);
    this.#metrics?.close();
  }
}

function printable(at: ListenAt): string {
  if ('path' in at) return at.path;
  return `tcp://${at.tcp.host.includes(':') ? `[${at.tcp.host}]` : at.tcp.host}:${at.tcp.port}`;
}
