/** Runs `test/processes/moody_app.py`: a state machine in a process of its own that misbehaves when it is told to. */
import { resolve } from 'node:path';
import { ManagedProcess } from '../../sidecar/cli/cluster/managed-process.ts';

export class MoodyApp {
  readonly child: ManagedProcess;
  /** What it has said. */
  readonly lines: string[];
  readonly #watchers: (() => void)[];
  #ended = false;

  private constructor(child: ManagedProcess, lines: string[], watchers: (() => void)[]) {
    this.child = child;
    this.lines = lines;
    this.#watchers = watchers;
    void child.exited.then(() => {
      this.#ended = true;
      for (const wake of watchers.splice(0)) wake();
    });
  }

  /** Starts one; see the file for its flags. */
  static async start(socket: string, ...flags: string[]): Promise<MoodyApp> {
    const lines: string[] = [];
    const watchers: (() => void)[] = [];
    const child = await ManagedProcess.start({
      command: 'python3',
      args: [resolve('test/processes/moody_app.py'), ...flags],
      env: { ...process.env, OUTRIGGER_SOCKET: socket },
      stdin: 'held',
      onLine: (_, text) => {
        lines.push(text);
        for (const wake of watchers.splice(0)) wake();
      },
    });
    return new MoodyApp(child, lines, watchers);
  }

  /** Starts one, and resolves when its sidecar has let it in. */
  static async join(socket: string, ...flags: string[]): Promise<MoodyApp> {
    const app = await MoodyApp.start(socket, ...flags);
    await app.says(/^welcome/);
    return app;
  }

  /** Changes its mood. */
  be(mood: string): void {
    this.child.tell(`${mood}\n`);
  }

  /** Resolves with the first line that is like that, of all since the beginning. Rejects when it ends before. */
  async says(what: RegExp): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => what.test(line));
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`the app ended without saying ${what}: ${this.lines.join(' | ')}`);
      await new Promise<void>((done) => this.#watchers.push(done));
    }
  }

  async kill(): Promise<void> {
    await this.child.kill();
  }
}
