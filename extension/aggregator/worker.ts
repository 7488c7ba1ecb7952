/**
 * The aggregator in a worker thread of the editor's extension host. It speaks LSP over `parentPort`: the editor side takes
 * `new PortMessageReader(worker)` and `new PortMessageWriter(worker)` of vscode-jsonrpc/node.
 *
 * MUST: end when the client said `exit`; end the worker, never the process.
 */
import { parentPort } from 'node:worker_threads';
// Not of vscode-jsonrpc/node: the server has another version of that package in itself, and the two do not mix.
import { PortMessageReader, PortMessageWriter } from 'vscode-languageserver/node';
import { startServer } from './server.ts';

const port = parentPort;
if (port === null) throw new Error('this file runs in a worker thread; stdio.js is the one for a process');

startServer({
  reader: new PortMessageReader(port),
  writer: new PortMessageWriter(port),
  plainClient: false,
  onExit: () => port.close(),
});
