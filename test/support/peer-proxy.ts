/**
 * The network between sidecars, in the hands of a test: every directed link n→m runs through a loopback port of its own.
 * A sidecar only sends on the connections that it dialled, so cutting the link n→m stops what n says to m and nothing else.
 *
 * A cut is what a real partition is: connections stay open on both sides and nobody is told; what is sent meanwhile is lost.
 * MUST: reset at healing each connection that lost bytes, since what came next would start in the middle of a frame.
 * MUST: listen on and dial 127.0.0.1 only.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { pickPorts } from '../../sidecar/cli/cluster/ports.ts';

/**
 * What happens to new connections over a link that is cut. `hang`: accepted and never answered, like a peer behind a
 * firewall that drops; `refuse`: reset at once, like a machine that is up and says no.
 */
export type NewConnections = 'hang' | 'refuse';

export interface PeerNode {
  readonly id: string;
  /** Where it listens for peers, HOST:PORT. */
  readonly peer: string;
}

interface Connection {
  /** From the sidecar that dialled. */
  readonly dialled: Socket;
  /** To the sidecar that is meant; undefined for one that came while the link was cut. */
  readonly onward: Socket | undefined;
  /** It missed bytes, or the end of the other side: it cannot go on. */
  broken: boolean;
}

class Link {
  readonly address: string;
  readonly #server: Server;
  readonly #target: string;
  readonly #connections = new Set<Connection>();
  #cut: NewConnections | undefined;
  /** How long to keep the next bytes back, ms; undefined: not at all. */
  #delay: (() => number) | undefined;

  private constructor(server: Server, port: number, target: string) {
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
    this.#target = target;
    server.on('connection', (socket) => this.#accept(socket));
  }

  static async open(port: number, target: string): Promise<Link> {
    const server = createServer({ noDelay: true });
    const link = new Link(server, port, target);
    server.listen({ host: '127.0.0.1', port });
    await once(server, 'listening');
    return link;
  }

  cut(newConnections: NewConnections): void {
    this.#cut = newConnections;
  }

  delay(ms: () => number): void {
    this.#delay = ms;
  }

  heal(): void {
    this.#cut = undefined;
    for (const connection of this.#connections) {
      if (connection.broken) this.#reset(connection);
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.#connections) this.#reset(connection);
    await closed;
  }

  #accept(dialled: Socket): void {
    if (this.#cut === 'refuse') {
      dialled.on('error', () => dialled.destroy());
      dialled.resetAndDestroy();
      return;
    }
    const hangs = this.#cut === 'hang';
    const [host, port] = this.#target.split(':');
    const onward = hangs ? undefined : connect({ host, port: Number(port), noDelay: true });
    const connection: Connection = { dialled, onward, broken: hangs };
    this.#connections.add(connection);
    this.#watch(connection, dialled, onward);
    if (onward !== undefined) this.#watch(connection, onward, dialled);
  }

  /** Passes on what `from` says, and its end, unless the link is cut. */
  #watch(connection: Connection, from: Socket, to: Socket | undefined): void {
    const pass = (chunk: Buffer): void => {
      if (this.#cut !== undefined || connection.broken || to === undefined) connection.broken = true;
      else if (!to.write(chunk)) from.pause();
    };
    // Late bytes stay in their order, and each waits from when it came: a busy link is no slower than an idle one.
    let late = Promise.resolve();
    from.on('data', (chunk: Buffer) => {
      if (this.#delay === undefined) return pass(chunk);
      const due = performance.now() + this.#delay();
      late = late.then(() => sleep(Math.max(0, due - performance.now()))).then(() => pass(chunk));
    });
    from.on('drain', () => to?.resume());
    // Reported by `close`, which always follows.
    from.on('error', () => from.destroy());
    from.on('close', () => {
      // Nobody behind a cut hears that the other side has ended.
      if (this.#cut !== undefined && to !== undefined && !to.destroyed) connection.broken = true;
      else this.#reset(connection);
    });
  }

  #reset(connection: Connection): void {
    this.#connections.delete(connection);
    connection.dialled.resetAndDestroy();
    connection.onward?.resetAndDestroy();
  }
}

export class PeerNetwork {
  readonly #nodes: readonly PeerNode[];
  readonly #links: ReadonlyMap<string, Link>;

  private constructor(nodes: readonly PeerNode[], links: ReadonlyMap<string, Link>) {
    this.#nodes = nodes;
    this.#links = links;
  }

  /** A whole network between `nodes`, which need not run yet. */
  static async open(nodes: readonly PeerNode[]): Promise<PeerNetwork> {
    const pairs = nodes.flatMap((from) => nodes.filter((to) => to !== from).map((to) => ({ from, to })));
    const ports = await pickPorts(pairs.length);
    const links = new Map<string, Link>();
    for (const [at, { from, to }] of pairs.entries()) {
      links.set(keyOf(from.id, to.id), await Link.open(ports[at] ?? 0, to.peer));
    }
    return new PeerNetwork(nodes, links);
  }

  /** The `--members` for node `id`: itself where it listens, the others behind their links. */
  membersFor(id: string): string {
    return this.#nodes
      .map((node) => `${node.id}=${node.id === id ? node.peer : this.#link(id, node.id).address}`)
      .join(',');
  }

  /** Keeps everything back for a time that `ms` draws anew for each piece, from now on. */
  delay(ms: () => number): void {
    for (const link of this.#links.values()) link.delay(ms);
  }

  /** Loses what `from` says to `to`; the other way goes on. */
  cutOneWay(from: string, to: string, newConnections: NewConnections = 'hang'): void {
    this.#link(from, to).cut(newConnections);
  }

  /** Loses what `a` and `b` say to each other. */
  cut(a: string, b: string, newConnections: NewConnections = 'hang'): void {
    this.cutOneWay(a, b, newConnections);
    this.cutOneWay(b, a, newConnections);
  }

  /** Loses what `id` and all others say to each other. */
  cutOff(id: string, newConnections: NewConnections = 'hang'): void {
    for (const other of this.#nodes) {
      if (other.id !== id) this.cut(id, other.id, newConnections);
    }
  }

  /** Everything flows again. */
  heal(): void {
    for (const link of this.#links.values()) link.heal();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.close()));
  }

  #link(from: string, to: string): Link {
    const link = this.#links.get(keyOf(from, to));
    if (link === undefined) throw new RangeError(`there is no link from ${from} to ${to}`);
    return link;
  }
}

function keyOf(from: string, to: string): string {
  return `${from} ${to}`;
}
