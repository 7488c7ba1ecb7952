/**
 * A node that clients dial: it lets them in, answers pings and keepSession, and holds every other request until a check answers it.
 *
 * MUST: take nothing from a client that a sidecar would not take.
 */
import type { Socket } from 'node:net';
import type { AppFrame, HelloFrame, SidecarFrame } from '../../../shared/app-frames.ts';
import { LIMITS } from '../../../shared/limits.ts';
import { Connection } from '../play/connection.ts';
import type { Disguise } from '../play/disguise.ts';
import { TOKEN } from '../play/instance.ts';
import { Post } from '../play/post.ts';
import type { Watch } from '../play/watch.ts';

type RequestName = 'propose' | 'read' | 'openSession';
export type RequestOf<T extends RequestName> = Extract<AppFrame, { type: T }>;

/** A request that its client waits for. */
export interface Request<T extends RequestName = RequestName> {
  readonly node: PlayedNode;
  readonly frame: RequestOf<T>;
  readonly connection: Connection;
}

export interface NodeOptions {
  readonly id: string;
  readonly cluster: string;
  readonly folder: string;
  readonly tcp: boolean;
  readonly watch: Watch;
}

export class PlayedNode {
  readonly id: string;
  readonly requests: Request[] = [];
  readonly hellos: HelloFrame[] = [];
  readonly connections = new Set<Connection>();
  /** What no sidecar would take; the first. */
  wrong: string | undefined;
  disguise: Disguise = 'plain';
  split = false;
  readonly #options: NodeOptions;
  #post: Post | undefined;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.id = options.id;
  }

  async listen(): Promise<void> {
    const { folder, tcp } = this.#options;
    this.#post ??= await Post.at(folder, tcp, (socket) => this.#accept(socket));
    await this.#post.listen();
  }

  /** As an argument of the client: with the token where it needs one. */
  get address(): string {
    const at = this.#post?.address ?? '';
    return this.#options.tcp ? `${at},${TOKEN}` : at;
  }

  /** As after kill -9. */
  async die(): Promise<void> {
    await this.#post?.close();
  }

  say(...frames: SidecarFrame[]): void {
    for (const connection of this.connections) connection.send(...frames);
  }

  #accept(socket: Socket): void {
    const connection = new Connection(socket, {
      frame: (from, frame) => {
        this.#frame(from, frame);
        this.#options.watch.changed();
      },
      wrong: (_, why) => {
        this.wrong ??= why;
        this.#options.watch.changed();
      },
      closed: (from) => {
        this.connections.delete(from);
        this.#options.watch.changed();
      },
    });
    connection.disguise = this.disguise;
    connection.split = this.split;
  }

  #frame(connection: Connection, frame: AppFrame): void {
    if (frame.type === 'hello') return this.#hello(connection, frame);
    if (!this.connections.has(connection)) {
      this.wrong ??= `its first frame is ${frame.type}, and not hello`;
      return;
    }
    switch (frame.type) {
      case 'propose':
      case 'read':
      case 'openSession':
        this.requests.push({ node: this, frame, connection });
        return;
      case 'keepSession':
        return connection.send({ type: 'sessionKept', id: frame.id });
      case 'closeSession':
        return connection.send({ type: 'sessionClosed', id: frame.id });
      case 'goodbye':
        return;
      default:
        this.wrong ??= `it sent ${frame.type}, which is for state machines`;
    }
  }

  #hello(connection: Connection, hello: HelloFrame): void {
    const { tcp, id, cluster } = this.#options;
    this.hellos.push(hello);
    if (hello.protocol !== 1) this.wrong ??= `its hello says protocol ${hello.protocol}, and not 1`;
    if (hello.group !== '') this.wrong ??= `its hello names the group ${JSON.stringify(hello.group)}`;
    if (hello.stateMachine !== undefined) {
      this.wrong ??= 'its hello has a stateMachine: it would push out the app of that node';
    }
    if (tcp && hello.token !== TOKEN) this.wrong ??= 'its hello does not have the token that it was given';
    this.connections.add(connection);
    const limits = {
      frameBytes: LIMITS.appFrameBytes,
      commandBytes: LIMITS.commandBytes,
      inFlight: LIMITS.requestsPerConnection,
    };
    const place = { term: 3, leader: id, commitIndex: 5, firstIndex: 1, limits };
    const who = { protocol: 1, cluster, node: id, group: '', epoch: 0, role: 'LEADER' as const };
    connection.send({ type: 'welcome', ...who, ...place });
  }
}
