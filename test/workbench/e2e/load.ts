/** Clients of a cluster that never rest, so that charts and lags in pictures have life. */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppClient } from '../../support/app-client.ts';

/** Between two commands of one client: a picture needs life, not throughput. */
const PACE_MS = 8;
const PROPOSAL_MS = 5_000;

export class Load {
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>[];

  /** One client for each socket. `commandOf` makes the nth command. */
  constructor(sockets: readonly string[], commandOf: (number: number) => string) {
    let number = 0;
    const next = (): string => {
      number += 1;
      return commandOf(number);
    };
    this.#running = sockets.map((socket) => this.#run(socket, next));
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#running);
  }

  async #run(socket: string, next: () => string): Promise<void> {
    const client = await AppClient.greet(socket, 'json');
    const { signal } = this.#stopped;
    // The sidecar may be killed under it: then it is done, and how the connection ended does not matter.
    const gone = client.closed.then(
      () => 'gone' as const,
      () => 'gone' as const,
    );
    for (let id = 1; !signal.aborted && !client.socket.destroyed; id++) {
      const command = Buffer.from(next());
      client.send({ type: 'propose', id, command, wait: 'COMMITTED', timeoutMs: PROPOSAL_MS });
      const done = client.next('proposed', (frame) => frame.id === id).catch(() => undefined);
      const failed = client.next('error', (frame) => frame.id === id).catch(() => undefined);
      if ((await Promise.race([done, failed, gone])) === 'gone') return;
      await sleep(PACE_MS + Math.round(PACE_MS * Math.sin(id / 40)));
    }
    client.socket.destroy();
    await gone;
  }
}
