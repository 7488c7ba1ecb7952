/**
 * The app socket: listens, accepts, and keeps what concerns all connections. The node behind it tells it what
 * changed (`committed`, `roleChanged`, `setPressure`); the apps' requests go to the node as an `AppHost`.
 *
 * MUST: be reachable by nobody else on this machine: file modes guard a Unix socket, a token guards loopback
 * TCP, and no other address is listened on.
 */
import { createServer, isIPv4, type Server, type Socket } from 'node:net';
import type { PressureLevel } from '../../shared/app-frames.ts';
import type { Role } from '../../shared/entry.ts';
import { LIMITS } from '../../shared/limits.ts';
import { Broadcast } from './broadcast.ts';
import { Connection } from './connection.ts';
import type { AppContext, AppLimits, StateMachine, StateMachineSlot } from './context.ts';
import type { Delivery } from './delivery.ts';
import type { AppHost } from './host.ts';
import type { Link } from './link.ts';
import { isPipe, ListenRefused, prepareSocketPath, secureSocket } from './socket-path.ts';

/** A Unix socket or Windows pipe by path, or loopback TCP (port 0 takes a free one). */
export type ListenAt =
  | { readonly path: string }
  | { readonly tcp: { readonly host: string; readonly port: number } };

export interface AppServerOptions {
  readonly host: AppHost;
  /** Where connections must be told apart: makes the host that takes the requests of each one. Else `host` takes them all. */
  readonly hostOf?: () => AppHost;
  readonly listen: ListenAt;
  /** What `hello.token` must be. Needed for TCP. */
  readonly token?: string | undefined;
  /** The node failed to answer from its log, or the system to accept a connection. Nothing is retried here. */
  readonly onFault: (error: Error) => void;
  /** Other limits than those of a sidecar: a gateway's, or a test's. */
  readonly limits?: Partial<AppLimits>;
}

export interface AppServerStats {
  readonly connections: number;
  readonly openRequests: number;
  /** Bytes waiting to be read by apps. */
  readonly outputBytes: number;
  /** Position of the state machine; undefined while there is none. */
  readonly delivered: number | undefined;
  readonly applied: number | undefined;
  readonly inFlightEntries: number;
  readonly inFlightBytes: number;
}

/** More calls than this in one turn, and the next turn is waited out. */
const COMPANY = 2;

export class AppServer implements StateMachineSlot {
  readonly #options: AppServerOptions;
  readonly #context: AppContext;
  readonly #server: Server;
  readonly #connections = new Map<Socket, Connection>();
  readonly #broadcast: Broadcast;
  #pressure: PressureLevel = 'OK';
  #closing = false;
  /** Links with something to send at the end of this turn. */
  #dirty: Link[] = [];
  #turnScheduled = false;
  /** Calls of `flushSoon` in this turn, and whether the last turn had many. */
  #flushes = 0;
  #company = false;
  #tickets = 0;
  #machine: StateMachine | undefined;
  #lastTicketIn = 0;

  constructor(options: AppServerOptions) {
    this.#options = options;
    this.#context = {
      host: options.host,
      hostFor: options.hostOf ?? (() => options.host),
      limits: { ...LIMITS, ...options.limits },
      token: options.token,
      slot: this,
      pressure: () => this.#pressure,
      flushSoon: (link) => this.#flushSoon(link),
      fault: options.onFault,
    };
    this.#broadcast = new Broadcast(() => this.#connections.values(), this.#context.limits.appBroadcast);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  /**
   * Starts to listen; returns where (with the port TCP got). Throws `ListenRefused` with one sentence when the
   * place is not ours to take.
   */
  async listen(): Promise<ListenAt> {
    const { listen, token } = this.#options;
    if ('tcp' in listen) {
      if (!isLoopback(listen.tcp.host)) {
        throw new ListenRefused(`the app socket listens on loopback only, and ${listen.tcp.host} is not`);
      }
      if (token === undefined || token === '') {
        throw new ListenRefused('the app socket listens on TCP only with a token');
      }
      await this.#bind({ host: listen.tcp.host, port: listen.tcp.port });
      const address = this.#server.address();
      if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
      return { tcp: { host: address.address, port: address.port } };
    }
    const { path } = listen;
    if (isPipe(path)) {
      await this.#bind({ path });
      return listen;
    }
    await prepareSocketPath(path);
    await this.#bind({ path });
    try {
      await secureSocket(path);
    } catch (error) {
      this.#server.close();
      throw error;
    }
    return listen;
  }

  /** The commit index advanced. Cheap. */
  committed(): void {
    this.#machine?.delivery.committed();
  }

  /** Tells every greeted connection. */
  roleChanged(role: Role, term: number, leader: string | undefined, cause: string): void {
    this.#broadcast.tell({ type: 'roleChanged', role, term, leader, cause });
  }

