/**
 * The process of the demo cluster: `outrigger dev`, its output line by line, its end.
 *
 * MUST: be free of vscode; leave nothing behind: asked to stop first, killed when it does not, ended by the end of its input when
 * we are gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Launch } from './launch.ts';

export const DEMO_LIMITS = {
  /** Until the cluster has told its name. Over it: stopped, and said. */
  startMs: 45_000,
  /** Orderly stop. Over it: killed. */
  stopMs: 12_000,
  /** A line of output, in characters. The rest is cut. */
  lineChars: 2_000,
} as const;

export interface DemoListener {
  line(text: string): void;
  /** It ended, and nobody asked it to. `why`: one sentence. */
  ended(why: string): void;
}

const FIRST_LINE = /^cluster ([A-Za-z0-9][A-Za-z0-9._-]{0,63}), data in /;

export class DemoProcess {
  /** Of the cluster that runs. */
  readonly cluster: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #state: { asked: boolean };

  private constructor(
    cluster: string,
    child: ChildProcess,
    exited: Promise<void>,
    state: { asked: boolean },
  ) {
    this.cluster = cluster;
    this.#child = child;
    this.#exited = exited;
    this.#state = state;
  }

  /** Resolves when every process of the cluster runs. Rejects with one sentence when it does not come up. */
  static async start(launch: Launch, args: readonly string[], listener: DemoListener): Promise<DemoProcess> {
    const child = spawn(launch.command, [...launch.args, ...args], {
      env: launch.env,
      // Its input closes when we end, however we end: then it stops too (`--exit-with-parent`).
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const state = { asked: false };
    let lastWords = '';
    let exited: Promise<void> = Promise.resolve();
    const up = new Promise<string>((resolve, reject) => {
      // Not cleared on success: it does nothing then, and does not keep the process alive.
      setTimeout(
        () => reject(new Error(`The demo cluster was not up within ${DEMO_LIMITS.startMs / 1_000} s.`)),
        DEMO_LIMITS.startMs,
      ).unref();
      const take = (text: string): void => {
        const line = text.slice(0, DEMO_LIMITS.lineChars);
        if (line.trim() !== '') lastWords = line;
        listener.line(line);
        const name = FIRST_LINE.exec(line)?.[1];
        if (name !== undefined) resolve(name);
      };
      for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', take);
      exited = new Promise((gone) => {
        const end = (why: string): void => {
          gone();
          reject(new Error(`The demo cluster did not start: ${lastWords === '' ? why : lastWords}`));
          if (!state.asked) listener.ended(why);
        };
        child.once('error', (error) => end(error.message));
        child.once('exit', (code, signal) =>
          end(signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`),
        );
      });
    });
    try {
      return new DemoProcess(await up, child, exited, state);
    } catch (error) {
      state.asked = true;
      await stopChild(child, exited);
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when every process of it is gone. */
  async stop(): Promise<void> {
    this.#state.asked = true;
    await stopChild(this.#child, this.#exited);
  }
}

async function stopChild(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.kill('SIGTERM');
  // A second SIGTERM tells `dev` to kill everything; SIGKILL leaves that to the sidecars, which end with their parent.
  const timers = [
    setTimeout(() => child.kill('SIGTERM'), DEMO_LIMITS.stopMs),
    setTimeout(() => child.kill('SIGKILL'), DEMO_LIMITS.stopMs + 3_000),
  ];
  await exited;
  for (const timer of timers) clearTimeout(timer);
}
