/**
 * The aggregator as a process on standard input and output, for any editor that speaks LSP: `outrigger lsp --stdio`.
 *
 * MUST: end when its input ends or the client said `exit`; write nothing but LSP to standard output.
 */
// Not of vscode-jsonrpc/node: the server has another version of that package in itself, and the two do not mix.
import { StreamMessageReader, StreamMessageWriter } from 'vscode-languageserver/node';
import { startServer } from './server.ts';

const { stdin, stdout } = process;

// The client is gone: there is nobody left to tell.
stdout.on('error', () => process.exit(0));
stdin.on('end', () => process.exit(0));

startServer({
  reader: new StreamMessageReader(stdin),
  writer: new StreamMessageWriter(stdout),
  plainClient: true,
  onExit: (code) => process.exit(code),
});