  /** Tells every greeted connection how hard it may push, when that changed. */
  setPressure(level: PressureLevel): void {
    if (level === this.#pressure) return;
    this.#pressure = level;
    this.#broadcast.tell({ type: 'pressure', level });
  }

  /** The command at `index` is skipped: a state machine that failed to apply it says hello again, and goes on behind it. */
  skipped(index: number): void {
    const machine = this.#machine;
    if (machine?.delivery.failedAt === index) machine.dismiss({ reason: 'SKIPPED' });
  }

  /** The state machine has another state than others after the same entries, the last of them `entry`: it is not let go on. */
  diverged(message: string, entry: number): void {
    this.#machine?.dismiss({ reason: 'APP_DIVERGED', message, entry });
  }

  /** The log begins behind what the state machine has applied: it is to come back for a snapshot. */
  outrun(): void {
    this.#machine?.dismiss({ reason: 'RESTORE' });
  }

  /** Asks the state machine for its state at `index` or later. False where there is none that could. */
  takeSnapshot(index: number): boolean {
    if (this.#machine === undefined || this.#machine.snapshots === 'NONE') return false;
    this.#machine.send({ type: 'takeSnapshot', index });
    return true;
  }

  /** Tells the connections that used them. */
  sessionsExpired(sessions: readonly number[]): void {
    const expired = new Set(sessions);
    for (const connection of this.#connections.values()) connection.sessionsExpired(expired);
  }

  stats(): AppServerStats {
    let openRequests = 0;
    let outputBytes = 0;
    for (const connection of this.#connections.values()) {
      openRequests += connection.openRequests;
      outputBytes += connection.backlog;
    }
    const delivery = this.#machine?.delivery;
    return {
      connections: this.#connections.size,
      openRequests,
      outputBytes,
      delivered: delivery?.delivered,
      applied: delivery?.applied,
      inFlightEntries: delivery?.inFlight.entries ?? 0,
      inFlightBytes: delivery?.inFlight.bytes ?? 0,
    };
  }

  /** Cuts those that leave the most unread, until all together have at most `bytes` waiting. Returns how many were cut. */
  shed(bytes: number): number {
    let waiting = 0;
    for (const connection of this.#connections.values()) waiting += connection.backlog;
    if (waiting <= bytes) return 0;
    let cut = 0;
    for (const connection of [...this.#connections.values()].sort((a, b) => b.backlog - a.backlog)) {
      if (waiting <= bytes) break;
      waiting -= connection.backlog;
      connection.shed();
      cut++;
    }
    return cut;
  }

  /**
   * Stops listening and says goodbye to every connection once its open requests are answered (the node does
   * that, with SHUTTING_DOWN). Resolves when all are closed, at the latest after twice the linger time.
   */
  close(reason = 'SHUTTING_DOWN'): Promise<void> {
    this.#closing = true;
    return new Promise((resolve) => {
      // Not listening any more (it was closed before, or never began) is what we want, so no error here.
      this.#server.close(() => resolve());
      for (const connection of this.#connections.values()) connection.shutDown(reason);
    });
  }

  // -------------------------------------------------------------- StateMachineSlot

  ticket(): number {
    this.#tickets += 1;
    return this.#tickets;
  }

  overtaken(ticket: number): boolean {
    return ticket < this.#lastTicketIn;
  }

  take(ticket: number, machine: StateMachine): void {
    const before = this.#machine;
    this.#machine = machine;
    this.#lastTicketIn = ticket;
    before?.dismiss({ reason: 'SUPERSEDED' });
  }

  leave(delivery: Delivery): void {
    if (this.#machine?.delivery === delivery) this.#machine = undefined;
  }

  // -------------------------------------------------------------- inside

  #bind(where: { path: string } | { host: string; port: number }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(new ListenRefused(`cannot listen: ${error.message}`)));
      this.#server.listen({ ...where, backlog: this.#context.limits.appBacklog }, () => {
        this.#server.removeAllListeners('error');
        this.#server.on('error', this.#options.onFault);
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    const { appConnections } = this.#context.limits;
    // A surplus connection gets a sentence in its own codec; but only so many wait for theirs.
    if (this.#closing || this.#connections.size >= 2 * appConnections) {
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, this.#context, this.#connections.size >= appConnections);
    this.#connections.set(socket, connection);
    socket.once('close', () => this.#connections.delete(socket));
  }

  #flushSoon(link: Link | undefined): void {
    if (link !== undefined) this.#dirty.push(link);
    this.#flushes++;
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    // Where there was company last time, the rest of this turn of the event loop is waited for; a lone client is not.
    if (this.#company) setImmediate(this.#turn);
    else process.nextTick(this.#turn);
  }

  /** The end of an event-loop turn: deliver, then write once per connection. */
  #turn = (): void => {
    this.#turnScheduled = false;
    this.#company = this.#flushes > COMPANY;
    this.#flushes = 0;
    this.#machine?.delivery.pump();
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const link of dirty) link.flush();
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
