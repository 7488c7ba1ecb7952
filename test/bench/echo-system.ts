/** Three fake sidecars (`echo.ts`): shows the load generator's own ceiling on this machine. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { type Child, until, type Workplace } from './processes.ts';
import { type System, self } from './system.ts';

export class EchoSystem implements System {
  readonly name = '(echo only)';
  readonly client = 'the same generator as for outrigger, against processes that only answer';
  readonly #place: Workplace;
  readonly #sockets: string[];
  #echoes: Child[] = [];

  constructor(place: Workplace) {
    this.#place = place;
    this.#sockets = [1, 2, 3].map((i) => join(place.socketDir, `echo${i}.sock`));
  }

  async start(): Promise<void> {
    this.#echoes = this.#sockets.map((socket, i) =>
      this.#place.start(`echo${i + 1}`, process.execPath, [self, 'echo', socket]),
    );
    const exists = (socket: string): Promise<true | string> =>
      access(socket).then(
        () => true,
        (error: Error) => error.message,
      );
    await Promise.all(this.#sockets.map((socket) => until('echo', 10_000, () => exists(socket))));
  }

  load(plan: Parameters<System['load']>[0]): { command: string; args: string[] } {
    const whole = { ...plan, target: 'outrigger', endpoints: this.#sockets, connections: 1 };
    return { command: process.execPath, args: [self, 'load', JSON.stringify(whole)] };
  }

  async processes(): Promise<Map<string, Child[]>> {
    return new Map([['echoes', this.#echoes]]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#echoes.map((child) => this.#place.stop(child, 'SIGKILL')));
  }
}
