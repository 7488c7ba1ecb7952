/** What the tests of sidecar/peers share: transports on free ports, raw sockets, and waiting for events. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Entry, EntryKind } from '../../shared/entry.ts';
import type { Append, PeerMessage } from '../../shared/messages.ts';
import type { PeerAddress, PeerLinkStatus } from '../../sidecar/peers/contract.ts';
import { FrameReader } from '../../sidecar/peers/framing.ts';
import {
  decodeHelloReply,
  encodeHello,
  encodeHelloReply,
  type Hello,
  type HelloReply,
} from '../../sidecar/peers/hello-codec.ts';
import { TcpTransport, type TransportOptions } from '../../sidecar/peers/transport.ts';

export const HOST = '127.0.0.1';

/** A place where events arrive and where a test waits for the state they lead to. */
class Events {
  #waiting = new Set<() => void>();

  happened(): void {
    for (const check of this.#waiting) check();
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition()) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }
}

/** A transport with everything it reported. */
export class TestNode {
  readonly id: string;
  readonly transport: TcpTransport;
  readonly messages: PeerMessage[] = [];
  readonly links: string[] = [];
  readonly logs: string[] = [];
  readonly #events = new Events();
  port = 0;

  constructor(id: string, options: Partial<TransportOptions> = {}) {
    this.id = id;
    this.transport = new TcpTransport({
      cluster: 'c1',
      self: id,
      version: '0.0.0-test',
      listen: { host: HOST, port: 0 },
      members: [],
      random: () => 0.5,
      log: (_level, message, fields) => {
        this.logs.push(`${message} ${JSON.stringify(fields)}`);
        this.#events.happened();
      },
      ...options,
    });
  }

  get address(): PeerAddress {
    return { id: this.id, host: HOST, port: this.port };
  }

  async start(): Promise<this> {
    const bound = await this.transport.start({
      message: (message) => {
        this.messages.push(message);
        this.#events.happened();
      },
      link: (id, up, _reason, direction) => {
        this.links.push(`${id} ${direction} ${up ? 'up' : 'down'}`);
        this.#events.happened();
      },
    });
    this.port = bound.port;
    return this;
  }

  link(id: string): PeerLinkStatus {
    const link = this.transport.links().find((candidate) => candidate.id === id);
    if (link === undefined) throw new Error(`no link to ${id}`);
    return link;
  }

  until(condition: () => boolean): Promise<void> {
    return this.#events.until(condition);
  }

  untilLink(id: string, state: PeerLinkStatus['state']): Promise<void> {
    return this.until(() => this.link(id).state === state);
  }
}

/** Starts the nodes and makes all of them members of each other. */
export async function startCluster(nodes: readonly TestNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.start()));
  for (const node of nodes) node.transport.setMembers(nodes.map(({ address }) => address));
  await Promise.all(
    nodes.flatMap((node) =>
      nodes.filter((other) => other !== node).map((other) => node.untilLink(other.id, 'CONNECTED')),
    ),
  );
}

export function helloOf(from: string, to: string, change: Partial<Hello> = {}): Hello {
  return {
    protocol: 1,
    cluster: 'c1',
    from,
    to,
    version: 'raw',
    http: '',
    incarnation: '',
    peer: '',
    oldest: 0,
    features: 0,
    ...change,
  };
}

/** A raw connection to a transport: sends any bytes, collects the replies, knows when it was closed. */
export class RawPeer {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  readonly replies: HelloReply[] = [];
  readonly #events = new Events();

  constructor(port: number) {
    this.socket = connect({ host: HOST, port, noDelay: true });
    // A reset is one of the ways in which the other side may close on us.
    this.socket.on('error', () => this.socket.destroy());
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    const reader = new FrameReader(65_536, (payload) => {
      this.replies.push(decodeHelloReply(payload));
      this.#events.happened();
      return true;
    });
    this.socket.on('data', (chunk) => reader.push(chunk));
  }

  async greet(hello: Hello): Promise<HelloReply> {
    this.socket.write(encodeHello(hello));
    await this.#events.until(() => this.replies.length > 0);
    const reply = this.replies[0];
    if (reply === undefined) throw new Error('no reply');
    return reply;
  }
}

/** A raw listener in place of a peer: answers each hello as told and shows the sockets it has. */
export class RawListener {
  readonly server: Server;
  readonly sockets: Socket[] = [];
  readonly hellos: number[] = [];
  readonly #events = new Events();
  port = 0;

  constructor(reply: HelloReply, greeted: (socket: Socket) => void = () => undefined) {
    this.server = createServer((socket) => {
      this.sockets.push(socket);
      socket.on('error', () => socket.destroy());
      socket.once('data', () => {
        this.hellos.push(performance.now());
        socket.write(encodeHelloReply(reply));
        greeted(socket);
        this.#events.happened();
      });
    });
  }

