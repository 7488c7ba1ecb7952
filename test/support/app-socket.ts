/** An app socket on a path of its own, with a fake node behind it; closed after each test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CodecName } from '../../shared/wire/app-codec.ts';
import { AppServer, type AppServerOptions } from '../../sidecar/app/server.ts';
import { AppClient } from './app-client.ts';
import { FakeHost } from './app-host.ts';

export class AppSocket {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'outrigger-app-'));
  readonly path: string = join(this.folder, 'n1.sock');
  readonly host = new FakeHost();
  readonly faults: Error[] = [];
  readonly server: AppServer;
  readonly #clients: AppClient[] = [];

  constructor(options: Partial<AppServerOptions> = {}) {
    this.server = new AppServer({
      host: this.host,
      listen: { path: this.path },
      onFault: (error) => this.faults.push(error),
      ...options,
    });
  }

  /** Listening, with these limits. */
  static async start(limits: AppServerOptions['limits'] = {}): Promise<AppSocket> {
    const socket = new AppSocket({ limits: { appLingerMs: 100, ...limits } });
    await socket.server.listen();
    return socket;
  }

  async greet(name: CodecName, machine?: Parameters<typeof AppClient.greet>[2]): Promise<AppClient> {
    return this.own(await AppClient.greet(this.path, name, machine));
  }

  async open(name: CodecName, options?: Parameters<typeof AppClient.open>[2]): Promise<AppClient> {
    return this.own(await AppClient.open(this.path, name, options));
  }

  own(client: AppClient): AppClient {
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) await client.close();
    await this.server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
