/**
 * A replicated key-value server: plain Node.js, no package, beside an Outrigger sidecar. From 22.18 on Node.js runs it as it is:
 *
 *   outrigger dev -- node examples/typescript-kv/kv.ts
 *
 * Environment: OUTRIGGER_SOCKET (the app socket of the sidecar), KV_PORT (or the first argument; default: any free port).
 */
import type { AddressInfo } from 'node:net';
import { createKvServer } from './server.ts';

const socket = process.env['OUTRIGGER_SOCKET'];
if (socket === undefined) {
  console.error('set OUTRIGGER_SOCKET to the app socket of a sidecar, or run `outrigger dev -- node kv.ts`');
  process.exit(1);
}
process.on('SIGTERM', () => process.exit(0));
const server = createKvServer(socket);
server.listen(Number(process.argv[2] ?? process.env['KV_PORT'] ?? 0), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