  async listen(): Promise<this> {
    this.server.listen(0, HOST);
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  untilHellos(count: number): Promise<void> {
    return this.#events.until(() => this.hellos.length >= count);
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    const closed = once(this.server, 'close');
    this.server.close();
    await closed;
  }
}

export const ACCEPT: HelloReply = { ok: true, code: '', message: '', http: '', features: 0, incarnation: '' };

export function makeEntries(first: number, count: number, term = 3, bytes = 16): Entry[] {
  return Array.from({ length: count }, (_, at) => ({
    index: first + at,
    term,
    kind: EntryKind.COMMAND,
    time: 1_763_000_000_000 + at,
    session: 0,
    sequence: 0,
    command: Buffer.alloc(bytes, (first + at) & 0xff),
  }));
}

export function makeAppend(
  from: string,
  to: string,
  entries: readonly Entry[],
  change: Partial<Append> = {},
): Append {
  const prevIndex = (entries[0]?.index ?? 1) - 1;
  const header = { type: 'Append', group: '', from, to, term: 3 } as const;
  return { ...header, prevIndex, prevTerm: 3, entries, commit: 0, round: 0, lastHash: '', ...change };
}

/** The same sequence of numbers in 0 … 1 for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const HASH = `${'h'.repeat(31)}\u00ff`;

/** One message of each type, with a value other than the default in each field. */
export function everyMessage(from: string, to: string): PeerMessage[] {
  const raft = { group: 'g', from, to, term: 7 };
  const forward = { group: 'g', from, to, id: 2 ** 53 - 1 };
  const command = Buffer.from([0, 1, 2, 255]);
  return [
    { type: 'VoteRequest', ...raft, preVote: true, lastIndex: 2 ** 40, lastTerm: 6, transfer: true },
    { type: 'VoteReply', ...raft, preVote: true, granted: false, reason: 'LOG_BEHIND' },
    makeAppend(from, to, makeEntries(10, 3), { ...raft, commit: 9, round: 4, lastHash: HASH }),
    makeAppend(from, to, [], { ...raft, prevIndex: 5, commit: 5 }),
    { type: 'AppendReply', ...raft, ok: true, index: 12, hintIndex: 3, hintTerm: 2, round: 4, applied: 11 },
    { type: 'Heartbeat', ...raft, commit: 12, round: 5, durable: 13, nobodyElse: true },
    {
      type: 'HeartbeatReply',
      ...raft,
      round: 5,
      commit: 11,
      applied: 10,
      unfit: true,
      promiseMs: 150,
      clockMs: 12,
    },
    { type: 'TimeoutNow', ...raft },
    { type: 'SnapshotOffer', ...raft, lastIndex: 8, lastTerm: 2 },
    { type: 'SnapshotReply', ...raft, lastIndex: 8 },
    {
      ...{ type: 'ForwardChange', ...forward },
      change: { act: 'ADD', id: 'n4', peer: '127.0.0.1:7', learner: true, replaces: 'n1', priority: -3 },
    },
    { type: 'ForwardChanged', ...forward, index: 9, refused: 'OVERLOADED', message: 'not now' },
    { type: 'SnapshotAsk', ...forward, index: 8, term: 2, least: 9, offset: 2 ** 33, length: 65_536 },
    {
      ...{ type: 'SnapshotData', ...forward, index: 8, term: 2, offset: 2 ** 33, data: command },
      ...{ size: 2 ** 33 + 9, digest: Buffer.alloc(32, 7) },
    },
    {
      type: 'ForwardPropose',
      ...forward,
      commands: [
        { command, session: 4, sequence: 5 },
        { command, session: 4, sequence: 6, ackBelow: 5 },
        { command, session: 4, sequence: 0, kind: EntryKind.SESSION_KEEP },
      ],
    },
    {
      type: 'ForwardProposed',
      ...forward,
      offset: 2,
      count: 3,
      firstIndex: 13,
      term: 6,
      refused: '',
      leader: 'n2',
    },
    { type: 'ForwardRead', ...forward },
    { type: 'ForwardReadIndex', ...forward, index: 12, refused: 'NOT_LEADER', leader: 'n2' },
    { type: 'ForwardTransfer', ...forward, target: 'n3' },
    { type: 'AskReply', ...forward, session: 4, sequence: 5 },
    { type: 'TellReply', ...forward, known: true, result: command },
    { type: 'TellReply', ...forward, known: false },
    { type: 'AskVersion', ...forward },
    { type: 'TellVersion', ...forward, attached: true, version: 3 },
    { type: 'AppHashes', ...forward, hashes: [{ index: 1_000, hash: Buffer.alloc(32, 7) }] },
    { type: 'AppHashes', ...forward, hashes: [] },
    { type: 'AppVerdict', ...forward, nodes: ['n2', 'n3'], after: 1_000, through: 2_000, undecided: true },
  ];
}

/** A message as plain data, without what sealing and decoding add to entries. */
export function plain(message: PeerMessage): unknown {
  return JSON.parse(
    JSON.stringify(message, (key, value) => (key === 'record' || key === 'hash' ? undefined : value)),
  );
}
