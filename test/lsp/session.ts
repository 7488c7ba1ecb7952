/** The documents behind a real JSON-RPC connection, over the same kind of port as the editor's worker has. */
import { MessageChannel } from 'node:worker_threads';
import { createMessageConnection, type MessageConnection } from 'vscode-jsonrpc/node';
import {
  type ClientCapabilities,
  createConnection,
  PortMessageReader,
  PortMessageWriter,
} from 'vscode-languageserver/node';
import type { Inspected } from '../../extension/aggregator/contract.ts';
import { type DocumentOptions, registerDocuments } from '../../extension/aggregator/documents/register.ts';

export class Session {
  readonly client: MessageConnection;
  /** What the server logged, oldest first. */
  readonly logged: string[] = [];
  readonly #end: () => void;

  constructor(inspected: Inspected, options: DocumentOptions = {}) {
    const { port1, port2 } = new MessageChannel();
    const server = createConnection(new PortMessageReader(port1), new PortMessageWriter(port1));
    const documents = registerDocuments(server, inspected, options);
    server.onInitialize(({ capabilities }) => {
      documents.clientHas(capabilities);
      return { capabilities: documents.capabilities };
    });
    server.listen();
    this.client = createMessageConnection(new PortMessageReader(port2), new PortMessageWriter(port2));
    this.client.onNotification('window/logMessage', ({ message }: { message: string }) => {
      this.logged.push(message);
    });
    this.client.listen();
    this.#end = () => {
      documents.dispose();
      this.client.dispose();
      server.dispose();
      port1.close();
      port2.close();
    };
  }

  initialize(capabilities: ClientCapabilities = {}): Promise<unknown> {
    // Without a process id the server does not watch its parent.
    return this.client.sendRequest('initialize', { processId: null, rootUri: null, capabilities });
  }

  async content(uri: string): Promise<string> {
    const answer: { text: string } = await this.client.sendRequest('workspace/textDocumentContent', { uri });
    return answer.text;
  }

  ask<T>(method: string, uri: string, more: object = {}): Promise<T> {
    return this.client.sendRequest(`textDocument/${method}`, { textDocument: { uri }, ...more });
  }

  end(): void {
    this.#end();
  }
}
