/**
 * A plain LSP client of `outrigger lsp --stdio` that opens windows of logs and takes the time.
 *
 * MUST: be a process as an editor starts it; check that an answer is the window asked for, since an error is a document too.
 */
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node';
import { logUri, WINDOW_ENTRIES, windowAround } from '../../extension/aggregator/documents/uris.ts';
import type { FromAggregator } from '../../extension/protocol.ts';
import { BenchError, type Child, tail, type Workplace } from '../bench/processes.ts';
import { BIN } from './build.ts';

const ATTACH_MS = 20_000;
/** Lines that an editor shows at first, and asks hints and colours for. */
const SCREEN_LINES = 60;

/** Times of the first answers about one window, ms. `text` is what opens it. */
export interface WindowTimes {
  readonly text: number;
  readonly folding: number;
  readonly symbols: number;
  readonly hints: number;
}

export class LspReader {
  readonly #place: Workplace;
  readonly #child: Child;
  readonly #connection: MessageConnection;

  private constructor(place: Workplace, child: Child, connection: MessageConnection) {
    this.#place = place;
    this.#child = child;
    this.#connection = connection;
  }

  /** A new process. Resolves once all `nodes` of `cluster` are connected; no document was opened yet. */
  static async start(place: Workplace, cluster: string, nodes: number): Promise<LspReader> {
    const env = { XDG_RUNTIME_DIR: place.socketDir };
    const child = place.start('reader', process.execPath, [BIN, 'lsp', '--stdio'], { env, pipe: true });
    const { stdin, stdout } = child.process;
    if (stdin === null || stdout === null) throw new BenchError('the language server has no pipes');
    const connection = createMessageConnection(
      new StreamMessageReader(stdout),
      new StreamMessageWriter(stdin),
    );
    const reader = new LspReader(place, child, connection);
    await reader.#attach(cluster, nodes);
    return reader;
  }

  async #attach(cluster: string, nodes: number): Promise<void> {
    const attached = new Promise<void>((resolve, reject) => {
      const late = (): void =>
        reject(new BenchError(`no cluster of ${nodes} was attached:\n${tail(this.#child.logFile)}`));
      const timer = setTimeout(late, ATTACH_MS);
      this.#connection.onNotification(
        'raft/clustersChanged',
        ({ clusters }: FromAggregator['raft/clustersChanged']) => {
          const found = clusters.find((one) => one.name === cluster);
          if (found?.nodes.filter((node) => node.link.state === 'CONNECTED').length !== nodes) return;
          clearTimeout(timer);
          resolve();
        },
      );
    });
    this.#connection.listen();
    await this.#connection.sendRequest('initialize', { processId: null, rootUri: null, capabilities: {} });
    await this.#connection.sendNotification('initialized', {});
    await this.#connection.sendNotification('raft/attend', { attending: true });
    await attached;
  }

  /** Opens the whole window around `index` as an editor does: its text, then what is shown with it. */
  async open(cluster: string, node: string, index: number): Promise<WindowTimes> {
    const uri = logUri(cluster, node, index);
    const textDocument = { uri };
    const end = { line: SCREEN_LINES, character: 0 };
    const range = { start: { line: 0, character: 0 }, end };
    const text = await this.#timed<{ text: string }>('workspace/textDocumentContent', { uri });
    checkWindow(text.answer.text, uri, index);
    const folding = await this.#timed<unknown[]>('textDocument/foldingRange', { textDocument });
    const symbols = await this.#timed<unknown[]>('textDocument/documentSymbol', { textDocument });
    const hints = await this.#timed<unknown[]>('textDocument/inlayHint', { textDocument, range });
    if ([folding, symbols, hints].some(({ answer }) => answer.length === 0))
      throw new BenchError(`${uri} has no folds, no symbols or no hints`);
    return { text: text.ms, folding: folding.ms, symbols: symbols.ms, hints: hints.ms };
  }

  async #timed<T>(method: string, params: object): Promise<{ readonly answer: T; readonly ms: number }> {
    const began = performance.now();
    const answer = await this.#connection.sendRequest<T>(method, params);
    return { answer, ms: performance.now() - began };
  }

  async stop(): Promise<void> {
    this.#connection.dispose();
    await this.#place.stop(this.#child, 'SIGKILL');
  }
}

/** Every entry of the window, each on its line. */
function checkWindow(text: string, uri: string, index: number): void {
  const { from } = windowAround(index);
  const entries = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const wrong = entries.findIndex((line, at) => Number.parseInt(line, 10) !== from + at);
  if (entries.length === WINDOW_ENTRIES && wrong === -1) return;
  throw new BenchError(`${uri} has ${entries.length} entries; it begins with:\n${text.slice(0, 500)}`);
}
