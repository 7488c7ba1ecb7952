/**
 * A sidecar that is a script: real loopback sockets, answers that a test sets, and misbehaviour on demand.
 *
 * MUST: answer as PROTOCOL §3 says while it behaves; bind 127.0.0.1 only; close everything at `close`.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { EVENT_HEADERS, type RaftEvent } from '../../shared/events.ts';
import type { FaultStatus } from '../../shared/faults.ts';
import type { LogEntryView, LogPage, NodeStatus, TermsView } from '../../shared/inspect.ts';
import { QUIET_STATUS } from '../support/quiet.ts';

/**
 * HANG: accepts and answers nothing. HANG_MID: begins an answer and stops. HALF: breaks off in the middle of one.
 * GARBAGE: 200 with what is not JSON. STRANGE: JSON that is no status. REFUSE: 401 to every token. SLOW: answers late. */
export type Behaviour =
  | 'WELL'
  | 'HANG'
  | 'HANG_MID'
  | 'HALF'
  | 'GARBAGE'
  | 'STRANGE'
  | 'REFUSE'
  | 'BUSY'
  | 'SLOW'
  | 'HUGE';

export const TOKENS = {
  view: 'view-token-view-token-view-token-view',
  write: 'write-token-write-token-write-token-w',
  admin: 'admin-token-admin-token-admin-token-a',
};

type NewEvent = Partial<Omit<RaftEvent, 'seq'>> & Pick<RaftEvent, 'kind' | 'cause'>;

export function statusOf(cluster: string, node: string, more: Partial<NodeStatus> = {}): NodeStatus {
  return {
    protocol: 1,
    cluster,
    node,
    group: '',
    version: '0.1.0',
    role: 'FOLLOWER',
    term: 1,
    leader: null,
    votedFor: null,
    commitIndex: 0,
    appliedIndex: 0,
    deliveredIndex: 0,
    durableIndex: 0,
    firstIndex: 1,
    lastIndex: 0,
    lastTerm: 0,
    snapshotIndex: 0,
    membership: { voters: [node], outgoing: [], learners: [] },
    members: [],
    progress: [],
    app: { state: 'CONNECTED', name: 'app', epoch: 1, reason: '', since: 0 },
    ...QUIET_STATUS,
    uptimeMs: 1,
    generation: 'g1',
    now: 1,
    leaderContactMs: null,
    applyLag: { entries: 0, ms: 0 },
    ...more,
  };
}

export class ScriptedNode {
  readonly cluster: string;
  readonly id: string;
  behaviour: Behaviour = 'WELL';
  /** Given before it listens: it speaks HTTPS. */
  tls: { readonly cert: string; readonly key: string } | undefined;
  /** Of `/v1/events` alone. */
  streamBehaviour: 'WELL' | 'REFUSE' | 'GARBAGE' | 'ENDLESS_LINE' = 'WELL';
  status: NodeStatus;
  terms: TermsView = { runs: [], snapshotIndex: 0, snapshotTerm: 0, commitIndex: 0, appliedIndex: 0 };
  entries: LogEntryView[] = [];
  /** Newest events that it keeps. */
  ring = 1_000;
  readonly events: RaftEvent[] = [];
  /** Every request, as `GET /v1/status`, and the token it came with. */
  readonly requests: { readonly line: string; readonly token: string; readonly lastEventId: string }[] = [];
  connections = 0;
  proposed: string[] = [];
  /** Takes a POST to `/v1/faults`, and breaks off before it answers. */
  losesAnswers = false;
  /** Bodies of POSTs to `/v1/faults`. */
  readonly planted: string[] = [];
  #seq = 0;
  #server: Server | undefined;
  #port = 0;
  readonly #sockets = new Set<Socket>();
  readonly #streams = new Set<ServerResponse>();

  constructor(cluster: string, id: string, more: Partial<NodeStatus> = {}) {
    this.cluster = cluster;
    this.id = id;
    this.status = statusOf(cluster, id, more);
  }

