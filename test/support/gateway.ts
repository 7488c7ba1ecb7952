/** A gateway in this process, in front of scripted replicas; all of it is closed after each test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GatewayStatus } from '../../shared/inspect.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../../sidecar/gateway/gateway.ts';
import { AppClient } from './app-client.ts';
import { ScriptedReplica } from './scripted-replica.ts';

/** In a hurry, but for the silence of a replica: a test that wants it names it. */
const QUICK = {
  gatewayRedialMinMs: 5,
  gatewayRedialMaxMs: 20,
  gatewayRetryMinMs: 1,
  gatewayHoldMs: 50,
  gatewayDiscoverMs: 20,
  gatewayPressureMs: 20,
};

export class GatewayFixture {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'outrigger-gateway-'));
  readonly replicas: ScriptedReplica[] = [];
  readonly #clients: AppClient[] = [];
  #gateway: Gateway | undefined;

  /** n1 leads and n2 follows, unless others are given. */
  static async start(
    options: Partial<GatewayOptions> = {},
    replicas?: readonly ScriptedReplica[],
  ): Promise<GatewayFixture> {
    const fixture = new GatewayFixture();
    fixture.replicas.push(
      ...(replicas ?? [await ScriptedReplica.start('n1'), await ScriptedReplica.start('n2')]),
    );
    fixture.#gateway = await startGateway({
      id: 'gw',
      cluster: 'orders',
      replicas: fixture.replicas.map(({ replica }) => replica),
      endpointRoot: join(fixture.folder, 'run'),
      appListen: { path: join(fixture.folder, 'app.sock') },
      httpListen: { host: '127.0.0.1', port: 0 },
      tokenFile: join(fixture.folder, 'tokens.json'),
      logLevel: 'error',
      ...options,
      limits: { ...QUICK, ...options.limits },
    });
    return fixture;
  }

  get gateway(): Gateway {
    if (this.#gateway === undefined) throw new Error('the gateway was not started');
    return this.#gateway;
  }

  replica(id: string): ScriptedReplica {
    const found = this.replicas.find((one) => one.id === id);
    if (found === undefined) throw new Error(`there is no replica ${id}`);
    return found;
  }

  /** A client that was welcomed. */
  async client(): Promise<AppClient> {
    const client = await AppClient.greet(this.gateway.appSocket, 'protobuf');
    this.#clients.push(client);
    return client;
  }

  async status(): Promise<GatewayStatus> {
    return (await (await fetch(`${this.gateway.http}/v1/status`)).json()) as GatewayStatus;
  }

  /** Resolves once the status is so. */
  async until(holds: (status: GatewayStatus) => boolean): Promise<GatewayStatus> {
    for (;;) {
      const status = await this.status();
      if (holds(status)) return status;
    }
  }

  /** Resolves once all replicas are connected. */
  ready(): Promise<GatewayStatus> {
    return this.until(({ upstreams }) => upstreams.every(({ state }) => state === 'OPEN'));
  }

  async stop(): Promise<void> {
    // With a goodbye their open requests are forgotten, and nobody waits for them.
    for (const client of this.#clients) {
      client.send({ type: 'goodbye' });
      await client.close();
    }
    await this.#gateway?.stop();
    for (const replica of this.replicas) await replica.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
