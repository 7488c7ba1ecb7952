/**
 * A state machine for tests: takes what its sidecar delivers, answers each command with `TEXT@N` (the Nth command of its
 * life), and says that it is applied, until it is told to stall.
 */
import { AppClient } from './app-client.ts';

export class EchoMachine {
  /** Every command it was given, in order. */
  readonly commands: string[] = [];
  readonly #client: AppClient;
  #through: number;
  #stalled = false;
  #watchers: (() => void)[] = [];

  private constructor(client: AppClient, appliedIndex: number) {
    this.#client = client;
    this.#through = appliedIndex;
  }

  /** Resolves when the sidecar has taken it. `appliedIndex`: what it says it has applied already; `version`: which commands it knows. */
  static async attach(socket: string, appliedIndex = 0, version = 0): Promise<EchoMachine> {
    const client = await AppClient.open(socket, 'json', { keepBytes: false });
    client.hello({ appliedIndex, version });
    await client.next('welcome');
    const machine = new EchoMachine(client, appliedIndex);
    void machine.#run();
    return machine;
  }

  /** Reads on and acknowledges nothing more. */
  stall(): void {
    this.#stalled = true;
  }

  /** Resolves once it was given everything through `index`. */
  async through(index: number): Promise<void> {
    while (this.#through < index) await this.#more();
  }

  /** Resolves once it was given so many commands. */
  async count(commands: number): Promise<void> {
    while (this.commands.length < commands) await this.#more();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => this.#watchers.push(resolve));
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #run(): Promise<void> {
    for (;;) {
      const frame = await this.#client.next('entries').catch(() => undefined);
      // The connection is gone: the test, or the sidecar, has ended.
      if (frame === undefined) return;
      const results = frame.entries.map(({ index, command }) => {
        const text = Buffer.from(command).toString();
        this.commands.push(text);
        return { index, result: Buffer.from(`${text}@${this.commands.length}`) };
      });
      this.#through = frame.through;
      for (const wake of this.#watchers.splice(0)) wake();
      if (!this.#stalled) this.#client.send({ type: 'applied', through: frame.through, results });
    }
  }
}
