/** A sidecar's HTTP surface with a scripted node behind it, and a client that sends exactly the bytes it is told. */

import { connect } from 'node:net';
import type { NodeStatus } from '../../shared/inspect.ts';
import type { HttpLog } from '../../sidecar/http/answers.ts';
import type { EventFeed, HttpHost } from '../../sidecar/http/host.ts';
import { type HttpOptions, type HttpServer, startHttp } from '../../sidecar/http/server.ts';
import { mintTokens, tokenCheck } from '../../sidecar/http/tokens.ts';
import { QUIET_STATUS } from '../support/quiet.ts';

export const TOKENS = mintTokens();

/** What the fake node was asked, in order. Health questions are not counted. */
export type Call = readonly [name: string, ...args: unknown[]];

export interface Fixture {
  readonly server: HttpServer;
  readonly port: number;
  readonly calls: Call[];
  /** What was logged as an error. */
  readonly errors: object[];
  /** Replace its methods to script answers. */
  readonly host: Mutable<HttpHost>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export async function startFixture(more: Partial<HttpOptions> = {}): Promise<Fixture> {
  const calls: Call[] = [];
  const errors: object[] = [];
  const host = fakeHost(calls);
  const silent = () => undefined;
  const log: HttpLog = { info: silent, warn: silent, error: (fields) => errors.push(fields) };
  const listen = { host: '127.0.0.1', port: 0 };
  const server = await startHttp({ host, listen, tokens: tokenCheck(TOKENS), log, ...more });
  return { server, port: server.port, calls, errors, host };
}

const NO_EVENTS: EventFeed = {
  generation: 'f00d',
  first: 1,
  last: 0,
  since: () => [],
  listen: () => () => undefined,
};

function fakeHost(calls: Call[]): Mutable<HttpHost> {
  const status: NodeStatus = {
    protocol: 1,
    cluster: 'orders',
    node: 'n1',
    group: '',
    version: '0.0.0',
    role: 'LEADER',
    term: 3,
    leader: 'n1',
    votedFor: 'n1',
    commitIndex: 7,
    appliedIndex: 7,
    deliveredIndex: 7,
    durableIndex: 7,
    firstIndex: 1,
    lastIndex: 7,
    lastTerm: 3,
    snapshotIndex: 0,
    membership: { voters: ['n1'], outgoing: [], learners: [] },
    members: [],
    progress: [],
    app: { state: 'CONNECTED', name: 'kv', epoch: 1, reason: '', since: 0 },
    ...QUIET_STATUS,
    uptimeMs: 1,
    generation: 'f00d',
    now: 1_700_000_000_000,
    leaderContactMs: null,
    applyLag: { entries: 0, ms: 0 },
  };
  return {
    status: () => status,
    leader: () => ({ leader: 'n1', http: 'http://127.0.0.1:8001', term: 3, isLeader: true }),
    members: () => [],
    readiness: () => [{ name: 'leader', ok: true, reason: '' }],
    log: async (from, to, limit, withStages) => {
      calls.push(['log', from, to, limit, withStages]);
      return { from, to, firstIndex: 1, lastIndex: 7, commitIndex: 7, entries: [] };
    },
    terms: () => {
      calls.push(['terms']);
      return { runs: [], snapshotIndex: 0, snapshotTerm: 0, commitIndex: 7, appliedIndex: 7 };
    },
    session: async (request) => {
      calls.push(['session', request.act]);
      return { session: 'session' in request ? request.session : 12 };
    },
    changeMembers: async (change) => {
      calls.push(['changeMembers', change]);
      return { index: 12, voters: ['n1', change.id], learners: [] };
    },
    takeSnapshot: async () => {
      calls.push(['takeSnapshot']);
      return { index: 7, term: 3, bytes: 1_234 };
    },
    snapshot: (index) => {
      calls.push(['snapshot', index]);
      const bytes = Buffer.from('the bytes of a snapshot');
      return {
        ...{ index: index ?? 7, term: 3, bytes: bytes.length, digest: 'ab'.repeat(32) },
        read: async function* (offset) {
          yield bytes.subarray(offset, 10);
          yield bytes.subarray(Math.max(offset, 10));
        },
      };
    },
    skip: async (index, reason) => {
      calls.push(['skip', index, reason]);
      return { index, at: 12 };
    },
    setAppVersion: async (version, reason, force) => {
      calls.push(['appVersion', version, reason, force]);
      return { version, at: 12 };
    },
    events: () => {
      calls.push(['events']);
      return NO_EVENTS;
    },
    explain: async ({ about, id }) => {
      calls.push(['explain', about, id]);
      return {
        about,
        id,
        cause: 'LEADER_STABLE',
        certainty: 'CERTAIN',
        answer: 'it leads',
        evidence: [],
        next: '',
      };
    },
    propose: async (request) => {
      calls.push(['propose', { ...request, command: Buffer.from(request.command).toString('latin1') }]);
      return { index: 8, term: 3, result: Buffer.from([0, 255, 10]) };
    },
    read: async (request) => {
      calls.push(['read', request]);
      return { index: 7 };
    },
    faults: () => {
      calls.push(['faults']);
      return [];
    },
    plantFault: (plan) => {
      calls.push(['plantFault', plan]);
      return { ...plan, id: 'f1', since: 1, until: 1 + plan.ttlMs, messages: 0 };
    },
    endFault: (id) => {
      calls.push(['endFault', id]);
      return {
        kind: 'ISOLATE',
        peer: '',
        direction: 'BOTH',
        delayMs: 0,
        jitterMs: 0,
        share: 0,
        ttlMs: 1,
        id,
        since: 1,
        until: 2,
        messages: 0,
      };
    },
    transfer: async (to) => {
      calls.push(['transfer', to]);
      return { leader: to === '' ? 'n2' : to, term: 4 };
    },
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }),
  };
}

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly json: Record<string, unknown>;
}

