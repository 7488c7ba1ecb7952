/**
 * The aggregator as the rest of the extension sees it: typed requests and notifications, started when first needed.
 *
 * MUST: be the only way to it; cost nothing until somebody asks. MAY be restarted underneath: whoever told it something
 * that it should still know tells it again at `onDidStart`.
 */
import type { Worker } from 'node:worker_threads';
import * as vscode from 'vscode';
import type { FromAggregator, Requests, ToAggregator } from '../protocol.ts';
import { messageOf } from '../util/errors.ts';
import type { AggregatorClient, ClientSetup } from './language-client.ts';
import { startWorker } from './worker.ts';

type Setup = Omit<ClientSetup, 'onGaveUp' | 'firstWorker'>;
type Emitters = { readonly [M in keyof FromAggregator]: vscode.EventEmitter<FromAggregator[M]> };

export class Aggregator {
  readonly #setup: Setup;
  readonly #emitters: Emitters = {
    'raft/clustersChanged': new vscode.EventEmitter(),
    'raft/newEvents': new vscode.EventEmitter(),
    'raft/panel': new vscode.EventEmitter(),
    'raft/remember': new vscode.EventEmitter(),
  };
  readonly #started = new vscode.EventEmitter<void>();
  /** It runs now, for the first time or again. */
  readonly onDidStart = this.#started.event;
  #client: AggregatorClient | undefined;
  #loading: Promise<AggregatorClient> | undefined;
  #firstWorker: Promise<Worker> | undefined;
  #stopped = false;

  constructor(setup: Setup) {
    this.#setup = setup;
  }

  get running(): boolean {
    return this.#client?.running ?? false;
  }

  /** Resolves when it runs. Rejects when it cannot be started. */
  async start(): Promise<void> {
    if (this.#stopped) throw new Error('The extension is being stopped.');
    this.#loading ??= this.#load();
    await (await this.#loading).start();
  }

  /** Starts it in the background. */
  wake(): void {
    this.start().catch((error: unknown) => {
      this.#setup.log.error(`The aggregator could not be started: ${messageOf(error)}`);
    });
  }

  async #load(): Promise<AggregatorClient> {
    const firstWorker = startWorker(this.#setup.workerFile, this.#setup.log);
    this.#firstWorker = firstWorker;
    // The client takes it, and tells of its failure; until then a rejection must not count as unhandled.
    firstWorker.catch(() => undefined);
    const { AggregatorClient } = await import('./language-client.ts');
    const client = new AggregatorClient({
      ...this.#setup,
      firstWorker,
      onGaveUp: () => this.#sayGaveUp(),
    });
    this.#client = client;
    client.client.onDidChangeState(() => {
      if (client.running) this.#started.fire();
    });
    this.#forward(client, 'raft/clustersChanged');
    this.#forward(client, 'raft/newEvents');
    this.#forward(client, 'raft/panel');
    this.#forward(client, 'raft/remember');
    return client;
  }

  #forward<M extends keyof FromAggregator>({ client }: AggregatorClient, method: M): void {
    client.onNotification(method, (params: FromAggregator[M]) => this.#emitters[method].fire(params));
  }

  /** Rejects with an Error whose message is one sentence for a person. */
  async request<M extends keyof Requests>(
    method: M,
    params: Requests[M]['params'],
    token?: vscode.CancellationToken,
  ): Promise<Requests[M]['result']> {
    await this.start();
    const { client } = await this.#running();
    // An absent token must not be an argument: it would be sent as one more parameter.
    if (token === undefined) return client.sendRequest<Requests[M]['result']>(method, params);
    return client.sendRequest<Requests[M]['result']>(method, params, token);
  }

  /** The text of one of its documents. */
  async content(uri: string, token: vscode.CancellationToken): Promise<string> {
    await this.start();
    const { client } = await this.#running();
    const answer = await client.sendRequest<{ text: string }>(
      'workspace/textDocumentContent',
      { uri },
      token,
    );
    return answer.text;
  }

  /** Tells the editor that it has to ask for a document again. */
  async reread(uri: vscode.Uri): Promise<void> {
    (await this.#running()).reread(uri);
  }

  async #running(): Promise<AggregatorClient> {
    if (this.#loading === undefined) throw new Error('The aggregator does not run.');
    return this.#loading;
  }

  /** Says something to it, if it runs; what it should know after a start is said at `onDidStart`. */
  notify<M extends keyof ToAggregator>(method: M, params: ToAggregator[M]): void {
    if (this.#client?.running !== true) return;
    this.#client.client.sendNotification(method, params).catch((error: unknown) => {
      this.#setup.log.warn(`${method} was not delivered: ${messageOf(error)}`);
    });
  }

  on<M extends keyof FromAggregator>(
    method: M,
    listener: (params: FromAggregator[M]) => void,
  ): vscode.Disposable {
    return this.#emitters[method].event(listener);
  }

  /** For tests: as if it had crashed. */
  async crash(): Promise<void> {
    await this.#client?.crash();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#client?.stop();
    // It may be that no client took it.
    await this.#firstWorker?.then(
      (worker) => worker.terminate(),
      () => undefined,
    );
    for (const emitter of Object.values(this.#emitters)) emitter.dispose();
    this.#started.dispose();
  }

  #sayGaveUp(): void {
    const again = vscode.l10n.t('Try Again');
    const output = vscode.l10n.t('Show Output');
    void vscode.window
      .showErrorMessage(
        vscode.l10n.t('Outrigger stopped watching: its background process crashed several times.'),
        again,
        output,
      )
      .then((chosen) => {
        if (chosen === again) this.wake();
        if (chosen === output) this.#setup.log.show();
      });
  }
}
