/**
 * The aggregator as a language server: puts the parts together on one connection.
 *
 * MUST: use the common `createConnection` with a watchdog of our own (that of the node variant ends the process it is in);
 * answer every request by a value or an LSP error of one sentence; open no connection to a sidecar before somebody looks.
 * MUST NOT: register commands (a second client would fail on them): acts are requests of extension/protocol.ts.
 */
import {
  type CancellationToken,
  type Connection,
  createConnection,
  createProtocolConnection,
  ErrorCodes,
  type InitializeParams,
  type InitializeResult,
  LSPErrorCodes,
  type MessageReader,
  type MessageWriter,
  ResponseError,
} from 'vscode-languageserver';
import { VERSION } from '../../shared/version.ts';
import type { AggregatorOptions, Requests, ToAggregator } from '../protocol.ts';
import { Clusters } from './clusters/clusters.ts';
import { InspectError } from './contract.ts';
import { TIMING, type Timing } from './limits.ts';
import { News } from './news.ts';
import { Panels } from './panels.ts';
import { checked, DEFAULT_OPTIONS, NOTIFICATIONS, optionsSchema, REQUESTS } from './params.ts';
import { type Plugins, plugIn } from './plugins.ts';
import { type Handlers, requestHandlers } from './requests.ts';

export interface ServerOptions {
  readonly reader: MessageReader;
  readonly writer: MessageWriter;
  /** The client said `exit`, or is gone. */
  readonly onExit: (code: number) => void;
  /**
   * A plain LSP client: it never says `raft/attend`, so somebody looks from `initialized` on, and it has no JSON schema of
   * ours. Our own editor side is not one: it says who looks.
   */
  readonly plainClient: boolean;
  readonly timing?: Timing;
  readonly now?: () => number;
}

export interface Server {
  /** Closes every link. Idempotent. */
  dispose(): void;
}

/** What exists from `initialize` on. */
interface Core {
  readonly clusters: Clusters;
  readonly news: News;
  readonly panels: Panels;
  readonly plugins: Plugins;
  readonly handlers: Handlers;
}

/** Serves one client until it exits. */
export function startServer(options: ServerOptions): Server {
  return new AggregatorServer(options);
}

class AggregatorServer implements Server {
  readonly #options: ServerOptions;
  readonly #connection: Connection;
  #core: Core | undefined;

  constructor(options: ServerOptions) {
    const { reader, writer, onExit } = options;
    this.#options = options;
    const end = (code: number) => {
      this.dispose();
      onExit(code);
    };
    this.#connection = createConnection((logger) => createProtocolConnection(reader, writer, logger), {
      shutdownReceived: false,
      initialize: () => undefined,
      exit: end,
    });
    reader.onClose(() => end(0));
    this.#connection.onInitialize((params) => this.#initialize(params));
    this.#connection.onInitialized(() => {
      if (this.#options.plainClient) this.#core?.clusters.attend(true);
    });
    this.#connection.onShutdown(() => this.dispose());
    this.#listen();
    this.#connection.listen();
  }

  dispose(): void {
    const core = this.#core;
    this.#core = undefined;
    core?.plugins.dispose();
    core?.panels.dispose();
    core?.news.dispose();
    core?.clusters.dispose();
  }

  #initialize(params: InitializeParams): InitializeResult {
    const given: unknown = params.initializationOptions;
    let options: AggregatorOptions;
    try {
      // A plain client may send an empty object, or nothing.
      const full = typeof given === 'object' ? { ...DEFAULT_OPTIONS, ...given } : (given ?? DEFAULT_OPTIONS);
      options = checked(optionsSchema, full, 'initializationOptions');
    } catch (error) {
      throw this.#asResponse(error);
    }
    this.dispose();
    const core = this.#build(options, params);
    this.#core = core;
    return {
      serverInfo: { name: 'outrigger', version: VERSION },
      capabilities: core.plugins.capabilities,
    };
  }

  #build(options: AggregatorOptions, params: InitializeParams): Core {
    const { timing = TIMING, now = Date.now } = this.#options;
    const onBug = (error: unknown) => this.#report(error);
    const generation = now();
    const clusters = new Clusters({
      endpointRoot: options.endpointRoot,
      remembered: options.remembered,
      detached: options.detached ?? [],
      timing,
      now,
      onBug,
    });
    const connection = this.#connection;
    const own = !this.#options.plainClient;
    const plugins = plugIn({ connection, clusters, options, own, client: params.capabilities, now });
    const { decode, doctor } = plugins;
    const news = new News(clusters, timing, generation, (method, message) => this.#send(method, message));
    const panels = new Panels({
      clusters,
      generation,
      decode,
      onBug,
      send: (panel, message) => this.#send('raft/panel', { panel, message }),
    });
    const handlers = requestHandlers({ clusters, news, panels, decode, doctor });
    return { clusters, news, panels, plugins, handlers };
  }

  #listen(): void {
    for (const method of Object.keys(REQUESTS)) {
      if (!isRequest(method)) continue;
      this.#connection.onRequest(method, (params: unknown, token: CancellationToken) =>
        this.#answer(method, params, token),
      );
    }
    this.#on('raft/attend', ({ clusters }, { attending }) => clusters.attend(attending));
    this.#on('raft/follow', ({ news }, { cluster, follow }) => news.follow(cluster, follow));
    this.#on('raft/panel', ({ panels }, { panel, message }) => panels.receive(panel, message));
    this.#on('raft/workspace', ({ plugins }, workspace) => {
      plugins.setWorkspace(workspace).catch((error: unknown) => this.#report(error));
    });
  }

  async #answer<M extends keyof Requests>(
    method: M,
    params: unknown,
    token: CancellationToken,
  ): Promise<unknown> {
    try {
      const { handlers } = this.#running();
      const handler: (params: Requests[M]['params']) => unknown = handlers[method];
      const result = await handler(checked(REQUESTS[method], params ?? {}, method));
      if (token.isCancellationRequested) {
        throw new ResponseError(LSPErrorCodes.RequestCancelled, 'The request was cancelled.');
      }
      return result;
    } catch (error) {
      throw this.#asResponse(error);
    }
  }

  #on<M extends keyof typeof NOTIFICATIONS>(
    method: M,
    act: (core: Core, params: ToAggregator[M]) => void,
  ): void {
    this.#connection.onNotification(method, (params: unknown) => {
      try {
        act(this.#running(), checked(NOTIFICATIONS[method], params, method));
      } catch (error) {
        // Nobody waits for an answer: the log has it.
        if (error instanceof InspectError) this.#connection.console.warn(error.message);
        else this.#report(error);
      }
    });
  }

  #running(): Core {
    if (this.#core === undefined) throw new InspectError('the aggregator is not initialized');
    return this.#core;
  }

  #send(method: string, params: unknown): void {
    this.#connection
      .sendNotification(method, params)
      .catch((error: unknown) => this.#connection.console.error(`${method} was not sent: ${String(error)}`));
  }

  #asResponse(error: unknown): ResponseError<void> {
    if (error instanceof ResponseError) return error;
    if (error instanceof InspectError) return new ResponseError(LSPErrorCodes.RequestFailed, error.message);
    this.#report(error);
    return new ResponseError(
      ErrorCodes.InternalError,
      'This is a bug of Outrigger; its output has the details.',
    );
  }

  #report(error: unknown): void {
    this.#connection.console.error(
      `This is a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }
}

function isRequest(method: string): method is keyof Requests {
  return method in REQUESTS;
}
