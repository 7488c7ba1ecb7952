/** `outrigger demo-app`: the demo's app where there is no Python. Hidden: `demo` starts it beside each sidecar. */
import type { AddressInfo } from 'node:net';
import type { Command } from 'commander';
import { createKvServer } from '../../../examples/typescript-kv/server.ts';
import { usageError } from '../errors.ts';
import type { Shell } from '../shell.ts';
import { stopSignals } from '../stop-signals.ts';

export const DEMO_APP = 'demo-app';

export function addDemoApp(program: Command, { env, out }: Shell): void {
  program.command(DEMO_APP, { hidden: true }).action(async () => {
    const socket = env['OUTRIGGER_SOCKET'];
    if (!socket) throw usageError(`${DEMO_APP} is for \`outrigger demo\`: OUTRIGGER_SOCKET is not set.`);
    const signals = stopSignals();
    const server = createKvServer(socket);
    server.listen(Number(env['KV_PORT'] ?? 0), '127.0.0.1', () => {
      out.line(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    });
    await signals.first;
  });
}
