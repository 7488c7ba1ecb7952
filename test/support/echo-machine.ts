/**
 * A state machine for tests: takes what its sidecar delivers and says that it is applied, until it is told to stall.
 */
import { AppClient } from './app-client.ts';

export class EchoMachine {
  readonly #client: AppClient;
  #stalled = false;

  private constructor(client: AppClient) {
    this.#client = client;
  }

  /** Resolves when the sidecar has taken it. */
  static async attach(socket: string): Promise<EchoMachine> {
    const machine = new EchoMachine(await AppClient.greet(socket, 'json', {}));
    void machine.#run();
    return machine;
  }

  /** Reads on and acknowledges nothing more. */
  stall(): void {
    this.#stalled = true;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #run(): Promise<void> {
    for (;;) {
      const frame = await this.#client.next('entries').catch(() => undefined);
      // The connection is gone: the test, or the sidecar, has ended.
      if (frame === undefined) return;
      if (!this.#stalled) this.#client.send({ type: 'applied', through: frame.through, results: [] });
    }
  }
}
