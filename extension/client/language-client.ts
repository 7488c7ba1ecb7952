/**
 * The LanguageClient over a worker thread: starting it, keeping it alive, stopping it.
 *
 * MUST: be loaded only when something needs the aggregator (it is the heaviest part of the bundle); retry a worker that
 * does not come up inside `serverOptions`, since a client whose start failed stays failed; stop only what runs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { type LogOutputChannel, MarkdownString, type Uri } from 'vscode';
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  type MessageTransports,
  PortMessageReader,
  PortMessageWriter,
  RevealOutputChannelOn,
  State,
  TextDocumentContentRequest,
} from 'vscode-languageclient/node';
import { type AggregatorOptions, SCHEME } from '../protocol.ts';
import { detailsOf, messageOf } from '../util/errors.ts';
import { OPEN_URI, withCommandLinks } from './hover-links.ts';
import { RestartPolicy } from './restart-policy.ts';
import { hasEnded, startWorker } from './worker.ts';

/** From the start of the worker to its answer to `initialize`. Over it: it is ended, which counts as a crash. */
const START_MS = 20_000;
/** Orderly end of the aggregator. Over it: terminated. */
const STOP_MS = 2_000;

export interface ClientSetup {
  /** Of the bundle that runs in the worker. */
  readonly workerFile: string;
  /** Started while this module was loaded; used for the first connection. */
  readonly firstWorker?: Promise<Worker>;
  readonly log: LogOutputChannel;
  /** Asked at each start. */
  readonly options: () => AggregatorOptions;
  /** It crashed too often and is not started again by itself. */
  readonly onGaveUp: () => void;
}

/** A worker's end closes the connection: jsonrpc listens for `close`, which a Worker does not emit. */
class WorkerReader extends PortMessageReader {
  constructor(worker: Worker) {
    super(worker);
    worker.once('exit', () => this.fireClose());
  }
}

export class AggregatorClient {
  readonly client: LanguageClient;
  readonly #setup: ClientSetup;
  readonly #policy = new RestartPolicy();
  readonly #stopping = new AbortController();
  #worker: Worker | undefined;
  #usedFirst = false;

  constructor(setup: ClientSetup) {
    this.#setup = setup;
    this.client = new LanguageClient('outrigger', 'Outrigger', () => this.#connect(), this.#clientOptions());
  }

  get running(): boolean {
    return this.client.state === State.Running;
  }

  /** Starts it, or waits until it runs. After it was given up, this is a new beginning. */
  async start(): Promise<void> {
    if (this.client.state === State.Stopped || this.client.state === State.StartFailed) this.#policy.reset();
    await this.client.start();
  }

  /** A worker that says nothing would leave everybody waiting: it is ended, and the rest is as after a crash. */
  #watchStart(worker: Worker): void {
    const timer = setTimeout(() => {
      if (this.running) return;
      this.#setup.log.error(`The aggregator did not answer within ${START_MS / 1_000} s.`);
      worker.terminate().catch((error: unknown) => this.#setup.log.error(detailsOf(error)));
    }, START_MS);
    worker.once('exit', () => clearTimeout(timer));
  }

  /** Tells the editor that it has to ask for a document again. */
  reread(uri: Uri): void {
    const feature = this.client.getFeature(TextDocumentContentRequest.method);
    for (const { scheme, onDidChangeEmitter } of feature?.getProviders() ?? []) {
      if (scheme === uri.scheme) onDidChangeEmitter.fire(uri);
    }
  }

  /** Ends the worker as a crash would: for tests of the restart. */
  async crash(): Promise<void> {
    await this.#worker?.terminate();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.running) {
      await this.client.stop(STOP_MS).catch((error: unknown) => {
        this.#setup.log.warn(`The aggregator did not stop in order: ${messageOf(error)}`);
      });
    }
    await this.#worker?.terminate();
  }

  #clientOptions(): LanguageClientOptions {
    return {
      documentSelector: [{ scheme: SCHEME }, { scheme: 'file', pattern: '**/outrigger.json' }],
      outputChannel: this.#setup.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationOptions: this.#setup.options,
      initializationFailedHandler: (error) => {
        this.#setup.log.error(`The aggregator could not be initialized: ${detailsOf(error)}`);
        return false;
      },
      markdown: { isTrusted: { enabledCommands: [OPEN_URI] }, supportHtml: false },
      errorHandler: {
        error: (error) => {
          this.#setup.log.error(`The aggregator failed: ${detailsOf(error)}`);
          return { action: ErrorAction.Continue, handled: true };
        },
        closed: () => this.#closed(),
      },
      middleware: {
        provideHover: async (document, position, token, next) => {
          const hover = await next(document, position, token);
          for (const content of hover?.contents ?? []) {
            if (content instanceof MarkdownString) content.value = withCommandLinks(content.value);
          }
          return hover;
        },
        // An answer without text would leave the editor empty without a word.
        provideTextDocumentContent: async (uri, token, next) => {
          try {
            return (
              (await next(uri, token)) ?? 'This document was not made in time. Close it and open it again.\n'
            );
          } catch (error) {
            return `This document cannot be shown: ${messageOf(error)}\n`;
          }
        },
      },
    };
  }

  async #closed(): Promise<{ action: CloseAction; handled: boolean; message?: string }> {
    if (this.#stopping.signal.aborted) return { action: CloseAction.DoNotRestart, handled: true };
    const pause = this.#policy.next(performance.now());
    if (pause === undefined) {
      this.#setup.onGaveUp();
      return { action: CloseAction.DoNotRestart, handled: true, message: 'It crashed too often.' };
    }
    this.#setup.log.warn(`The aggregator has ended unexpectedly and is started again in ${pause} ms.`);
    await this.#pause(pause);
    const action = this.#stopping.signal.aborted ? CloseAction.DoNotRestart : CloseAction.Restart;
    return { action, handled: true };
  }

  /** Resolves with a worker that runs. Rejects only when it is being stopped, or given up. */
  async #connect(): Promise<MessageTransports> {
    for (;;) {
      try {
        const worker = await this.#startWorker();
        this.#worker = worker;
        this.#watchStart(worker);
        return { reader: new WorkerReader(worker), writer: new PortMessageWriter(worker), detached: true };
      } catch (error) {
        const pause = this.#policy.next(performance.now());
        if (pause === undefined || this.#stopping.signal.aborted) throw error;
        this.#setup.log.warn(`The aggregator did not start, again in ${pause} ms: ${messageOf(error)}`);
        await this.#pause(pause);
      }
    }
  }

  /** The one that was started before us, if it still runs; else another one. */
  async #startWorker(): Promise<Worker> {
    const { firstWorker, workerFile, log } = this.#setup;
    this.#stopping.signal.throwIfAborted();
    if (!this.#usedFirst && firstWorker !== undefined) {
      this.#usedFirst = true;
      const worker = await firstWorker;
      if (!hasEnded(worker)) return worker;
    }
    return startWorker(workerFile, log);
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch((error: unknown) => {
      // Called off by `stop`, which is all that can happen to it.
      if (!this.#stopping.signal.aborted) throw error;
    });
  }
}
