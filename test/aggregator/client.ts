/** A client of the aggregator in the same process: a connection in memory, and everything that came over it. */
import { PassThrough } from 'node:stream';
import * as rpc from 'vscode-jsonrpc/node';
import { StreamMessageReader, StreamMessageWriter } from 'vscode-languageserver/node';
import { startServer } from '../../extension/aggregator/server.ts';
import type {
  AggregatorOptions,
  ClustersChanged,
  FromAggregator,
  Requests,
  ToAggregator,
} from '../../extension/protocol.ts';
import type { NodeEvent } from '../../shared/events.ts';
import type { FromPage, ToPage } from '../../shared/panel-protocol.ts';
import { type Bench, QUICK } from './support.ts';

/** A client on one end, the server on the other. */
export class Client {
  readonly changes: ClustersChanged[] = [];
  readonly changedAt: number[] = [];
  readonly newEvents: NodeEvent[][] = [];
  readonly pages: ToPage[] = [];
  readonly remembered: FromAggregator['raft/remember'][] = [];
  readonly logged: string[] = [];
  exited: number | undefined;
  readonly #connection: rpc.MessageConnection;

  constructor(bench: Bench, { plainClient = false, clustersMs = 400 } = {}) {
    const [up, down] = [new PassThrough(), new PassThrough()];
    const server = startServer({
      reader: new StreamMessageReader(up),
      writer: new StreamMessageWriter(down),
      plainClient,
      timing: { ...QUICK, clustersMs },
      onExit: (code) => {
        this.exited = code;
      },
    });
    this.#connection = rpc.createMessageConnection(
      new rpc.StreamMessageReader(down),
      new rpc.StreamMessageWriter(up),
    );
    bench.closing(server, (one) => one.dispose());
    bench.closing(this.#connection, (one) => one.dispose());
    this.#connection.onNotification('raft/clustersChanged', (change: ClustersChanged) => {
      this.changes.push(change);
      this.changedAt.push(performance.now());
    });
    this.#connection.onNotification('raft/newEvents', (news: FromAggregator['raft/newEvents']) => {
      this.newEvents.push([...news.events]);
    });
    this.#connection.onNotification('raft/panel', ({ message }: FromAggregator['raft/panel']) => {
      this.pages.push(message);
    });
    this.#connection.onNotification('raft/remember', (what: FromAggregator['raft/remember']) => {
      this.remembered.push(what);
    });
    this.#connection.onNotification('window/logMessage', ({ message }: { message: string }) => {
      this.logged.push(message);
    });
    // What an editor answers to refreshes and registrations does not matter here.
    this.#connection.onRequest(() => null);
    this.#connection.listen();
  }

  async initialize(options: Partial<AggregatorOptions> | undefined): Promise<Record<string, unknown>> {
    const answer = await this.#connection.sendRequest<{ capabilities: Record<string, unknown> }>(
      'initialize',
      {
        processId: null,
        rootUri: null,
        capabilities: {},
        ...(options === undefined ? {} : { initializationOptions: options }),
      },
    );
    await this.#connection.sendNotification('initialized', {});
    return answer.capabilities;
  }

  ask<M extends keyof Requests>(method: M, params: Requests[M]['params']): Promise<Requests[M]['result']> {
    return this.#connection.sendRequest(method, params);
  }

  raw(method: string, params: unknown): Promise<unknown> {
    return this.#connection.sendRequest(method, params);
  }

  tell<M extends keyof ToAggregator>(method: M, params: ToAggregator[M]): Promise<void> {
    return this.#connection.sendNotification(method, params);
  }

  page(message: FromPage): Promise<void> {
    return this.tell('raft/panel', { panel: 1, message });
  }

  notify(method: string, params?: unknown): Promise<void> {
    return this.#connection.sendNotification(method, params);
  }

  get leader(): string {
    return this.changes.at(-1)?.clusters[0]?.leader ?? '';
  }
}

/** The aggregator knows so many events of `c`. */
export function knowing(client: Client, count: number): () => boolean {
  let known = 0;
  const look = () => {
    void client.ask('raft/events', { cluster: 'c', limit: 10_000 }).then(({ events }) => {
      known = events.length;
    });
  };
  return () => {
    look();
    return known >= count;
  };
}
