/** Where a program under test dials: a Unix socket in a folder of its own (on Windows a named pipe), or loopback TCP. It may be away for a while. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

const LOOPBACK = '127.0.0.1';

function placeIn(folder: string): string {
  return process.platform === 'win32'
    ? join('\\\\.\\pipe', folder.replaceAll(/[\\/:]/g, '-'))
    : join(folder, 's');
}

export class Post {
  readonly #accept: (socket: Socket) => void;
  readonly #path: string | undefined;
  #port = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  private constructor(accept: (socket: Socket) => void, path: string | undefined) {
    this.#accept = accept;
    this.#path = path;
  }

  /** Finds its place, and does not listen there yet. */
  static async at(folder: string, tcp: boolean, accept: (socket: Socket) => void): Promise<Post> {
    const post = new Post(accept, tcp ? undefined : placeIn(folder));
    if (tcp) {
      // The port stays ours for as long as nobody else asks for one.
      await post.listen();
      await post.close();
    }
    return post;
  }

  /** What `OUTRIGGER_SOCKET` says. */
  get address(): string {
    return this.#path ?? `tcp://${LOOPBACK}:${this.#port}`;
  }

  async listen(): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.#accept(socket);
    });
    server.listen(this.#path === undefined ? { host: LOOPBACK, port: this.#port } : { path: this.#path });
    await once(server, 'listening');
    if (this.#path === undefined) this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** As when a sidecar ends: every connection breaks, and nobody listens. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    if (this.#path !== undefined) rmSync(this.#path, { force: true });
  }
}