export interface Ask {
  readonly method?: string;
  readonly target?: string;
  /** `undefined` sends `127.0.0.1:PORT`; a list sends that many Host headers. */
  readonly hosts?: readonly string[];
  readonly token?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: string | Uint8Array;
  readonly version?: string;
}

/** Sends one request as it is written here and reads the answer until the connection closes. */
export function ask(port: number, request: Ask = {}): Promise<Answer> {
  return exchange(port, requestBytes(port, request));
}

/** The request as bytes, with `Connection: close`. */
export function requestBytes(port: number, request: Ask = {}): Buffer {
  const { method = 'GET', target = '/livez', version = '1.1' } = request;
  const hosts = request.hosts ?? [`127.0.0.1:${port}`];
  const body = Buffer.from(request.body ?? '');
  const headers: (readonly [string, string])[] = [
    ...hosts.map((host) => ['Host', host] as const),
    ...(request.token === undefined ? [] : [['Authorization', `Bearer ${request.token}`] as const]),
    ...(request.body === undefined ? [] : [['Content-Length', String(body.length)] as const]),
    ['Connection', 'close'],
    ...(request.headers ?? []),
  ];
  const head = `${method} ${target} HTTP/${version}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

/** Writes these bytes on a new connection and parses what came back when the connection closed. */
export function exchange(port: number, bytes: Uint8Array): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let failure: Error | undefined;
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => {
      if (chunks.length > 0) resolve(parseAnswer(Buffer.concat(chunks).toString('latin1')));
      else reject(failure ?? new Error('the connection closed without an answer'));
    });
  });
}

export function parseAnswer(text: string): Answer {
  const split = text.indexOf('\r\n\r\n');
  const [first = '', ...lines] = text.slice(0, split).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  const body = text.slice(split + 4);
  const isJson = (headers['content-type'] ?? '').startsWith('application/json') && body !== '';
  return { status: Number(first.split(' ')[1]), headers, body, json: isJson ? JSON.parse(body) : {} };
}