  get http(): string {
    return `${this.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** Connections that stand now. */
  get open(): number {
    return this.#sockets.size;
  }

  count(line: string): number {
    return this.requests.filter((request) => request.line === line).length;
  }

  /** Listens; at the port it had before, if it had one. */
  async listen(): Promise<this> {
    const serve = (request: IncomingMessage, response: ServerResponse): void =>
      this.#serve(request, response);
    const server = this.tls === undefined ? createServer(serve) : createSecureServer(this.tls, serve);
    server.keepAliveTimeout = 60_000;
    server.on('connection', (socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      // Cut connections are part of the game.
      socket.on('error', () => undefined);
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  /** As a process that is killed: every connection ends at once. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    this.#streams.clear();
  }

  /** Another process at the same address: a new generation, events from 1. */
  async restart(generation: string): Promise<void> {
    await this.close();
    this.events.length = 0;
    this.#seq = 0;
    this.status = { ...this.status, generation };
    await this.listen();
  }

  /** Records events and sends them to whoever listens. */
  emit(...news: NewEvent[]): void {
    let text = '';
    for (const one of news) {
      this.#seq += 1;
      const event: RaftEvent = { seq: this.#seq, at: 1_000 + this.#seq, term: this.status.term, ...one };
      this.events.push(event);
      text += this.#line(event);
    }
    this.events.splice(0, Math.max(0, this.events.length - this.ring));
    for (const stream of this.#streams) stream.write(text);
  }

  /** Cuts the event streams; everything else goes on. */
  cutStreams(): void {
    for (const stream of this.#streams) stream.destroy();
    this.#streams.clear();
  }

  set(more: Partial<NodeStatus>): void {
    this.status = { ...this.status, ...more };
  }

  #line(event: RaftEvent): string {
    return `id: ${this.status.generation}-${event.seq}\ndata: ${JSON.stringify(event)}\n\n`;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.http);
    const token = (request.headers.authorization ?? '').replace('Bearer ', '');
    const lastEventId = String(request.headers['last-event-id'] ?? '');
    this.requests.push({ line: `${request.method} ${url.pathname}`, token, lastEventId });
    response.on('error', () => undefined);
    switch (this.behaviour) {
      case 'HANG':
        return;
      case 'HANG_MID':
        response.writeHead(200, { 'Content-Type': 'application/json' });
        response.write('{"cluster":');
        return;
      case 'HALF':
        response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '1000' });
        response.write('{"cluster":', () => response.destroy());
        return;
      case 'GARBAGE':
        response.end('\u0000\ufffd<html>{');
        return;
      case 'STRANGE':
        response.end('{"cluster":17}');
        return;
      case 'HUGE':
        response.writeHead(200, { 'Content-Type': 'application/json' });
        response.write(Buffer.alloc(4 * 1024 * 1024, 32));
        return;
      case 'BUSY':
        json(response, 503, { code: 'OVERLOADED', definite: true, message: 'it has too much to do' });
        return;
      case 'SLOW':
        setTimeout(() => this.#route(request, response, url, token, lastEventId), 60);
        return;
      default:
        this.#route(request, response, url, token, lastEventId);
    }
  }

  #route(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    token: string,
    lastEventId: string,
  ): void {
    if (url.pathname === '/v1/status') return json(response, 200, this.status);
    const admin = url.pathname.includes('transfer') || url.pathname.startsWith('/v1/faults');
    const scope = url.pathname === '/v1/propose' ? 'write' : admin ? 'admin' : 'view';
    if (this.behaviour === 'REFUSE' || token !== TOKENS[scope]) {
      return json(response, 401, {
        code: 'UNAUTHORIZED',
        definite: true,
        message: `this needs the ${scope} token`,
      });
    }
    switch (url.pathname) {
      case '/v1/log/terms':
        return json(response, 200, this.terms);
      case '/v1/log':
        return json(response, 200, this.#page(url));
      case '/v1/events':
        return this.#stream(response, lastEventId);
      case '/v1/propose':
        request.setEncoding('utf8').on('data', (text: string) => this.proposed.push(text));
        request.on('end', () => {
          response.writeHead(200, { 'Outrigger-Index': '7', 'Outrigger-Term': '2' });
          response.end('done\u001b[31m');
        });
        return;
      case '/v1/leader/transfer':
        return json(response, 200, { leader: 'n2', term: 9 });
      case '/v1/faults':
        request.setEncoding('utf8').on('data', (text: string) => this.planted.push(text));
        request.on('end', () => {
          if (this.losesAnswers) response.destroy();
          else json(response, 200, this.#plant(JSON.parse(this.planted.at(-1) ?? '')));
        });
        return;
      default:
        if (request.method === 'DELETE')
          return this.#endFault(response, url.pathname.split('/').at(-1) ?? '');
        return json(response, 404, { code: 'NOT_FOUND', definite: true, message: 'there is no such path' });
    }
  }

  /** It is in the status only when a test says so: a node that stands still cannot tell of it. */
  #plant(body: Partial<FaultStatus>): FaultStatus {
    const { now } = this.status;
    const rest = { kind: 'CUT', peer: '', direction: 'BOTH', delayMs: 0, jitterMs: 0, share: 0 } as const;
    const ttlMs = body.ttlMs ?? 0;
    return { id: 'f1', ...rest, ...body, ttlMs, since: now, until: now + ttlMs, messages: 0 };
  }

  #endFault(response: ServerResponse, id: string): void {
    const { faults = [] } = this.status;
    const found = faults.find((fault) => fault.id === id);
    this.set({ faults: faults.filter((fault) => fault !== found) });
    if (found !== undefined) return json(response, 200, found);
    json(response, 404, { code: 'NOT_FOUND', definite: true, message: `there is no fault ${id} here` });
  }

  #page(url: URL): LogPage {
    const from = Number(url.searchParams.get('from'));
    const to = Number(url.searchParams.get('to'));
    const entries = this.entries.filter(({ index }) => index >= from && index <= to);
    const { firstIndex, lastIndex, commitIndex } = this.status;
    return { from, to: entries.at(-1)?.index ?? from - 1, firstIndex, lastIndex, commitIndex, entries };
  }

  #stream(response: ServerResponse, lastEventId: string): void {
    if (this.streamBehaviour === 'REFUSE') {
      return json(response, 403, { code: 'FORBIDDEN', definite: true, message: 'not with this token' });
    }
    const { generation } = this.status;
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      [EVENT_HEADERS.generation]: generation,
      [EVENT_HEADERS.first]: String(this.events[0]?.seq ?? 0),
      [EVENT_HEADERS.last]: String(this.#seq),
    });
    response.flushHeaders();
    if (this.streamBehaviour === 'GARBAGE') return void response.write('data: {"seq":\n\n');
    if (this.streamBehaviour === 'ENDLESS_LINE')
      return void response.write(`data: ${'x'.repeat(1024 * 1024)}`);
    const [was, seq] = lastEventId.split('-');
    const after = was === generation ? Number(seq) : 0;
    for (const event of this.events) if (event.seq > after) response.write(this.#line(event));
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
  }
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(value));
}
